"""A pretended CuPy over host memory, so that code for the GPU runs where there is none.

Arrays are a class of their own that refuses what CuPy's refuse: conversion to NumPy, NumPy arrays
beside them, names, arguments and dtypes that CuPy does not have. What CuPy has is read from
tests/golden/cupy_facts.json. Numbers are NumPy's; kernels written in C are compiled by the host's
compiler and run element by element. Rounding, speed and races are not pretended.
"""

from __future__ import annotations

import contextlib
import functools
import json
import operator
import sys
import types
from collections.abc import Iterator
from inspect import isfunction
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import ml_dtypes
import numpy as np
import pytest

from isograd.optim import kernels
from isograd.tensor import accumulate, backends
from isograd.tensor.backends.names import Names
from isograd.tensor.devices import device as Device
from isograd.tensor.numerics import bessel, erf, gamma, oscillating
from tests.tensor.pretend_kernels import ElementwiseKernel

FACTS = json.loads((Path(__file__).parents[1] / "golden" / "cupy_facts.json").read_text())
BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
TAKES_HOST = {"asarray", "array", "ascontiguousarray", "asnumpy", "broadcast_shapes", "take"}
SYNCHRONIZING = {"nonzero", "flatnonzero", "argwhere", "bincount", "unique", "isin"}

alive: WeakValueDictionary[int, Any] = WeakValueDictionary()
waits: list[str] = []  # what made the host wait for the device, in order


class Here:
    """The one device; also stands for a stream."""

    id = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __enter__(self) -> Here:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def synchronize(self) -> None:
        pass


class Flags:
    """What CuPy's flags have; not ``writeable``."""

    def __init__(self, flags: Any) -> None:
        self.c_contiguous, self.f_contiguous = flags.c_contiguous, flags.f_contiguous
        self.owndata = flags.owndata
        self.forc, self.fnc = flags.forc, flags.fnc


def root(host: Any) -> Any:
    """The array that owns the memory."""
    below = host
    while (below := getattr(below, "base", None)) is not None:
        host = below if isinstance(below, np.ndarray) else host
    return host


class DeviceArray:
    """``cupy.ndarray`` around a NumPy array that nobody else may touch."""

    __array_priority__ = 100
    __hash__ = None  # type: ignore[assignment]
    device = Here()

    host: Any
    base: Any  # CuPy's views know the array they look into; those of as_strided do not

    def __new__(cls, host: Any, view: bool = True) -> Any:
        host = np.asarray(host)
        made = alive.get(id(host))
        if made is not None and made.host is host:
            return made
        made = alive[id(host)] = object.__new__(cls)
        made.host = host
        owner = root(host)
        made.base = DeviceArray(owner) if view and owner is not host else None
        return made

    # what the host must not do

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError("Implicit conversion to a NumPy array is not allowed")

    def __array_function__(self, func: Any, *args: Any) -> Any:
        raise TypeError(f"np.{func.__name__} was called on a device array")

    def __array_ufunc__(self, func: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method != "__call__" or not any(isinstance(v, np.generic) for v in inputs):
            raise TypeError(f"np.{func.__name__} was called on a device array")
        return getattr(module(), func.__name__)(*inputs, **kwargs)

    # what it is

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name not in FACTS["ndarray"]:
            raise AttributeError(f"cupy.ndarray has no attribute {name!r}")
        value = getattr(self.host, name)
        if callable(value):
            return functools.partial(self._call, name, value)
        return DeviceArray(value) if isinstance(value, np.ndarray) else value

    def _call(self, name: str, method: Any, *args: Any, **kwargs: Any) -> Any:
        check_arguments("ndarray." + name, FACTS["ndarray"][name], args, kwargs)
        if name in ("item", "tolist", "nonzero"):
            waits.append(name)
        return wrap(method(*unwrap(args, name), **unwrap(kwargs, name)))

    @property
    def flags(self) -> Flags:
        return Flags(self.host.flags)

    @property
    def data(self) -> Any:
        return types.SimpleNamespace(ptr=self.host.ctypes.data, mem=root(self.host))

    def _part(name: str) -> Any:  # type: ignore[misc]
        def write(self: DeviceArray, value: Any) -> None:
            setattr(self.host, name, unwrap(value, name))

        return property(lambda self: wrap(getattr(self.host, name)), write)

    real, imag = _part("real"), _part("imag")

    @property
    def shape(self) -> Any:
        return self.host.shape

    def get(self) -> Any:
        waits.append("get")
        return self.host.copy()

    def __len__(self) -> int:
        return len(self.host)

    def __iter__(self) -> Iterator[Any]:
        return iter([self[i] for i in range(len(self))])

    def __getitem__(self, key: Any) -> Any:
        if any(
            getattr(getattr(k, "dtype", None), "kind", "") == "b"
            for k in (key if type(key) is tuple else (key,))
        ):
            waits.append("mask")  # how long is the result?
        return wrap(self.host[unwrap(key, "index")])

    def __setitem__(self, key: Any, value: Any) -> None:
        if isinstance(value, np.ndarray) and value.ndim:
            raise ValueError("non-scalar numpy.ndarray cannot be used for fill")
        self.host[unwrap(key, "index")] = unwrap(value, "fill", host=True)


def _conversion(name: str) -> Any:
    def convert(self: DeviceArray) -> Any:
        waits.append(name)
        return getattr(self.host, name)()

    return convert


for _name in ("__bool__", "__int__", "__float__", "__complex__", "__index__"):
    setattr(DeviceArray, _name, _conversion(_name))


def _operator(name: str, ufunc_name: str, kind: str) -> None:
    def method(self: DeviceArray, other: Any = None) -> Any:
        ufunc = getattr(module(), ufunc_name)
        if kind == "unary":
            return ufunc(self)
        if kind == "reflected":
            return ufunc(other, self)
        return ufunc(self, other, out=self) if kind == "inplace" else ufunc(self, other)

    setattr(DeviceArray, name, method)


for _name, _ufunc in {
    "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "true_divide",
    "floordiv": "floor_divide", "mod": "remainder", "pow": "power", "and": "bitwise_and",
    "or": "bitwise_or", "xor": "bitwise_xor", "lshift": "left_shift", "rshift": "right_shift",
}.items():  # fmt: skip
    _operator(f"__{_name}__", _ufunc, "binary")
    _operator(f"__r{_name}__", _ufunc, "reflected")
    _operator(f"__i{_name}__", _ufunc, "inplace")
for _name, _ufunc in {
    "eq": "equal", "ne": "not_equal", "lt": "less", "le": "less_equal", "gt": "greater",
    "ge": "greater_equal",
}.items():  # fmt: skip
    _operator(f"__{_name}__", _ufunc, "binary")
for _name, _ufunc in {"neg": "negative", "invert": "invert", "abs": "absolute"}.items():
    _operator(f"__{_name}__", _ufunc, "unary")
DeviceArray.__matmul__ = lambda x, y: module().matmul(x, y)  # type: ignore[attr-defined]


# -- calls


def wrap(value: Any) -> Any:
    if isinstance(value, (np.ndarray, np.generic)):
        return DeviceArray(value)
    if isinstance(value, (tuple, list)):
        return type(value)(wrap(v) for v in value) if type(value) in (tuple, list) else tuple(
            wrap(v) for v in value
        )  # fmt: skip
    return value


def unwrap(value: Any, name: str, host: bool = False) -> Any:
    """Device arrays as NumPy arrays; a NumPy array beside them is an error unless ``host``."""
    if isinstance(value, DeviceArray):
        return value.host
    if isinstance(value, np.ndarray) and not host:
        raise TypeError(f"{name}: Unsupported type <class 'numpy.ndarray'>")
    if isinstance(value, (tuple, list)):
        return type(value)(unwrap(v, name, host) for v in value)
    if isinstance(value, dict):
        return {k: unwrap(v, name, host) for k, v in value.items()}
    return value


def check_arguments(name: str, known: Any, args: Any, kwargs: Any) -> None:
    if known is None:
        return
    plain = [n for n in known if not n.startswith("*")]
    if len(args) > len(plain) and not any(n.startswith("*") for n in known):
        if not name.startswith("ndarray."):
            raise TypeError(f"cupy.{name} takes {len(plain)} arguments, got {len(args)}")
    unknown = set(kwargs) - set(plain)
    if unknown and not any(n.startswith("**") for n in known):
        raise TypeError(f"cupy.{name} has no arguments {sorted(unknown)}, only {plain}")


def function(name: str) -> Any:
    host = SPECIAL[name] if name in SPECIAL else operator.attrgetter(name)(np)

    def call(*args: Any, **kwargs: Any) -> Any:
        check_arguments(name, FACTS["functions"][name], args, kwargs)
        if name in SYNCHRONIZING:
            waits.append(name)
        from_host = name in TAKES_HOST
        if name == "asnumpy":
            return args[0].get()
        return wrap(host(*unwrap(args, name, from_host), **unwrap(kwargs, name, from_host)))

    return call


def character(dtype: Any) -> str:
    return "E" if dtype == BFLOAT16 else str(np.dtype(dtype).char)


def dtype_of(char: str) -> Any:
    return BFLOAT16 if char == "E" else np.dtype(char)


class Ufunc:
    """A ufunc with CuPy's loops: inputs are cast to the first loop that takes them."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.host = SPECIAL[name] if name in SPECIAL else getattr(np, name)
        self.loops = [loop.split("->") for loop in FACTS["ufuncs"][name]]

    def __call__(
        self, *args: Any, out: Any = None, dtype: Any = None, casting: str = "same_kind"
    ) -> Any:
        if self.name == "where":
            args = (args[0].astype(bool), *args[1:])  # which a number has not
        for a in args:
            if not isinstance(a, (DeviceArray, bool, int, float, complex, np.generic)):
                raise TypeError(f"cupy.{self.name}: Unsupported type {type(a)}")
        if out is not None and not isinstance(out, DeviceArray):
            raise TypeError("Output arguments type must be cupy.ndarray")
        n = len(self.loops[0][0])
        if len(args) > n:
            args, out = args[:n], args[n]
        source, target = self._loop(args, dtype)
        hosts = [np.asarray(unwrap(a, self.name)).astype(dtype_of(c), copy=False)
                 for a, c in zip(args, source, strict=True)]  # fmt: skip
        result = self.host(*hosts)
        listed = result if isinstance(result, tuple) else (result,)
        made = [
            np.asarray(r).astype(dtype_of(c), copy=False)
            for r, c in zip(listed, target, strict=True)
        ]
        if out is None:
            return wrap(tuple(made)) if len(made) > 1 else DeviceArray(made[0])
        if out.shape != made[0].shape:
            raise ValueError("Out shape is mismatched")
        if not np.can_cast(made[0].dtype, out.dtype, casting):
            raise TypeError(f"cupy.{self.name}: output of {made[0].dtype} into {out.dtype}")
        out.host[...] = made[0]
        return out

    def _loop(self, args: Any, dtype: Any) -> Any:
        for source, target in self.loops:
            if dtype is not None:
                if all(c == character(dtype) for c in target):
                    return source, target
            elif all(self._fits(a, c, args) for a, c in zip(args, source, strict=True)):
                return source, target
        kinds = [getattr(a, "dtype", type(a)) for a in args]
        raise TypeError(f"Wrong type ({kinds}, {dtype}) of arguments for cupy.{self.name}")

    @staticmethod
    def _fits(a: Any, char: str, args: Any) -> bool:
        if isinstance(a, (DeviceArray, np.generic)):
            return bool(np.can_cast(a.dtype, dtype_of(char)))
        ranks = ["bool", "int", "float", "complex"]
        rank = {"b": 0, "i": 1, "u": 1, "f": 2, "V": 2, "c": 3}
        strong = [rank[v.dtype.kind] for v in args if isinstance(v, (DeviceArray, np.generic))]
        if strong and max(strong) >= min(2, ranks.index(type(a).__name__)):  # a weak number
            return rank[dtype_of(char).kind] >= ranks.index(type(a).__name__)
        return bool(np.can_cast(np.asarray(a).dtype, dtype_of(char)))

    def reduce(
        self, array: Any, axis: Any = 0, dtype: Any = None, out: Any = None, keepdims: bool = False
    ) -> Any:
        if self.name not in ("add", "multiply"):
            raise NotImplementedError(f"`cupy_{self.name}.reduce` is not supported yet")
        method = array.sum if self.name == "add" else array.prod
        return method(axis=axis, dtype=dtype, out=out, keepdims=keepdims)

    def accumulate(self, array: Any, axis: Any = 0, dtype: Any = None, out: Any = None) -> Any:
        if self.name not in ("add", "multiply"):
            raise NotImplementedError(f"`cupy_{self.name}.accumulate` is not supported yet")
        method = array.cumsum if self.name == "add" else array.cumprod
        return method(axis=axis, dtype=dtype, out=out)


# -- where CuPy's behaviour is not NumPy's

strict = [False]  # whether failures of linalg raise: ``cupyx.errstate``


@contextlib.contextmanager
def errstate(linalg: str) -> Iterator[None]:
    strict.append(linalg == "raise")
    try:
        yield
    finally:
        strict.pop()


def _check_solve(a: Any, b: Any) -> None:
    if b.ndim > 1 and a.shape[:-1] != b.shape[:-1]:
        raise ValueError("a must have (..., M, M) shape and b must have (..., M, K)")


def _repeat(a: Any, repeats: Any, axis: Any = None) -> Any:
    if isinstance(repeats, np.ndarray):
        raise ValueError("repeats must be an int or a sequence of ints")
    return np.repeat(a, repeats, axis)


def _where(condition: Any, x: Any, y: Any) -> Any:
    return np.where(condition, x, y)


def _triangle(name: str) -> Any:
    """Made of `where` in CuPy."""

    def call(m: Any, k: int = 0) -> Any:
        return getattr(np, name)(m.astype(np.float32) if m.dtype == BFLOAT16 else m, k)

    return call


def _floating_only(name: str) -> Any:
    def call(*arrays: Any, **kwargs: Any) -> Any:
        for a in arrays:
            if isinstance(a, np.ndarray) and a.dtype.char not in "fdFD":
                raise TypeError(f"linalg.{name}: unsupported dtype {a.dtype}")
        if name == "solve":
            _check_solve(*arrays)
        try:
            made = getattr(np.linalg, name)(*arrays, **kwargs)
        except np.linalg.LinAlgError:
            if strict[-1]:
                raise
            return np.full(arrays[-1].shape, np.nan, arrays[0].dtype)  # and not a word
        return tuple(made) if isinstance(made, tuple) else made

    return call


def _diagonal(*args: Any, **kwargs: Any) -> Any:
    seen = np.diagonal(*args, **kwargs)
    seen.flags.writeable = True
    return seen


SPECIAL: dict[str, Any] = {
    "diagonal": _diagonal,
    "tril": _triangle("tril"),
    "triu": _triangle("triu"),
    "repeat": _repeat,
    "where": _where,
    "asnumpy": np.array,
}
for _name in ("cholesky", "qr", "svd", "eigh", "eig", "solve", "inv", "det", "slogdet", "eigvalsh"):
    SPECIAL[f"linalg.{_name}"] = _floating_only(_name)
for _module in (erf, gamma, bessel, oscillating):
    SPECIAL |= {f"special.{n}": f for n, f in vars(_module).items() if isfunction(f)}
SPECIAL |= {"special.gammaln": gamma.lgamma, "special.polygamma": gamma.polygamma}


# -- the module


class Module(types.ModuleType):
    """``cupy`` or one of its submodules."""

    def __init__(self, name: str, prefix: str = "") -> None:
        super().__init__(name)
        self._prefix = prefix

    def __getattr__(self, name: str) -> Any:
        full = self._prefix + name
        if full in FACTS["ufuncs"]:
            made: Any = Ufunc(full)
        elif full in FACTS["functions"]:
            made = function(full)
        elif not self._prefix and name in ("inf", "nan", "pi", "e", "newaxis"):
            return getattr(np, name)
        elif not self._prefix and isinstance(found := getattr(np, name, None), type):
            return found
        else:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        setattr(self, name, made)
        return made


def as_strided(x: Any, shape: Any = None, strides: Any = None) -> Any:
    return DeviceArray(np.lib.stride_tricks.as_strided(x.host, shape, strides), view=False)


@functools.cache
def module() -> Any:
    made: Any = Module("cupy")
    made.__version__ = FACTS["version"]
    made.ndarray = DeviceArray
    made.linalg, made.fft = Module("cupy.linalg", "linalg."), Module("cupy.fft", "fft.")
    made.lib = types.SimpleNamespace(stride_tricks=types.SimpleNamespace(as_strided=as_strided))
    made.ElementwiseKernel = functools.partial(ElementwiseKernel, DeviceArray)
    made.cuda = types.SimpleNamespace(
        Device=Here, Stream=Here,
        runtime=types.SimpleNamespace(getDeviceCount=lambda: 1, getDevice=lambda: 0),
    )  # fmt: skip
    return made


def host_matmul(x: Any, y: Any) -> Any:
    if not isinstance(x, DeviceArray) or not isinstance(y, DeviceArray) or x.dtype != y.dtype:
        raise TypeError("cublas.matmul: expected two device arrays of one dtype")
    wide = np.float32 if x.dtype in (np.float16, BFLOAT16) else x.dtype
    return DeviceArray(np.matmul(x.host.astype(wide), y.host.astype(wide)).astype(x.dtype))


class PretendBackend:
    """`CupyBackend` over the pretended module."""

    name = "cupy"

    def __init__(self) -> None:
        self.xp = Names(module())

    def device_of(self, array: Any) -> Device:
        if not isinstance(array.device, Here):  # NumPy's is a string
            raise TypeError(f"not a device array: {type(array)}")
        return Device("cuda", array.device.id)

    def to_numpy(self, array: Any) -> Any:
        return array.get() if isinstance(array, DeviceArray) else array

    def from_numpy(self, array: Any, index: int | None) -> Any:
        return array if isinstance(array, DeviceArray) else DeviceArray(np.array(array))

    def synchronize(self) -> None:
        pass


@contextlib.contextmanager
def pretended() -> Iterator[Any]:
    """Inside, ``"cuda"`` is the pretended device."""
    cublas, special = (
        types.ModuleType("isograd.kernels.cublas"),
        Module("cupyx.scipy.special", "special."),
    )
    cublas.matmul = host_matmul  # type: ignore[attr-defined]
    cupyx = types.ModuleType("cupyx")
    cupyx.errstate = errstate  # type: ignore[attr-defined]
    made = PretendBackend()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "cupy": module(), "cupyx": cupyx, "cupyx.scipy.special": special,
            "isograd.kernels.cublas": cublas,
        }.items():  # fmt: skip
            patch.setitem(sys.modules, name, value)
        patch.setattr(backends, "_cupy_backend", lambda: made)
        for user in list(sys.modules.values()):
            if getattr(user, "__name__", "").startswith("isograd") and hasattr(
                user, "device_count"
            ):
                patch.setattr(user, "device_count", lambda: 1)
        forget()
        yield module()
        forget()


def forget() -> None:
    """Kernels are kept once made: neither side shall find the other's."""
    accumulate._kernel.cache_clear()
    kernels._compiled.cache_clear()
