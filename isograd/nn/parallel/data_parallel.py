"""``DataParallel``: torch's wrapper for several GPUs in one process, on the first of them.

The results are those of the wrapped module, so nothing is divided; `DistributedDataParallel` and
``isograd run -n`` are what divides work.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from isograd.nn.module import Module
from isograd.tensor.backends import device_count
from isograd.tensor.core import Tensor
from isograd.tensor.devices import device

__all__ = ["DataParallel", "data_parallel"]


class DataParallel(Module):
    """Runs ``module``; its ``state_dict`` keys begin with ``module.``, as torch's do.

    Args:
        module: what to run.
        device_ids: GPUs; the first computes. All of them by default.
        output_device: where the result goes; the first GPU by default.
        dim: the batch's dimension, which nothing depends on as nothing is divided.
    """

    def __init__(
        self,
        module: Module,
        device_ids: Sequence[Any] | None = None,
        output_device: Any = None,
        dim: int = 0,
    ) -> None:
        super().__init__()
        self.module = module
        self.dim = dim
        ids = range(device_count()) if device_ids is None else device_ids
        self.device_ids = [_index(where) for where in ids] if device_count() else []
        first = self.device_ids[0] if self.device_ids else None
        self.output_device = first if output_device is None or first is None else (
            _index(output_device)
        )  # fmt: skip
        if len(self.device_ids) > 1:
            warnings.warn(
                f"DataParallel: of the GPUs {self.device_ids} only {first} computes; the results "
                "are the same. Use `isograd run -n` to use all of them",
                stacklevel=2,
            )

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        """The module's result for these inputs, which are moved to its GPU."""
        if not self.device_ids:
            return self.module(*inputs, **kwargs)
        where = device("cuda", self.device_ids[0])
        inputs, kwargs = _moved(inputs, where), _moved(kwargs, where)
        return _moved(self.module(*inputs, **kwargs), device("cuda", self.output_device))


def data_parallel(
    module: Module,
    inputs: Any,
    device_ids: Sequence[Any] | None = None,
    output_device: Any = None,
    dim: int = 0,
    module_kwargs: dict[str, Any] | None = None,
) -> Any:
    """`DataParallel` for one call.

    Args:
        inputs: a tensor, or a tuple of arguments.
        module_kwargs: arguments by name.
    """
    args = inputs if isinstance(inputs, tuple) else (inputs,)
    wrapped = DataParallel(module, device_ids, output_device, dim)
    return wrapped(*args, **module_kwargs or {})


def _index(where: Any) -> int:
    if isinstance(where, int):
        return where
    return device(where).index or 0


def _moved(value: Any, where: device) -> Any:
    if isinstance(value, Tensor):
        return value.to(where)
    if isinstance(value, dict):
        return {key: _moved(v, where) for key, v in value.items()}
    if type(value) in (list, tuple):
        return type(value)([_moved(v, where) for v in value])
    return value
