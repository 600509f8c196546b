"""The Tensor: a NumPy or CuPy array with torch's face.

A tensor is a real array, executed eagerly: views alias as in torch, because NumPy's and CuPy's
views alias. What other floors hang on it (history, gradient) are plain attributes that this floor
carries but never reads. Methods of the operations are attached by `public.public`, operators by
`operators`, ``backward`` and its kin by the autograd floor.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from isograd.tensor import dtypes
from isograd.tensor.backends import array_types, backend_for, backend_of
from isograd.tensor.devices import CPU, default_device, device
from isograd.tensor.dtypes import dtype, get_default_dtype
from isograd.tensor.memory_format import layout, order_of, strided
from isograd.tensor.printing import default_dtypes_shown, format_array, tensor_text
from isograd.tensor.size import Size
from isograd.tensor.spread import SpreadArray, whole

__all__ = ["Tensor", "as_array", "wrap"]

_new = object.__new__


class Tensor:
    """An n-dimensional array of one dtype on one device.

    ``Tensor(2, 3)`` is an uninitialised 2x3 tensor and ``Tensor([1, 2])`` holds those values, both
    of the default dtype, as in torch; prefer :func:`isograd.tensor`, :func:`isograd.empty`.
    """

    _array: Any
    _version_cell: list[int] | None = None  # shared by a tensor and its views
    _base: Tensor | None = None  # the tensor a view looks into
    _view_chain: tuple[Any, ...] = ()  # (primitive, params) steps from the base to this view
    _epoch: int = 0  # base: rewrites of its history; view: the base's epoch when last in step
    _requires_grad: bool = False
    _node: Any = None  # what made it: autograd's node
    _index: int = 0  # which output of the node
    _grad: Tensor | None = None
    _hooks: Any = None  # called with a leaf's gradient
    _post_accumulate_hooks: Any = None  # called with a leaf whose gradient was added to
    _retains_grad: bool = False

    if TYPE_CHECKING:  # methods of the operations are attached at import

        def __getattr__(self, name: str) -> Any: ...
        def __getitem__(self, index: Any) -> Tensor: ...
        def __setitem__(self, index: Any, value: Any) -> None: ...
        def __eq__(self, other: Any) -> Tensor: ...  # type: ignore[override]
        def __ne__(self, other: Any) -> Tensor: ...  # type: ignore[override]
        def __add__(self, other: Any) -> Tensor: ...
        def __neg__(self) -> Tensor: ...

        __invert__ = __pos__ = __abs__ = __neg__
        __lt__ = __le__ = __gt__ = __ge__ = __add__
        __sub__ = __mul__ = __truediv__ = __floordiv__ = __mod__ = __pow__ = __matmul__ = __add__
        __and__ = __or__ = __xor__ = __lshift__ = __rshift__ = __add__
        __radd__ = __rsub__ = __rmul__ = __rtruediv__ = __rfloordiv__ = __rmod__ = __add__
        __rpow__ = __rmatmul__ = __rand__ = __ror__ = __rxor__ = __add__

    def __new__(cls, *args: Any, device: Any = None, **kwargs: Any) -> Any:
        if kwargs:
            raise TypeError(f"{cls.__name__}: unexpected keyword arguments {sorted(kwargs)}")
        self = _new(cls)
        if len(args) == 1 and isinstance(args[0], Tensor):
            self._array, self._version_cell = args[0]._array, args[0]._share_version()
        else:
            self._array = _legacy_array(args)
        if device is not None:
            self._array = _move(self._array, _as_device(device))
        return self

    # -- what it is

    @property
    def shape(self) -> Size:
        return Size(self._array.shape)

    @property
    def dtype(self) -> dtype:
        return dtypes.from_numpy(self._array.dtype)

    @property
    def device(self) -> device:
        if self._array.__class__ is np.ndarray:
            return CPU
        return backend_of(self._array).device_of(self._array)

    @property
    def ndim(self) -> int:
        return int(self._array.ndim)

    @property
    def is_cuda(self) -> bool:
        return self.device.type == "cuda"

    @property
    def is_sparse(self) -> bool:
        return False

    @property
    def is_quantized(self) -> bool:
        return False

    @property
    def is_meta(self) -> bool:
        return False

    @property
    def is_cpu(self) -> bool:
        return self.device.type == "cpu"

    @property
    def itemsize(self) -> int:
        return int(self._array.dtype.itemsize)

    @property
    def nbytes(self) -> int:
        return int(self._array.size) * self.itemsize

    @property
    def layout(self) -> layout:
        return strided

    def size(self, dim: int | None = None) -> Any:
        """The shape, or its length along ``dim``."""
        if dim is None:
            return Size(self._array.shape)
        self._check_dim("size", dim)
        return self._array.shape[dim]

    def dim(self) -> int:
        """Number of dimensions."""
        return int(self._array.ndim)

    ndimension = dim

    def numel(self) -> int:
        """Number of elements."""
        return int(self._array.size)

    nelement = numel

    def element_size(self) -> int:
        """Bytes of one element."""
        return self.itemsize

    def stride(self, dim: int | None = None) -> Any:
        """Steps between neighbours along each dimension, in elements (not bytes)."""
        if self._array.size:
            item = self.itemsize
            strides = tuple(s // item for s in self._array.strides)
        else:  # NumPy's are all 0; torch's are those of rows in order
            shape = [max(n, 1) for n in self._array.shape]
            strides = tuple(math.prod(shape[i + 1 :]) for i in range(len(shape)))
        if dim is None:
            return strides
        self._check_dim("stride", dim)
        return strides[dim]

    def storage_offset(self) -> int:
        """Elements between the start of the memory and this view's first element."""
        root = self._base
        if root is None:
            return 0
        return (self.data_ptr() - root.data_ptr()) // self.itemsize

    def data_ptr(self) -> int:
        """Address of the first element."""
        a = self._array
        return int(a.ctypes.data if a.__class__ is np.ndarray else a.data.ptr)

    def is_contiguous(self, memory_format: Any = None) -> bool:
        """Whether the memory is in row order (or the format's order) without gaps."""
        order = order_of("is_contiguous", memory_format)
        if not order:
            return bool(self._array.flags.c_contiguous)
        array = self._array
        return array.ndim == len(order) and bool(array.transpose(order).flags.c_contiguous)

    def is_floating_point(self) -> bool:
        """Whether the dtype is a floating one."""
        return self.dtype.category == 2

    def is_complex(self) -> bool:
        """Whether the dtype is complex."""
        return self._array.dtype.kind == "c"

    def is_signed(self) -> bool:
        """Whether the dtype has negative numbers."""
        return self.dtype.is_signed

    def is_pinned(self) -> bool:
        """Whether `pin_memory` made it."""
        return bool(getattr(self, "_pinned", False))

    def get_device(self) -> int:
        """Index of the CUDA device; -1 on the CPU."""
        where = self.device
        return -1 if where.index is None else where.index

    @property
    def _version(self) -> int:
        cell = self._version_cell
        return 0 if cell is None else cell[0]

    def _bump(self) -> None:
        """Count a change of the memory, so that what saved the old values can tell."""
        cell = self._version_cell
        if cell is None:
            self._version_cell = [1]
        else:
            cell[0] += 1

    def _share_version(self) -> list[int]:
        cell = self._version_cell
        if cell is None:
            cell = self._version_cell = [0]
        return cell

    def _check_dim(self, name: str, dim: int) -> int:
        n = max(1, self._array.ndim)
        if not -n <= dim < n:
            raise IndexError(
                f"{name}: Dimension out of range "
                f"(expected to be in range of [{-n}, {n - 1}], but got {dim})"
            )
        return dim % n

    # -- values out

    def item(self) -> Any:
        """The Python number of a tensor of one element.

        Raises:
            RuntimeError: for any other number of elements.
        """
        if self._array.size != 1:
            raise RuntimeError(
                f"a Tensor with {self._array.size} elements cannot be converted to Scalar"
            )
        value = self._array.item()
        return value if isinstance(value, (bool, int, float, complex)) else float(value)

    def tolist(self) -> Any:
        """Nested lists of Python numbers; a number for a tensor of no dimensions."""
        host = _on_host(self._array)
        if dtypes.from_numpy(host.dtype) is dtypes.bfloat16:
            host = host.astype(np.float32)
        return host.tolist()

    def numpy(self, *, force: bool = False) -> Any:
        """A NumPy array that shares this tensor's memory.

        Raises:
            RuntimeError: if gradients are required (use ``.detach()``); bfloat16 comes as
                ``ml_dtypes.bfloat16``.
            TypeError: for a CUDA tensor (use ``.cpu()``), unless ``force``.
        """
        if self._requires_grad and not force:
            raise RuntimeError(
                "Can't call numpy() on Tensor that requires grad. "
                "Use tensor.detach().numpy() instead."
            )
        if isinstance(self._array, SpreadArray):
            return wrap(self._array.whole()).numpy(force=force)
        if self._array.__class__ is not np.ndarray:
            if not force:
                raise TypeError(
                    f"can't convert {self.device} device type tensor to numpy. Use Tensor.cpu() "
                    "to copy the tensor to host memory first."
                )
            return backend_of(self._array).to_numpy(self._array)
        self._share_version()  # somebody else holds the memory now
        return self._array

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        array = self.numpy()
        if dtype is not None and array.dtype != dtype:
            return array.astype(dtype)
        return array.copy() if copy else array

    def __dlpack__(self, **kwargs: Any) -> Any:
        if self._requires_grad:
            raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
        self._share_version()
        return whole(self._array).__dlpack__(**kwargs)

    def __dlpack_device__(self) -> Any:
        return whole(self._array).__dlpack_device__()

    @property
    def __cuda_array_interface__(self) -> Any:
        if self._array.__class__ is np.ndarray:
            raise AttributeError("__cuda_array_interface__: a CPU tensor has none")
        return self._array.__cuda_array_interface__

    def __bool__(self) -> bool:
        if self._array.size != 1:
            what = "no" if self._array.size == 0 else "more than one"
            raise RuntimeError(f"Boolean value of Tensor with {what} value is ambiguous")
        return bool(self.item())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __complex__(self) -> complex:
        return complex(self.item())

    def __index__(self) -> int:
        if self.dtype.category > 1 or self._array.size != 1:
            raise TypeError("only integer tensors of a single element can be converted to an index")
        return int(self.item())

    def __len__(self) -> int:
        if self._array.ndim == 0:
            raise TypeError("len() of a 0-d tensor")
        return int(self._array.shape[0])

    def __iter__(self) -> Iterator[Tensor]:
        if self._array.ndim == 0:
            raise TypeError("iteration over a 0-d tensor")
        return iter([self[i] for i in range(self._array.shape[0])])

    def __contains__(self, element: Any) -> bool:
        return bool((self == element).any())

    __hash__ = object.__hash__  # by identity

    def __repr__(self, *, tensor_contents: str | None = None) -> str:
        host = _on_host(self._array)
        text = tensor_contents or format_array(host, self.dtype, get_default_dtype())
        prefix = "Parameter containing:\n" if getattr(self, "_is_parameter", False) else ""
        return prefix + tensor_text(text, self._repr_suffixes(text))

    def _repr_suffixes(self, text: str) -> list[str]:
        parts = []
        default, empty = get_default_dtype(), self._array.size == 0
        if self.device.type != "cpu":
            parts.append(f"device='{self.device}'")
        if (empty and self._array.ndim != 1) or text == "[...]":
            parts.append(f"size={tuple(self._array.shape)}")
        usual = self.dtype is default if empty else default_dtypes_shown(self.dtype, default)
        if not usual:
            parts.append(f"dtype={self.dtype}")
        if self._node is not None:
            parts.append(f"grad_fn=<{self._node.name}>")
        elif self._requires_grad:
            parts.append("requires_grad=True")
        return parts

    def __format__(self, spec: str) -> str:
        if self._array.ndim == 0 and not getattr(self, "_is_parameter", False):
            return format(self.item(), spec)
        return object.__format__(self, spec)

    def __dir__(self) -> list[str]:
        return sorted(set(object.__dir__(self)))

    # -- the same memory without history

    def detach(self) -> Tensor:
        """A tensor of the same memory, outside of any graph. Changes to it are counted here too."""
        new = wrap(self._array)
        new._version_cell = self._share_version()
        return new

    @property
    def data(self) -> Tensor:
        """The same memory without history; changing it is *not* counted as a change here."""
        new = wrap(self._array)
        self._share_version()
        new._version_cell = [0]
        return new

    @data.setter
    def data(self, value: Tensor) -> None:
        if not isinstance(value, Tensor):
            raise TypeError(f"data: expected a Tensor, got {type(value).__name__}")
        self._array = value._array
        value._share_version()
        self._version_cell = [0]
        self._base, self._view_chain = None, ()

    # -- copying

    def __copy__(self) -> Tensor:
        self._share_version()
        new = _new(type(self))
        new.__dict__.update(self.__dict__)
        return new

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if self._node is not None:
            raise RuntimeError(
                "Only Tensors created explicitly by the user (graph leaves) support the deepcopy "
                "protocol at the moment: detach() it first"
            )
        if id(self) in memo:
            found: Tensor = memo[id(self)]
            return found
        new = _new(type(self))
        memo[id(self)] = new
        new._array = self._array.copy()
        new._requires_grad = self._requires_grad
        if self._grad is not None:
            new._grad = self._grad.__deepcopy__(memo)
        return new

    def __reduce_ex__(self, protocol: Any) -> Any:
        if self._node is not None:
            raise RuntimeError("Pickling a tensor with history is not possible: detach() it first")
        host = _on_host(self._array)
        where = str(self.device)
        return _rebuild, (type(self), host, self.dtype.name, self._requires_grad, where)


def _rebuild(cls: type[Tensor], host: Any, name: str, requires_grad: bool, where: str) -> Tensor:
    new = _new(cls)
    new._array = _move(np.array(host), device(where))
    new._requires_grad = requires_grad
    return new


def wrap(array: Any) -> Tensor:
    """A tensor around an array: no copy, no history. NumPy scalars become 0-d arrays."""
    new = _new(Tensor)
    if isinstance(array, np.generic):
        array = np.asarray(array)
    new._array = array
    return new


def _on_host(array: Any) -> Any:
    """All elements as a NumPy array."""
    array = whole(array)
    return backend_of(array).to_numpy(array)


def _as_device(where: Any) -> device:
    return where if isinstance(where, device) else device(where)


def _move(array: Any, where: device) -> Any:
    backend = backend_of(array)
    if backend.device_of(array) == where:
        return array
    if where.type == "cuda" and where.index is None and backend.name == "cupy":
        return array
    return backend_for(where).from_numpy(backend.to_numpy(array), where.index)


def as_array(data: Any, d: dtype | None = None, where: device | None = None) -> Any:
    """A new array of ``data``'s values by torch's rules (Python floats take the default dtype).

    Args:
        data: numbers, (nested) sequences of them or of tensors, NumPy arrays, tensors.
    """
    array: Any
    if isinstance(data, Tensor):
        array = whole(data._array).copy()
    elif isinstance(data, array_types()):
        array = np.copy(data) if isinstance(data, np.ndarray) else data.copy()  # type: ignore[attr-defined]
    else:
        array = _from_python(data, d)
    if d is not None and array.dtype != d.np:
        array = array.astype(d.np)
    elif d is None:
        dtypes.from_numpy(array.dtype)  # raises for strings, objects, ...
    target = where or (backend_of(array).device_of(array) if _is_device_data(data) else None)
    return _move(array, target or default_device())


def _is_device_data(data: Any) -> bool:
    return isinstance(data, Tensor) or not isinstance(data, (np.ndarray, list, tuple, int, float))


def _from_python(data: Any, d: dtype | None) -> Any:
    if isinstance(data, np.generic):
        return np.array(data)
    holds_arrays = isinstance(data, (list, tuple)) and _first_leaf_is_array(data)
    if isinstance(data, (list, tuple)):
        data = _plain(data)
    if isinstance(data, (str, bytes)) or data is None or isinstance(data, dict):
        raise TypeError(f"tensor: new(): invalid data type '{type(data).__name__}'")
    try:
        array = np.array(data)
    except (ValueError, OverflowError) as error:
        kind = OverflowError if isinstance(error, OverflowError) else ValueError
        raise kind(f"tensor: expected nested sequences of equal lengths: {error}") from error
    if array.dtype.kind in "OUS":
        if array.dtype.kind == "O" and _all_ints(data):
            raise RuntimeError("Overflow when unpacking long long: an int is beyond int64")
        raise TypeError(f"tensor: could not infer dtype of {_odd_one(data)}")
    if array.size == 0 and array.dtype == np.float64 and not holds_arrays:
        return array.astype(get_default_dtype().np)
    if holds_arrays:
        return array
    if array.dtype == np.float64:
        return array if d is not None else array.astype(get_default_dtype().np)
    if array.dtype == np.complex128:
        return array if d is not None else array.astype(get_default_dtype().to_complex().np)
    return array


def _plain(data: Any) -> Any:
    if isinstance(data, Tensor):
        return data.detach().numpy(force=True)
    if isinstance(data, (list, tuple, range)):
        return [_plain(v) if isinstance(v, (list, tuple, range, Tensor)) else v for v in data]
    return data


def _first_leaf_is_array(data: Any) -> bool:
    while isinstance(data, (list, tuple)) and data:
        data = data[0]
    return isinstance(data, (np.ndarray, np.generic, Tensor))


def _all_ints(data: Any) -> bool:
    if isinstance(data, (list, tuple)):
        return all(_all_ints(v) for v in data)
    return isinstance(data, int)


def _odd_one(data: Any) -> str:
    while isinstance(data, (list, tuple)) and data:
        odd = [v for v in data if not isinstance(v, (int, float, complex, np.generic))]
        data = odd[0] if odd else data[0]
    return type(data).__name__


def _legacy_array(args: tuple[Any, ...]) -> Any:
    d = get_default_dtype()
    if len(args) == 1 and not isinstance(args[0], int):
        value = args[0]
        if isinstance(value, Size):
            return np.empty(value, d.np)
        return as_array(value, d)
    if not all(isinstance(a, (int, np.integer)) for a in args):
        raise TypeError(f"Tensor: expected sizes or one sequence of values, got {args!r}")
    return np.empty(args if args else (0,), d.np)
