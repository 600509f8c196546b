"""New tensors: from values, filled, counted, and from other libraries' arrays."""

from __future__ import annotations

import builtins
import math
from typing import Any

import numpy as np

from isograd.tensor import dtypes
from isograd.tensor.backends import array_types, backend_for
from isograd.tensor.core import Tensor, as_array, wrap
from isograd.tensor.devices import default_device, device
from isograd.tensor.dtypes import dtype as DType
from isograd.tensor.dtypes import from_numpy as _dtype_of
from isograd.tensor.dtypes import get_default_dtype
from isograd.tensor.primitives.shape import expand, reshape, sizes, stack
from isograd.tensor.promotion import result_dtype, scalar_dtype
from isograd.tensor.public import public
from isograd.tensor.spread import SpreadArray

__all__ = ["arange", "as_tensor", "empty", "from_numpy", "full", "ones", "tensor", "zeros"]


def check_options(name: str, options: dict[str, Any]) -> None:
    """Options that mean nothing here are taken; others raise.

    Raises:
        TypeError: for an option nobody knows.
        NotImplementedError: for a layout or memory format isograd does not have.
    """
    for key, value in options.items():
        if key in ("pin_memory", "non_blocking"):
            continue
        if key == "layout" and str(value) in ("torch.strided", "None"):
            continue
        if key == "memory_format" and str(value) in (
            "None", "torch.preserve_format", "torch.contiguous_format"
        ):  # fmt: skip
            continue
        if key in ("layout", "memory_format"):
            raise NotImplementedError(f"{name}: {key}={value} is not supported")
        raise TypeError(f"{name}() got an unexpected keyword argument '{key}'")


def finish(array: Any, requires_grad: bool) -> Tensor:
    """A new leaf."""
    out = wrap(array)
    if requires_grad:
        out.requires_grad_(True)
    return out


def _place(where: Any) -> Any:
    target = default_device() if where is None else device(where)
    return backend_for(target), target


def _make(name: str, shape: Any, fill: Any, d: DType, where: Any, requires_grad: bool) -> Tensor:
    for n in shape:
        if n < 0:
            raise RuntimeError(
                f"Trying to create tensor with negative dimension {n}: {list(shape)}"
            )
    backend, target = _place(where)
    if target.type == "cpu":
        array = np.empty(shape, d.np) if fill is None else np.full(shape, fill, d.np)
    else:
        with backend.xp.cuda.Device(target.index):
            make = backend.xp.empty if fill is None else backend.xp.full
            array = make(shape, d.np) if fill is None else make(shape, fill, d.np)
    return finish(array, requires_grad)


@public(method=False)
def tensor(data: Any, *, dtype: DType | None = None, device: Any = None,
           requires_grad: bool = False, pin_memory: bool = False) -> Tensor:  # fmt: skip
    """A new tensor of ``data``'s values; Python floats take the default dtype.

    Args:
        data: a number, nested sequences, a NumPy array or a tensor; always copied.

    Raises:
        TypeError, ValueError: for data that is no rectangle of numbers.
    """
    where = None if device is None else _device(device)
    out = finish(as_array(data, dtype, where), requires_grad)
    return out.pin_memory() if pin_memory else out


def _device(where: Any) -> device:
    return device(where)


@public("asarray", method=False)
def as_tensor(data: Any, dtype: DType | None = None, device: Any = None) -> Tensor:
    """As `tensor`, sharing memory with NumPy arrays and tensors where nothing must change."""
    if isinstance(data, np.ndarray):
        data = from_numpy(data)
    elif isinstance(data, array_types()):
        data = wrap(data)
    if isinstance(data, Tensor):
        out = data if dtype is None else data.to(dtype)
        return out if device is None else out.to(device)
    return tensor(data, dtype=dtype, device=device)


@public(method=False)
def from_numpy(ndarray: Any) -> Tensor:
    """A tensor that shares a NumPy array's memory.

    Raises:
        TypeError: for anything but a NumPy array of a dtype that tensors have.
    """
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(ndarray).__name__})")
    _dtype_of(ndarray.dtype)
    out = wrap(ndarray if type(ndarray) is np.ndarray else np.asarray(ndarray))
    out._share_version()
    return out


@public(method=False)
def from_dlpack(ext_tensor: Any) -> Tensor:
    """A tensor that shares the memory of any object with ``__dlpack__``."""
    kind = ext_tensor.__dlpack_device__()[0]
    if kind in (1, 3):
        out = wrap(np.from_dlpack(ext_tensor))
    else:
        out = wrap(backend_for(device("cuda")).xp.from_dlpack(ext_tensor))
    out._share_version()
    return out


@public(method=False)
def frombuffer(buffer: Any, *, dtype: DType, count: int = -1, offset: int = 0,
               requires_grad: bool = False) -> Tensor:  # fmt: skip
    """A tensor over the memory of an object with the buffer protocol."""
    out = from_numpy(np.frombuffer(buffer, dtype.np, count, offset))
    return out.requires_grad_(True) if requires_grad else out


def _filled(name: str, value: Any, doc: str) -> Any:
    def function(
        *size: Any,
        dtype: DType | None = None,
        device: Any = None,
        requires_grad: bool = False,
        out: Tensor | None = None,
        **options: Any,
    ) -> Tensor:
        check_options(name, options)
        if "size" in options:
            size = (options["size"],)
        d = dtype or get_default_dtype()
        made = _make(name, sizes(size, name), value, d, device, requires_grad)
        return made if out is None else _into(out, made)

    function.__name__ = name
    function.__doc__ = doc
    return public(method=False)(function)


def _into(out: Tensor, made: Tensor) -> Tensor:
    out._array = made._array.astype(out._array.dtype)
    out._bump()
    return out


empty = _filled("empty", None, "An uninitialised tensor.")
zeros = _filled("zeros", 0, "A tensor of zeros.")
ones = _filled("ones", 1, "A tensor of ones.")


@public(method=False)
def full(
    size: Any,
    fill_value: Any,
    *,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
    out: Tensor | None = None,
    **options: Any,
) -> Tensor:
    """A tensor of one value; its dtype is the value's unless given."""
    check_options("full", options)
    if isinstance(fill_value, Tensor):
        fill_value = fill_value.item()
    d = dtype or scalar_dtype(fill_value)
    made = _make("full", sizes((size,), "full"), fill_value, d, device, requires_grad)
    return made if out is None else _into(out, made)


@public(method=False)
def empty_strided(size: Any, stride: Any, *, dtype: DType | None = None, device: Any = None,
                  requires_grad: bool = False, **options: Any) -> Tensor:  # fmt: skip
    """An uninitialised tensor with the given strides, in elements."""
    check_options("empty_strided", options)
    count = 1 + builtins.sum((n - 1) * s for n, s in zip(size, stride, strict=True))
    flat = empty(builtins.max(count, 0) if 0 not in size else 0, dtype=dtype, device=device)
    if 0 in size:
        return reshape(flat, tuple(size))
    out = flat.as_strided(size, stride).detach()
    return out.requires_grad_(True) if requires_grad else out


def _like(name: str, value: Any, doc: str) -> Any:
    def function(input: Tensor, *args: Any, dtype: DType | None = None, device: Any = None,
                 requires_grad: bool = False, **options: Any) -> Tensor:  # fmt: skip
        check_options(name, options)
        fill = args[0] if name == "full_like" else value
        if isinstance(fill, Tensor):
            fill = fill.item()
        if isinstance(input._array, SpreadArray) and device is None:
            kind = dtype or input.dtype
            made = wrap(input._array.full(0 if fill is None else fill, kind.np))
            return made.requires_grad_(True) if requires_grad else made
        made = _make(name, tuple(input._array.shape), fill, dtype or input.dtype,
                     device or input.device, requires_grad)  # fmt: skip
        return _keep_strides(made, input._array)

    function.__name__ = name
    function.__doc__ = doc
    return public(method=False)(function)


def _keep_strides(made: Tensor, like: Any) -> Tensor:
    """torch's preserve_format: a dense tensor of permuted dimensions stays permuted."""
    if like.flags.c_contiguous or like.ndim < 2 or 0 in like.strides:
        return made
    order = sorted(range(like.ndim), key=lambda i: -like.strides[i])
    packed = made._array.transpose(order).copy()
    if like.transpose(order).flags.c_contiguous:
        back = [0] * like.ndim
        for i, d in enumerate(order):
            back[d] = i
        made._array = packed.transpose(back)
    return made


empty_like = _like("empty_like", None, "An uninitialised tensor like ``input``.")
zeros_like = _like("zeros_like", 0, "Zeros of the shape, dtype and device of ``input``.")
ones_like = _like("ones_like", 1, "Ones of the shape, dtype and device of ``input``.")
full_like = _like("full_like", None, "One value in the shape, dtype and device of ``input``.")


def _new(name: str, value: Any) -> None:
    def method(self: Tensor, *size: Any, dtype: DType | None = None, device: Any = None,
               requires_grad: bool = False, **options: Any) -> Tensor:  # fmt: skip
        check_options("new_" + name, options)
        fill = value
        if name == "full":
            size, fill = (size[0],), options.get("fill_value", size[-1])
        elif "size" in options:
            size = (options["size"],)
        return _make("new_" + name, sizes(size, "new_" + name), fill, dtype or self.dtype,
                     device or self.device, requires_grad)  # fmt: skip

    method.__name__ = "new_" + name
    method.__doc__ = f"As `isograd.{name}`, with this tensor's dtype and device."
    setattr(Tensor, "new_" + name, method)


for _name, _value in {"empty": None, "zeros": 0, "ones": 1, "full": None}.items():
    _new(_name, _value)


@public(function=False)
def new_tensor(self: Tensor, data: Any, *, dtype: DType | None = None, device: Any = None,
               requires_grad: bool = False) -> Tensor:  # fmt: skip
    """As `isograd.tensor`, with this tensor's dtype and device."""
    return tensor(data, dtype=dtype or self.dtype, device=device or self.device,
                  requires_grad=requires_grad)  # fmt: skip


@public(function=False)
def new(self: Tensor, *args: Any) -> Tensor:
    """Legacy: `Tensor(...)` with this tensor's dtype and device."""
    return Tensor(*args).to(self.device, self.dtype)


@public(method=False)
def arange(
    *bounds: Any,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
    out: Tensor | None = None,
    **options: Any,
) -> Tensor:
    """``start, start + step, ...`` up to but without ``end``; integers give int64.

    Raises:
        RuntimeError: if the step is 0 or leads away from the end.
    """
    named = [options.pop(n) for n in ("start", "end", "step") if n in options]
    check_options("arange", options)
    listed = [v.item() if isinstance(v, Tensor) else v for v in (*bounds, *named)]
    start, end, step = [0, *listed, 1] if len(listed) == 1 else [*listed, 1][:3]
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if not (math.isfinite(start) and math.isfinite(end)):
        raise RuntimeError(f"unsupported range: {start} -> {end}")
    if (end - start) * step < 0:
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")
    if dtype is None:
        whole = all(isinstance(v, (int, np.integer)) for v in (start, end, step))
        dtype = dtypes.int64 if whole else get_default_dtype()
    whole = dtype.category < 2 and isinstance(step, int) and isinstance(end - start, int)
    count = -(-(end - start) // step) if whole else math.ceil((end - start) / step)
    wide = dtypes.float64.np if dtype.category > 1 or isinstance(step, float) else dtypes.int64.np
    backend, target = _place(device)
    array = (np.arange(count, dtype=wide) * step + start).astype(dtype.np)
    made = finish(backend.from_numpy(array, target.index), requires_grad)
    return made if out is None else _into(out, made)


@public(method=False)
def linspace(
    start: Any,
    end: Any,
    steps: int,
    *,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
    out: Tensor | None = None,
    **options: Any,
) -> Tensor:
    """``steps`` values from ``start`` to ``end``, evenly spaced, both included."""
    check_options("linspace", options)
    a, b = (v.item() if isinstance(v, Tensor) else v for v in (start, end))
    _check_steps("linspace", steps)
    complex_ends = isinstance(a, complex) or isinstance(b, complex)
    d = dtype or (get_default_dtype().to_complex() if complex_ends else get_default_dtype())
    array = _spaced(a, b, steps, d)
    backend, target = _place(device)
    made = finish(backend.from_numpy(array, target.index), requires_grad)
    return made if out is None else _into(out, made)


def _check_steps(name: str, steps: Any) -> None:
    if not isinstance(steps, (int, np.integer)):
        raise TypeError(f"{name}(): steps must be an int, not {type(steps).__name__}")
    if steps < 0:
        raise RuntimeError("number of steps must be non-negative")


def _spaced(a: Any, b: Any, steps: int, d: DType) -> Any:
    """Counted from both ends to the middle, so that the result is symmetric."""
    if steps == 1:
        return np.array([a]).astype(d.np)
    if d.category < 2:
        a, b = int(a), int(b)
        step = (b - a) / builtins.max(1, steps - 1)
        index = np.arange(steps)
        low, high = a + step * index, b - step * (steps - 1 - index)
        return np.where(index < steps // 2, low, high).astype(d.np)
    kind = d.np if d.itemsize > 2 else np.dtype(np.float32)
    a, b = kind.type(a), kind.type(b)
    step = (b - a) / kind.type(builtins.max(1, steps - 1))
    index = np.arange(steps).astype(kind)
    low, high = a + step * index, b - step * (kind.type(steps - 1) - index)
    return np.where(np.arange(steps) < steps // 2, low, high).astype(d.np)


@public(method=False)
def logspace(start: Any, end: Any, steps: int, base: float = 10.0, *, dtype: DType | None = None,
             device: Any = None, requires_grad: bool = False, out: Tensor | None = None,
             **options: Any) -> Tensor:  # fmt: skip
    """``base ** linspace(start, end, steps)``."""
    check_options("logspace", options)
    _check_steps("logspace", steps)
    a, b = (v.item() if isinstance(v, Tensor) else v for v in (start, end))
    d = dtype or get_default_dtype()
    array = np.power(float(base), _spaced(a, b, steps, dtypes.float64)).astype(d.np)
    backend, target = _place(device)
    made = finish(backend.from_numpy(array, target.index), requires_grad)
    return made if out is None else _into(out, made)


@public(method=False)
def eye(
    n: int,
    m: int | None = None,
    *,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
    out: Tensor | None = None,
    **options: Any,
) -> Tensor:
    """A matrix with ones on the diagonal."""
    check_options("eye", options)
    if n < 0 or (m is not None and m < 0):
        raise RuntimeError(f"n and m must be greater or equal to 0, got {n} and {m}")
    backend, target = _place(device)
    array = np.eye(n, m, dtype=(dtype or get_default_dtype()).np)
    made = finish(backend.from_numpy(array, target.index), requires_grad)
    return made if out is None else _into(out, made)


def _triangle_indices(name: str) -> Any:
    def function(row: int, col: int, offset: int = 0, *, dtype: DType = dtypes.int64,
                 device: Any = None, **options: Any) -> Tensor:  # fmt: skip
        check_options(name, options)
        pair = getattr(np, name)(row, offset, col)
        backend, target = _place(device)
        return wrap(backend.from_numpy(np.stack(pair).astype(dtype.np), target.index))

    function.__name__ = name
    function.__doc__ = "Row and column indices of a matrix's triangle, (2, n)."
    return public(method=False)(function)


tril_indices, triu_indices = _triangle_indices("tril_indices"), _triangle_indices("triu_indices")


@public(method=False)
def meshgrid(*tensors: Any, indexing: str | None = None) -> tuple[Tensor, ...]:
    """Grids of coordinates; ``indexing`` is ``"ij"`` (as torch's default) or ``"xy"``."""
    listed = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)) else tensors
    if indexing not in (None, "ij", "xy"):
        raise RuntimeError(
            f'meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}'
        )
    swap = indexing == "xy" and len(listed) > 1
    order = [1, 0, *range(2, len(listed))] if swap else list(range(len(listed)))
    flat = [reshape(listed[i], -1) for i in order]
    shape = tuple(x.numel() for x in flat)
    grids = [expand(reshape(x, [-1 if j == i else 1 for j in range(len(flat))]), shape)
             for i, x in enumerate(flat)]  # fmt: skip
    return tuple(grids[i] for i in order)


@public(method=False)
def cartesian_prod(*tensors: Tensor) -> Tensor:
    """All combinations of the vectors' elements, one per row."""
    if len(tensors) == 1:
        return tensors[0]
    grids = meshgrid(*tensors, indexing="ij")
    return reshape(stack(grids, -1), (-1, len(tensors)))


@public(method=False, function=True)
def result_type(tensor1: Any, tensor2: Any) -> DType:
    """The dtype of an operation on these tensors or numbers."""
    return result_dtype([v._array if isinstance(v, Tensor) else v for v in (tensor1, tensor2)])


@public(method=False)
def can_cast(from_: DType, to: DType) -> bool:
    """Whether torch's promotion rules allow the cast."""
    return from_.category <= to.category


@public(method=False)
def is_tensor(obj: Any) -> bool:
    """Whether ``obj`` is a Tensor."""
    return isinstance(obj, Tensor)


@public(method=False)
def numel(input: Tensor) -> int:
    """Number of elements."""
    return input.numel()


@public(method=False)
def is_floating_point(input: Tensor) -> bool:
    """Whether the dtype is a floating one."""
    return input.is_floating_point()


@public(method=False)
def is_complex(input: Tensor) -> bool:
    """Whether the dtype is complex."""
    return input.is_complex()
