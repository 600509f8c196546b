"""Change of dtype, device or memory: ``to``, ``clone``, ``contiguous``, ``float()`` and kin."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from isograd.tensor import dtypes
from isograd.tensor.backends import backend_for, backend_of
from isograd.tensor.core import Tensor, wrap
from isograd.tensor.cuts import Cut, elementwise
from isograd.tensor.devices import device
from isograd.tensor.door import apply
from isograd.tensor.dtypes import dtype
from isograd.tensor.inplace import write_into
from isograd.tensor.memory_format import order_of, preserve_format
from isograd.tensor.primitive import Primitive
from isograd.tensor.primitives.views import permute
from isograd.tensor.public import public

__all__ = ["clone", "to"]


def _cast_forward(xp: Any, x: Any, *, dtype: Any) -> Any:
    if x.dtype.kind == "c" and dtype.np.kind != "c":
        x = x.real
    if x.dtype.kind in "fV" and dtype.np.kind in "iu":
        wide = x.astype(np.float64) if x.dtype.kind == "V" or x.dtype.itemsize < 4 else x
        return wide.astype(np.int64).astype(dtype.np)  # as C does: through int64, then wrapped
    return x.astype(dtype.np)


def _cast_cuts(params: Any, x: tuple[int, ...]) -> Iterable[Cut]:
    """Parts of a sum are cast one by one to the widest dtypes only: others would round them."""
    wide = params["dtype"] in (dtypes.float64, dtypes.complex128)
    return elementwise(sums=[(0,)] if wide else ())(params, x)


_cast = Primitive(
    "to_copy",
    _cast_forward,
    vjp={"x": lambda g: g},
    cuts=_cast_cuts,
    samples=lambda make: [((make(3, 4),), {"dtype": dtypes.float64})],
    doc="A copy of another dtype; the gradient comes back in the input's.",
)
_clone = Primitive(
    "clone",
    lambda xp, x: x.copy(),
    vjp={"x": lambda g: g},
    cuts=elementwise(sums=[(0,)]),
    samples=lambda make: [((make(3, 4),), {})],
    doc="A copy in memory of its own.",
)


def _move_forward(xp: Any, x: Any, *, where: device, home: device) -> Any:
    return backend_for(where).from_numpy(backend_of(x).to_numpy(x), where.index)


_move: Primitive = Primitive(
    "to_device",
    _move_forward,
    vjp={"x": lambda g, where, home: apply(_move, g, where=home, home=where)},
    cuts=elementwise(sums=[(0,)]),
    samples=lambda make: [((make(3, 4),), {"where": device("cpu"), "home": device("cpu")})],
    doc="A copy on another device; the gradient travels back.",
)


@public()
def clone(input: Tensor, *, memory_format: Any = None) -> Tensor:
    """A copy in memory of its own, in row order or ``memory_format``'s; gradients flow through."""
    order = order_of("clone", memory_format, input.ndim)
    return _ordered_copy(input, order) if order else apply(_clone, input)


def _ordered_copy(input: Tensor, order: tuple[int, ...]) -> Tensor:
    back = [order.index(i) for i in range(len(order))]
    return permute(apply(_clone, permute(input, order)), back)


@public(function=False)
def contiguous(input: Tensor, memory_format: Any = None) -> Tensor:
    """The tensor itself if its memory is in row (or the format's) order, else a copy that is."""
    if memory_format is None:
        return input if input._array.flags.c_contiguous else clone(input)
    order_of("contiguous", memory_format, input.ndim)
    if memory_format is preserve_format:
        raise RuntimeError("preserve memory format is unsupported by the contiguous operator")
    if input.is_contiguous(memory_format=memory_format):
        return input
    return clone(input, memory_format=memory_format)


def cast(input: Tensor, d: dtype, copy: bool = False) -> Tensor:
    """The tensor in another dtype; itself if it has that dtype already and no copy is asked."""
    if input.dtype is d:
        return clone(input) if copy else input
    return apply(_cast, input, dtype=d)


def move(input: Tensor, where: device, copy: bool = False) -> Tensor:
    """The tensor on another device; itself if it is there already and no copy is asked."""
    home = input.device
    same = home == where or (home.type == where.type and where.index is None)
    if same:
        return clone(input) if copy else input
    return apply(_move, input, where=where, home=home)


def parse_to(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any, bool]:
    """``(device, dtype, copy)`` from the arguments of ``Tensor.to`` or ``Module.to``.

    Raises:
        TypeError: for an argument that is neither a device, a dtype nor a tensor.
    """
    where, d = kwargs.pop("device", None), kwargs.pop("dtype", None)
    other, copy = kwargs.pop("other", None), kwargs.pop("copy", False)
    kwargs.pop("non_blocking", None)  # copies are ordered with the stream's work either way
    if kwargs:
        raise TypeError(f"to() got an unexpected keyword argument {next(iter(kwargs))!r}")
    flags = [a for a in args if isinstance(a, bool)]
    for value in [a for a in args if not isinstance(a, bool)] + (
        [other] if other is not None else []
    ):
        if isinstance(value, dtype):
            d = value
        elif isinstance(value, (str, device, int)):
            where = device(value)
        elif isinstance(value, Tensor):
            where, d = value.device, value.dtype
        elif value is not None:
            raise TypeError(
                f"to(): expected a device, a dtype or a Tensor, got {type(value).__name__}"
            )
    if len(flags) > 1:
        copy = flags[1]
    return (None if where is None else device(where)), d, copy


@public(function=False)
def to(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """``to(device)``, ``to(dtype)``, ``to(device, dtype)`` or ``to(other)``; also to a format.

    Returns:
        The tensor itself if nothing changes and ``copy`` is not set.
    """
    form = kwargs.pop("memory_format", None)
    if form is not None and form is not preserve_format:
        order_of("to", form, input.ndim)
        return contiguous(to(input, *args, **kwargs), memory_format=form)
    where, d, copy = parse_to(args, dict(kwargs))
    out = input
    if d is not None:
        out = cast(out, d)
    if where is not None:
        out = move(out, where)
    return clone(out) if copy and out is input else out


def _caster(name: str, d: dtype) -> None:
    def method(self: Tensor, memory_format: Any = None) -> Tensor:
        if memory_format is None:
            return cast(self, d)
        return to(self, d, memory_format=memory_format)

    method.__name__ = name
    method.__doc__ = f"The tensor as {d}."
    setattr(Tensor, name, method)


for _name, _dtype in {
    "float": dtypes.float32, "double": dtypes.float64, "half": dtypes.float16,
    "bfloat16": dtypes.bfloat16, "long": dtypes.int64, "int": dtypes.int32,
    "short": dtypes.int16, "char": dtypes.int8, "byte": dtypes.uint8, "bool": dtypes.bool_,
    "cfloat": dtypes.complex64, "cdouble": dtypes.complex128,
}.items():  # fmt: skip
    _caster(_name, _dtype)


@public(function=False)
def type_as(input: Tensor, other: Tensor) -> Tensor:
    """The tensor with the dtype and on the device of ``other``."""
    return to(input, other)


@public(function=False)
def cpu(input: Tensor) -> Tensor:
    """The tensor on the CPU."""
    return move(input, device("cpu"))


@public(function=False)
def cuda(input: Tensor, device: Any = None, non_blocking: bool = False) -> Tensor:
    """The tensor on a CUDA device (the current one by default)."""
    return move(input, _cuda_device(device))


def _cuda_device(where: Any) -> device:
    return device("cuda") if where is None else device(where)


@public(function=False)
def pin_memory(input: Tensor, device: Any = None) -> Tensor:
    """A copy in page-locked memory, from which a GPU copies without waiting; needs a GPU."""
    backend = backend_for(_cuda_device(None))
    host = backend.pinned(tuple(input._array.shape), input._array.dtype)
    host[...] = input._array
    out = wrap(host)
    out._pinned = True  # type: ignore[attr-defined]
    return out


def copy_values(target: Tensor, source: Any) -> Tensor:
    """``source`` in ``target``'s shape and dtype and on its device, as a new tensor."""
    if not isinstance(source, Tensor):
        source = wrap(backend_of(target._array).xp.asarray(source))
    moved = cast(move(source, target.device), target.dtype)
    return moved.expand(target.shape) if moved.shape != target.shape else moved


def copy_(self: Tensor, src: Tensor, non_blocking: bool = False) -> Tensor:
    """Overwrite with the values of ``src`` (broadcast, cast, moved); gradients flow to ``src``."""
    return write_into(self, lambda target, source: clone(copy_values(target, source)), (src,),
                      name="copy_")  # fmt: skip


Tensor.copy_ = copy_  # type: ignore[attr-defined]
