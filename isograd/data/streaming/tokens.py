"""`TokenDataset`: windows of a long row of tokens, as language models are trained on."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from typing import Any

import numpy as np

from isograd.data.dataset import Dataset
from isograd.data.streaming.errors import ShardError
from isograd.data.streaming.paths import Paths, agreed_files
from isograd.data.streaming.permutation import mix
from isograd.data.streaming.token_file import TokenFile, token_dtype
from isograd.tensor.core import Tensor
from isograd.tensor.creation import from_numpy

__all__ = ["TokenDataset"]

_SUFFIXES = (".bin", ".npy")
_MASK = (1 << 64) - 1


class TokenDataset(Dataset[tuple[Tensor, Tensor]]):
    """Sample i is (x, y): ``block_size`` tokens, and the same shifted by one.

    Windows lie within one file, ``stride`` apart; what is left at a file's end and is shorter than
    a window is not used. Nothing is read but the windows asked for. To shuffle without a
    permutation in memory, give the loader a `PermutationSampler`.

    Args:
        paths: a folder, a file, a pattern (``train-{000..127}.bin``), or a list of them.
        dtype: of raw files; ``.npy`` files say theirs.
        stride: from one window to the next; ``block_size`` if None: each token is predicted once.
        random_windows: nanoGPT's sampling instead: sample i begins anywhere, decided by (seed,
            epoch, i).
        num_windows: how many random windows an epoch has; by default as many as without them.
        vocab_size: check each window's tokens against it.

    Shape:
        x, y: (block_size,), int64.

    Raises:
        ShardError: for a file that is empty, cut off, or shorter than a window: its name and why.

    Example:
        >>> from isograd.data.streaming import TokenDataset, write_tokens
        >>> write_tokens("/tmp/val.bin", range(10))
        >>> TokenDataset("/tmp/val.bin", block_size=4)[1]
        (tensor([4, 5, 6, 7]), tensor([5, 6, 7, 8]))
    """

    def __init__(
        self,
        paths: Paths,
        block_size: int,
        *,
        dtype: Any = np.uint16,
        stride: int | None = None,
        random_windows: bool = False,
        num_windows: int | None = None,
        seed: int = 0,
        vocab_size: int | None = None,
    ) -> None:
        stride = block_size if stride is None else stride
        if block_size < 1 or stride < 1:
            raise ValueError(
                "TokenDataset: expected block_size and stride of at least 1, got "
                f"{block_size}, {stride}"
            )
        if num_windows is not None and (not random_windows or num_windows < 1):
            raise ValueError(
                "TokenDataset: num_windows is for random_windows=True and at least 1; without, "
                "every window comes once"
            )
        kind = token_dtype(dtype)
        self.files = [
            TokenFile(path, kind) for path in agreed_files(paths, _SUFFIXES, "TokenDataset")
        ]
        self.block_size, self.stride = block_size, stride
        self.random_windows = random_windows
        self.seed, self.epoch = seed, 0
        self.vocab_size = vocab_size
        # places where a window can begin: all for random ones, else every stride-th
        starts = [self._starts(file) for file in self.files]
        windows = sum(-(-n // stride) for n in starts)
        self._step = 1 if random_windows else stride
        self._ends = list(accumulate(-(-n // self._step) for n in starts))
        self._length = windows if num_windows is None else num_windows

    def _starts(self, file: TokenFile) -> int:
        n = len(file) - self.block_size
        if n < 1:
            raise ShardError(
                file.path,
                f"its {len(file)} tokens are fewer than a window's {self.block_size + 1} "
                "(block_size and the one after)",
            )
        return n

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose random windows come.

        Workers that a loader keeps (``persistent_workers=True``) do not learn of it.
        """
        self.epoch = epoch

    def state_dict(self) -> dict[str, int]:
        """What random windows depend on; loaders save it with their position."""
        return {"seed": self.seed, "epoch": self.epoch}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Give the random windows of ``state``."""
        self.seed, self.epoch = state["seed"], state["epoch"]

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: Any) -> tuple[Tensor, Tensor]:
        i = index + self._length if index < 0 else index
        if not 0 <= i < self._length:
            raise IndexError(f"TokenDataset: index {index} is out of range for {self._length}")
        if self.random_windows:
            i = self._random(i)
        which = bisect_right(self._ends, i)
        begin = (i - (self._ends[which - 1] if which else 0)) * self._step
        tokens = self.files[which].read(begin, begin + self.block_size + 1, self.vocab_size)
        return from_numpy(tokens[:-1]), from_numpy(tokens[1:].copy())  # no shared memory

    def _random(self, i: int) -> int:
        """A place drawn by (seed, epoch, i): the same whoever asks."""
        key = mix(mix(self.seed & _MASK) ^ self.epoch)
        return mix(mix(key ^ i) ^ key) * self._ends[-1] >> 64
