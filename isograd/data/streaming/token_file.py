"""One file of tokens, mapped into memory: `.npy`, or raw numbers (`.bin`, as nanoGPT writes)."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isograd.data.streaming.errors import ShardError
from isograd.serialization.atomic import atomic_file
from isograd.tensor import dtypes
from isograd.tensor.core import Tensor

__all__ = ["TokenFile", "token_dtype", "write_tokens"]


def token_dtype(dtype: Any) -> np.dtype[Any]:
    """The NumPy dtype of tokens that ``dtype`` (isograd's, NumPy's or a name) means.

    Raises:
        TypeError: if it is no integer type.
    """
    found = dtype.np if isinstance(dtype, dtypes.dtype) else np.dtype(dtype)
    if found.kind not in "iu":
        raise TypeError(f"tokens: expected an integer dtype as uint16 or uint32, got {found}")
    return np.dtype(found)


class TokenFile:
    """The tokens of one file; mapped at the first look, in each process anew.

    Args:
        dtype: of a raw file; a ``.npy`` file says itself.

    Raises:
        ShardError: for a file that is empty, of a length that is no multiple of the item's, or
            holds something else than one row of integers.
    """

    def __init__(self, path: str, dtype: np.dtype[Any]) -> None:
        self.path = path
        self._dtype = dtype
        self._map: NDArray[Any] | None = None
        try:
            self._length = len(self._npy()) if self._is_npy else self._raw_length()
        except OSError as error:
            raise ShardError(path, error.strerror or str(error)) from error
        if not self._length:
            raise ShardError(path, "the file has no tokens")

    def __len__(self) -> int:
        return self._length

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_map": None}

    @property
    def _is_npy(self) -> bool:
        return self.path.endswith(".npy")

    def _raw_length(self) -> int:
        size, item = os.path.getsize(self.path), self._dtype.itemsize
        if size % item:
            raise ShardError(
                self.path,
                f"{size} bytes are no whole number of {self._dtype} tokens ({item} bytes each); "
                "the file is cut off, or dtype= is not what was written",
            )
        return size // item

    def _npy(self) -> NDArray[Any]:
        try:
            found = np.load(self.path, mmap_mode="r", allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise ShardError(self.path, f"no readable .npy file: {error}") from error
        if not isinstance(found, np.ndarray) or found.ndim != 1 or found.dtype.kind not in "iu":
            what = getattr(found, "dtype", "archive"), list(getattr(found, "shape", []))
            raise ShardError(
                self.path, f"expected one row of integers, got {what[0]} of shape {what[1]}"
            )
        return found

    def read(self, begin: int, end: int, vocab_size: int | None = None) -> NDArray[np.int64]:
        """Tokens ``begin`` to ``end - 1``.

        Raises:
            ShardError: for a token outside of range(vocab_size), with its place.
        """
        if self._map is None:
            if self._is_npy:
                self._map = self._npy()
            else:
                self._map = np.memmap(self.path, self._dtype, "r", shape=(self._length,))
        tokens = np.asarray(self._map[begin:end]).astype(np.int64)
        if vocab_size is not None:
            bad = np.flatnonzero((tokens < 0) | (tokens >= vocab_size))
            if len(bad):
                raise ShardError(
                    self.path,
                    f"token {begin + int(bad[0])} is {tokens[bad[0]]}, outside of "
                    f"range(vocab_size={vocab_size}); the file belongs to another tokenizer, or "
                    "dtype= is not what was written",
                )
        return tokens


def write_tokens(path: str | os.PathLike[str], tokens: Any, dtype: Any = np.uint16) -> None:
    """Write one row of tokens: raw, or with a header if ``path`` ends in ``.npy``.

    Args:
        tokens: integers, as an array, a tensor or a list.

    Raises:
        ValueError: for a token that ``dtype`` cannot hold, or more than one row.

    Example:
        >>> write_tokens("/tmp/train.bin", [50256, 11, 13])
    """
    kind = token_dtype(dtype)
    row = tokens.numpy(force=True) if isinstance(tokens, Tensor) else np.asarray(tokens)
    if row.ndim != 1 or (row.dtype.kind not in "iu" and row.size):
        raise ValueError(
            f"write_tokens: expected one row of integers, got {row.dtype} of shape {row.shape}"
        )
    bounds = np.iinfo(kind)
    if row.size and not (bounds.min <= int(row.min()) and int(row.max()) <= bounds.max):
        raise ValueError(
            f"write_tokens: {os.fspath(path)}: tokens from {row.min()} to {row.max()} do not fit "
            f"{kind} ({bounds.min} to {bounds.max}); use a wider dtype"
        )
    with atomic_file(path) as file:
        if os.fspath(path).endswith(".npy"):
            np.save(file, row.astype(kind), allow_pickle=False)
        else:
            file.write(row.astype(kind).tobytes())
