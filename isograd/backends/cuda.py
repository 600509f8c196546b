"""``torch.backends.cuda``: how float32 products are rounded, and hints about attention.

Attention is computed in one way (``math``), whichever of torch's kernels are allowed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from isograd.tensor.backends import device_count
from isograd.tensor.precision import set_float32_matmul_precision, state

__all__ = [
    "cudnn_sdp_enabled", "enable_cudnn_sdp", "enable_flash_sdp", "enable_math_sdp",
    "enable_mem_efficient_sdp", "flash_sdp_enabled", "is_built", "math_sdp_enabled", "matmul",
    "mem_efficient_sdp_enabled", "sdp_kernel",
]  # fmt: skip


class _Matmul:
    """``backends.cuda.matmul``: precision of matrix products on the GPU."""

    @property
    def allow_tf32(self) -> bool:
        """Whether float32 products may round their factors to TensorFloat-32."""
        return state.allow_tf32

    @allow_tf32.setter
    def allow_tf32(self, allowed: bool) -> None:
        set_float32_matmul_precision("high" if allowed else "highest")

    @property
    def allow_fp16_reduced_precision_reduction(self) -> bool:
        """False: float16 products are added in float32."""
        return False

    @allow_fp16_reduced_precision_reduction.setter
    def allow_fp16_reduced_precision_reduction(self, allowed: bool) -> None:
        """A hint; sums stay in float32, which is the more exact."""

    allow_bf16_reduced_precision_reduction = allow_fp16_reduced_precision_reduction


matmul = _Matmul()


def is_built() -> bool:
    """Whether CUDA tensors can be made: isograd needs no build, but CuPy and a device."""
    return device_count() > 0


_allowed = {"flash": True, "mem_efficient": True, "math": True, "cudnn": True}


def _switch(kind: str) -> tuple[Callable[[], bool], Callable[[bool], None]]:
    def enabled() -> bool:
        return _allowed[kind]

    def enable(enabled: bool) -> None:
        _allowed[kind] = bool(enabled)

    enabled.__doc__ = f"Whether {kind} attention is allowed; a hint."
    enable.__doc__ = f"Allow {kind} attention or not; a hint."
    return enabled, enable


flash_sdp_enabled, enable_flash_sdp = _switch("flash")
mem_efficient_sdp_enabled, enable_mem_efficient_sdp = _switch("mem_efficient")
math_sdp_enabled, enable_math_sdp = _switch("math")
cudnn_sdp_enabled, enable_cudnn_sdp = _switch("cudnn")


@contextmanager
def sdp_kernel(
    enable_flash: bool = True,
    enable_math: bool = True,
    enable_mem_efficient: bool = True,
    enable_cudnn: bool = True,
) -> Iterator[None]:
    """Allow kinds of attention inside a ``with`` block; a hint."""
    before = dict(_allowed)
    _allowed.update(flash=enable_flash, math=enable_math, mem_efficient=enable_mem_efficient,
                    cudnn=enable_cudnn)  # fmt: skip
    try:
        yield
    finally:
        _allowed.update(before)
