"""Which bytes of memory a set of arrays occupies, and arrays again from those bytes.

Arrays that overlap are one piece of memory, stored once, so that they overlap again when loaded. An
array on its own is stored as it lies if it fills its piece, else packed.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np

from isograd.serialization.container import Entry
from isograd.tensor.backends import backend_of

__all__ = ["Memory", "Place", "view_of"]


@dataclass
class Place:
    """Where an array is: in which piece, from which byte, with which shape and strides."""

    array: Any
    name: str
    piece: int = -1
    offset: int = 0
    strides: tuple[int, ...] | None = None  # in bytes; None for packed rows


@dataclass
class _Piece:
    low: int
    high: int
    places: list[Place] = field(default_factory=list)


class Memory:
    """Collects arrays, then says which pieces of memory to store."""

    def __init__(self) -> None:
        self.places: list[Place] = []
        self._known: dict[tuple[Any, ...], Place] = {}

    def add(self, array: Any, name: str) -> Place:
        """Remember an array; the very same view of the same memory is remembered once."""
        if array.dtype.byteorder == ">":
            array = array.astype(array.dtype.newbyteorder("="))
        key = (_pointer(array), array.shape, array.strides, array.dtype.str, _device(array))
        if array.size and key in self._known:
            return self._known[key]
        place = Place(array, name)
        self.places.append(place)
        self._known[key] = place
        return place

    def entries(self) -> list[Entry]:
        """The pieces, one per group of overlapping arrays; fills in where each array is."""
        entries: list[Entry] = []
        names: set[str] = {"__metadata__"}
        for piece in self._pieces():
            first = piece.places[0]
            name = _unused(first.name, names)
            for place in piece.places:
                place.piece = len(entries)
            entries.append(_entry(name, piece))
        return entries

    def _pieces(self) -> list[_Piece]:
        pieces = [_Piece(0, 0, [p]) for p in self.places if not p.array.size]
        by_device: dict[Any, list[tuple[int, int, Place]]] = {}
        for place in self.places:
            if place.array.size:
                low, high = _extent(place.array)
                by_device.setdefault(_device(place.array), []).append((low, high, place))
        for found in by_device.values():
            last: _Piece | None = None
            for low, high, place in sorted(found, key=lambda f: f[:2]):
                if last is not None and low < last.high:
                    last.high = max(last.high, high)
                    last.places.append(place)
                else:
                    last = _Piece(low, high, [place])
                    pieces.append(last)
        return pieces


def _entry(name: str, piece: _Piece) -> Entry:
    places = piece.places
    alone = len(places) == 1
    array = places[0].array
    size = piece.high - piece.low
    if alone and (array.flags.c_contiguous or size > array.nbytes or not array.size):
        packed = np.ascontiguousarray(backend_of(array).to_numpy(array)).reshape(-1)
        return Entry(name, packed.view(np.uint8), *_real(array.dtype, array.shape))
    raw = _bytes(array, piece)
    for place in places:
        a = place.array
        place.offset = _pointer(a) - piece.low
        place.strides = a.strides
    whole = [p.array for p in places if p.array.nbytes == size and p.array.flags.c_contiguous]
    if whole:
        return Entry(name, raw, *_real(whole[0].dtype, whole[0].shape))
    dtype = array.dtype
    if all(p.array.dtype == dtype for p in places) and size % dtype.itemsize == 0:
        return Entry(name, raw, *_real(dtype, (size // dtype.itemsize,)))
    return Entry(name, raw, np.dtype(np.uint8), (size,))


def _real(dtype: Any, shape: tuple[int, ...]) -> tuple[Any, tuple[int, ...]]:
    """Complex numbers are stored as pairs: not all readers of the format know them."""
    if dtype.kind == "c":
        return np.dtype(f"f{dtype.itemsize // 2}"), (*shape, 2)
    return dtype, tuple(shape)


def _unused(name: str, names: set[str]) -> str:
    name = name.encode("utf-8", "replace").decode() or "value"
    free, n = name, 1
    while free in names:
        n += 1
        free = f"{name}#{n}"
    names.add(free)
    return free


def _pointer(array: Any) -> int:
    return int(array.ctypes.data if isinstance(array, np.ndarray) else array.data.ptr)


def _device(array: Any) -> Any:
    return backend_of(array).device_of(array)


def _extent(array: Any) -> tuple[int, int]:
    steps = [(n - 1) * s for n, s in zip(array.shape, array.strides, strict=True)]
    start = _pointer(array)
    low = start + sum(min(0, s) for s in steps)
    return low, start + sum(max(0, s) for s in steps) + array.dtype.itemsize


def _bytes(array: Any, piece: _Piece) -> Any:
    """The piece's memory on the host; ``array`` is one of those that lie in it."""
    size = piece.high - piece.low
    if isinstance(array, np.ndarray):
        memory = (ctypes.c_uint8 * size).from_address(piece.low)
        return np.frombuffer(memoryview(memory), np.uint8)
    import cupy

    memory = array.data.mem
    start = cupy.cuda.MemoryPointer(memory, piece.low - memory.ptr)
    return backend_of(array).to_numpy(cupy.ndarray((size,), np.uint8, start))


def view_of(
    raw: Any, dtype: Any, shape: tuple[int, ...], offset: int, strides: tuple[int, ...] | None
) -> Any:
    """The array of that place in the piece ``raw`` (uint8, NumPy or CuPy).

    Raises:
        ValueError: if it would reach outside of the piece.
    """
    if strides is None:
        strides, step = (), dtype.itemsize
        for n in reversed(shape):
            strides, step = (step, *strides), step * max(n, 1)
    if prod(shape) >= 1 << 48:
        raise ValueError(f"a shape of {prod(shape)} elements")
    if prod(shape) == 0:
        low = high = offset
    else:
        steps = [(n - 1) * s for n, s in zip(shape, strides, strict=True)]
        low = offset + sum(min(0, s) for s in steps)
        high = offset + sum(max(0, s) for s in steps) + dtype.itemsize
    if low < 0 or high > raw.size:
        raise ValueError(f"bytes {low} to {high} of a piece of {raw.size}")
    if isinstance(raw, np.ndarray):
        return np.ndarray(shape, dtype, raw, offset, strides)
    import cupy

    return cupy.ndarray(shape, dtype, raw.data + offset, strides=strides)
