"""The zip files of ``torch.save``: their pickle is read by a machine that can only make containers.

A file holds ``NAME/data.pkl`` and, stored uncompressed, one ``NAME/data/KEY`` per storage. The
machine knows the instructions that such pickles use and a list of names; anything else is an
error, and nothing is ever imported or called by name.
"""

from __future__ import annotations

import zipfile
from collections import OrderedDict
from math import prod
from typing import Any, BinaryIO

import numpy as np

from isograd.nn.parameter import Parameter
from isograd.serialization.container import whole_number
from isograd.serialization.errors import CheckpointError
from isograd.serialization.memory import view_of
from isograd.serialization.pickle_machine import Machine, Refused, plain_key, short
from isograd.tensor import dtypes
from isograd.tensor.backends import backend_for
from isograd.tensor.core import Tensor, wrap
from isograd.tensor.devices import CPU, device
from isograd.tensor.size import Size

__all__ = ["is_legacy", "is_zip", "read_torch"]

_LARGEST_PICKLE = 1 << 28
_STORAGES = {
    "FloatStorage": dtypes.float32, "DoubleStorage": dtypes.float64, "HalfStorage": dtypes.float16,
    "BFloat16Storage": dtypes.bfloat16, "LongStorage": dtypes.int64, "IntStorage": dtypes.int32,
    "ShortStorage": dtypes.int16, "CharStorage": dtypes.int8, "ByteStorage": dtypes.uint8,
    "BoolStorage": dtypes.bool_, "ComplexFloatStorage": dtypes.complex64,
    "ComplexDoubleStorage": dtypes.complex128, "UntypedStorage": dtypes.uint8,
}  # fmt: skip
_DTYPES = {d.name: d for d in dtypes.DTYPES}


def is_zip(head: bytes) -> bool:
    """Whether a file begins as a zip archive."""
    return head[:4] == b"PK\x03\x04"


def is_legacy(head: bytes) -> bool:
    """Whether a file begins as torch's files did before 1.6: a pickled magic number."""
    return head[2:14] == b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19"[:12]


def read_torch(file: BinaryIO, where: str, placement: Any) -> Any:
    """The value in one of torch's zip files.

    Raises:
        CheckpointError: if it is damaged, or holds more than tensors and plain containers.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            return _Archive(archive, where, placement).value()
    except Refused as error:
        raise CheckpointError(where, str(error)) from None
    except (zipfile.BadZipFile, EOFError, NotImplementedError, UnicodeDecodeError) as error:
        raise CheckpointError(where, f"a damaged zip file: {error}") from None


class _Archive:
    def __init__(self, archive: zipfile.ZipFile, where: str, placement: Any) -> None:
        self.archive, self.where, self.placement = archive, where, placement
        self.members = {info.filename: info for info in archive.infolist()}
        self._check_sizes()
        pickles = [n for n in self.members if n.count("/") == 1 and n.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise Refused("a zip file without torch's data.pkl")
        self.prefix = pickles[0].removesuffix("data.pkl")
        if f"{self.prefix}constants.pkl" in self.members:
            raise Refused("a TorchScript archive: it holds a program, not only weights")
        order = self.members.get(f"{self.prefix}byteorder")
        if order is not None and self._read(order)[:8].tobytes() != b"little":
            raise Refused("written on a big-endian machine")
        self._storages: dict[tuple[str, str], Any] = {}
        self._holders: dict[int, Tensor] = {}

    def _check_sizes(self) -> None:
        file = self.archive.fp
        size = file.seek(0, 2) if file is not None else 0
        for info in self.members.values():
            if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
                raise Refused(f"{info.filename!r} is compressed or encrypted; torch stores plainly")
        total = sum(info.file_size for info in self.archive.infolist())
        if total > size:
            raise Refused(f"members of {total} bytes announced in a file of {size}")

    def _read(self, info: zipfile.ZipInfo) -> Any:
        out = np.empty(info.file_size, np.uint8)
        with self.archive.open(info) as member:
            view, done = out.data, 0
            while done < out.size:
                got = member.readinto(view[done:])  # type: ignore[attr-defined]
                if not got:
                    raise Refused(f"{info.filename!r} ended early")
                done += got
            member.read(1)  # at the end the check sum is compared
        return out

    def value(self) -> Any:
        info = self.members[f"{self.prefix}data.pkl"]
        if info.file_size > _LARGEST_PICKLE:
            raise Refused(f"data.pkl has {info.file_size} bytes")
        machine = Machine(self._named(), self._storage)
        return machine.run(self._read(info).tobytes())

    def _storage(self, key: Any) -> tuple[str, Any, str]:
        """A persistent id: ("storage", type, key, location, number of elements)."""
        if not isinstance(key, tuple) or len(key) != 5 or key[0] != "storage":
            raise Refused(f"an unknown persistent id {short(key)}")
        _, kind, name, location, _ = key
        if not isinstance(kind, dtypes.dtype) or not isinstance(name, str):
            raise Refused(f"a storage of unknown type {short(kind)}")
        if f"{self.prefix}data/{name}" not in self.members or not isinstance(location, str):
            raise Refused(f"there is no storage {name[:80]!r}")
        return name, kind, location

    def _raw(self, name: str, location: str) -> Any:
        if (name, location) not in self._storages:
            raw = self._read(self.members[f"{self.prefix}data/{name}"])
            where = self.placement(raw, location)
            if where != CPU:
                raw = backend_for(where).from_numpy(raw, where.index)
            self._storages[name, location] = raw
        return self._storages[name, location]

    def _tensor(
        self, storage: Any, offset: Any, size: Any, stride: Any, wants: Any = False, *rest: Any
    ) -> Tensor:
        if not isinstance(storage, tuple) or len(storage) != 3:
            raise Refused("a tensor without storage")
        name, kind, location = storage
        whole = isinstance(size, tuple) and isinstance(stride, tuple) and len(size) == len(stride)
        if not whole or not all(whole_number(n) for n in (*size, *stride, offset)):
            raise Refused(f"a tensor of size {short(size)}, stride {short(stride)}")
        if len(size) > 64 or prod(size) >= 1 << 48:
            raise Refused(f"a tensor of size {short(size)}")
        raw, item = self._raw(name, location), kind.np.itemsize
        try:
            strides = tuple(s * item for s in stride)
            array = view_of(raw, kind.np, tuple(size), offset * item, strides)
        except ValueError as error:
            raise Refused(f"a tensor outside of its storage {name!r}: {error}") from None
        tensor = wrap(array)
        if wants is True:
            tensor.requires_grad_()
        first = self._holders.setdefault(id(raw), tensor)
        if first is not tensor:
            tensor._version_cell = first._share_version()
        return tensor

    def _typed_tensor(self, *args: Any) -> Tensor:
        """``_rebuild_tensor_v3``: the dtype apart from the storage."""
        storage, offset, size, stride, wants, _, kind = args[:7]
        if not isinstance(kind, dtypes.dtype) or not isinstance(storage, tuple):
            raise Refused("a tensor of unknown dtype")
        return self._tensor((storage[0], kind, storage[2]), offset, size, stride, wants)

    def _named(self) -> dict[str, Any]:
        """Everything a pickle may name: values, and functions that only make containers."""
        named: dict[str, Any] = {
            "collections.OrderedDict": _ordered_dict,
            "torch._utils._rebuild_tensor": self._tensor,
            "torch._utils._rebuild_tensor_v2": self._tensor,
            "torch._utils._rebuild_tensor_v3": self._typed_tensor,
            "torch._utils._rebuild_parameter": _parameter,
            "torch._utils._rebuild_parameter_with_state": _parameter,
            "torch.nn.parameter.Parameter": _parameter,
            "torch.Size": _size,
            "torch.device": _device,
            "torch.serialization._get_layout": lambda name: "torch.strided",
            "builtins.set": _set, "__builtin__.set": _set,
            "builtins.complex": _complex, "__builtin__.complex": _complex,
            "builtins.bytearray": _bytearray, "__builtin__.bytearray": _bytearray,
            "_codecs.encode": _encode,
        }  # fmt: skip
        named |= {f"torch.{name}": d for name, d in _STORAGES.items()}
        named["torch.storage.UntypedStorage"] = dtypes.uint8
        return named | {f"torch.{name}": d for name, d in _DTYPES.items()}


def _parameter(data: Any, requires_grad: Any = True, *rest: Any) -> Parameter:
    if not isinstance(data, Tensor):
        raise Refused("a Parameter without tensor")
    return Parameter(data.detach(), requires_grad=requires_grad is True)


def _ordered_dict(*args: Any) -> OrderedDict[Any, Any]:
    if args and not isinstance(args[0], (list, tuple)):  # a tensor may pretend to endless rows
        raise Refused("an OrderedDict of no list")
    found: OrderedDict[Any, Any] = OrderedDict()
    for key, value in args[0] if args else ():
        found[plain_key(key)] = value
    return found


def _size(dims: Any) -> Size:
    if not isinstance(dims, (tuple, list)) or not all(whole_number(n) for n in dims):
        raise Refused(f"a Size of {short(dims)}")
    return Size(dims)


def _device(*args: Any) -> device:
    if not args or not isinstance(args[0], str) or not all(whole_number(n) for n in args[1:]):
        raise Refused(f"a device {short(args)}")
    return device(*args[:2])


def _set(items: Any = ()) -> set[Any]:
    if not isinstance(items, (list, tuple)):
        raise Refused("a set of no list")
    return {plain_key(v) for v in items}


def _complex(real: Any, imag: Any = 0.0) -> complex:
    if not isinstance(real, float) or not isinstance(imag, (float, int)):
        raise Refused("a complex number of no floats")
    return complex(real, imag)


def _bytearray(data: Any = b"", *rest: Any) -> bytearray:
    if isinstance(data, str):
        data = _encode(data, *rest)
    if not isinstance(data, bytes):
        raise Refused("a bytearray of no bytes")
    return bytearray(data)


def _encode(text: Any, encoding: Any = "latin1") -> bytes:
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise Refused("bytes that are not latin1")
    return text.encode("latin1", "replace")
