"""From a member's bytes to a value, by its extension. Nothing is ever unpickled.

    cls, cls2, class, count, index, inx, id   int          json, jsn      json.loads
    txt, text, transcript                     str          npy, npz       array, dict of arrays
    safetensors                               dict of tensors

Images are decoded if an image decoder is named (`image_decoding`), ``.pth`` and ``.pt`` if "pth"
is: tensors and plain containers only (`isograd.load`). Other members stay bytes.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Collection, Iterable
from typing import Any

import numpy as np

from isograd.data.streaming.errors import ShardError
from isograd.data.streaming.image_decoding import IMAGE_EXTENSIONS, IMAGE_SPECS, decode_image

__all__ = ["Decoder"]

_TORCH = frozenset({"pth", "pt"})
_PICKLES = frozenset({"pyd", "pkl", "pickle"})


def _load_npy(data: bytes) -> Any:
    return np.load(io.BytesIO(data), allow_pickle=False)


def _load_npz(data: bytes) -> Any:
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def _load_tensors(data: bytes) -> Any:
    from isograd.serialization import load  # here: data does without it otherwise

    return load(io.BytesIO(data), map_location="cpu")


def _text(data: bytes) -> str:
    return data.decode("utf-8")


def _table() -> dict[str, Callable[[bytes], Any]]:
    table: dict[str, Callable[[bytes], Any]] = {}
    table |= dict.fromkeys(("cls", "cls2", "class", "count", "index", "inx", "id"), int)
    table |= dict.fromkeys(("txt", "text", "transcript"), _text)
    table |= dict.fromkeys(("json", "jsn"), json.loads)
    return table | {"npy": _load_npy, "npz": _load_npz, "safetensors": _load_tensors}


_BY_EXTENSION = _table()


class Decoder:
    """A function from a sample of bytes to a sample of values.

    Args:
        choices: at most one name of an image decoder; "pth"; and functions of (extension, bytes)
            that return a value, or None to leave the member to the next.
        only: extensions to decode; all others stay bytes. None decodes all.
    """

    def __init__(
        self, choices: Iterable[str | Callable[[str, bytes], Any]], only: Collection[str] | None
    ) -> None:
        self._functions: list[Callable[[str, bytes], Any]] = []
        self._image: str | None = None
        self._torch = False
        self._only = None if only is None else frozenset(only)
        for choice in choices:
            if callable(choice):
                self._functions.append(choice)
            elif choice == "pth":
                self._torch = True
            elif choice not in IMAGE_SPECS:
                names = ", ".join([*IMAGE_SPECS, "pth"])
                raise ValueError(f"decode: expected one of {names} or a function, got {choice!r}")
            elif self._image is not None:
                raise ValueError(f"decode: two image decoders, {self._image!r} and {choice!r}")
            else:
                self._image = choice

    def __call__(self, sample: Any) -> Any:
        if not isinstance(sample, dict):
            raise TypeError(
                f"decode: expected the dict of a sample, got {type(sample).__name__}; decode "
                "comes before to_tuple and map"
            )
        return {name: self._member(sample, name, value) for name, value in sample.items()}

    def _member(self, sample: dict[str, Any], name: str, value: Any) -> Any:
        if not isinstance(value, bytes) or (self._only is not None and name not in self._only):
            return value
        try:
            return self._decode(name, value)
        except ImportError:
            raise
        except Exception as error:
            raise ShardError(
                sample.get("__url__", "?"), f"cannot decode .{name}: {error}", sample.get("__key__")
            ) from error

    def _decode(self, name: str, value: bytes) -> Any:
        for function in self._functions:
            made = function(name, value)
            if made is not None:
                return made
        extension = name.rpartition(".")[2]
        if extension in _PICKLES:
            raise ValueError(
                "pickles run code when they are read; store arrays (npy, safetensors) or json, or "
                "name the members to decode: decode(..., only=[...])"
            )
        if extension in _TORCH:
            if not self._torch:
                raise ValueError(
                    "files of torch.save are read only by decode('pth'), which takes tensors and "
                    "plain containers out of them"
                )
            return _load_tensors(value)
        if self._image is not None and extension in IMAGE_EXTENSIONS:
            return decode_image(value, self._image)
        known = _BY_EXTENSION.get(extension)
        return value if known is None else known(value)
