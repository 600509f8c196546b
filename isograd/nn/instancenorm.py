"""Instance normalisation (Ulyanov, Vedaldi & Lempitsky 2016): every channel of every example."""

from __future__ import annotations

from typing import Any

from isograd.nn import functional as F
from isograd.nn.batchnorm import RunningNorm
from isograd.tensor.core import Tensor

__all__ = ["InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d"]


class _InstanceNorm(RunningNorm):
    """Shared by InstanceNorm1d, InstanceNorm2d and InstanceNorm3d."""

    def __init__(
        self, num_features: int, eps: float = 1e-5, momentum: float = 0.1, affine: bool = False,
        track_running_stats: bool = False, device: Any = None, dtype: Any = None, *,
        bias: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype,
                         bias)  # fmt: skip

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        single = input.ndim == min(self.ranks)  # one example without a batch
        channels = input.shape[0 if single else 1]
        if channels != self.num_features and self.affine:
            raise ValueError(
                f"expected input's size at dim={0 if single else 1} to match num_features "
                f"({self.num_features}), but got: {channels}."
            )
        momentum = 0.0 if self.momentum is None else self.momentum
        out = F.instance_norm(
            input.unsqueeze(0) if single else input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            momentum,
            self.eps,
        )
        return out.squeeze(0) if single else out


class InstanceNorm1d(_InstanceNorm):
    """Every channel of every example to zero mean and unit variance.

    Args:
        num_features: channels.
        eps: added to the variance.
        momentum: how far the running statistics move towards each batch's.
        affine: have a weight (from 1) and a bias (from 0) per channel.
        track_running_stats: keep running statistics, and use them in ``eval()`` mode.

    Shape:
        (N, C, L) or (C, L), unchanged
    """

    ranks = (2, 3)


class InstanceNorm2d(_InstanceNorm):
    """Instance normalisation of images (N, C, H, W) or (C, H, W); see `InstanceNorm1d`."""

    ranks = (3, 4)


class InstanceNorm3d(_InstanceNorm):
    """Instance normalisation of volumes (N, C, D, H, W) or (C, D, H, W); see `InstanceNorm1d`."""

    ranks = (4, 5)
