"""`WebDataset`: a folder of tar files as one shuffled stream, the same at any number of readers.

The format is WebDataset's (Aizman, Maltby and Breuel, "High performance I/O for large scale deep
learning", IEEE Big Data 2019): consecutive files of one base name are one sample.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace
from typing import Any

from isograd.data.dataset import IterableDataset
from isograd.data.shard_aware import Share
from isograd.data.streaming.counting import count_shards
from isograd.data.streaming.decoding import Decoder
from isograd.data.streaming.order import EpochOrder
from isograd.data.streaming.paths import Paths, agreed_files
from isograd.data.streaming.share_reader import ShareReader
from isograd.data.streaming.stages import MapTuple, ToTuple, identity
from isograd.data.view import shares
from isograd.data.worker import get_worker_info
from isograd.data.world import world

__all__ = ["WebDataset"]

_MOST_LANES = 32  # by default
_LEAST_BUFFER = 16  # samples of the shuffle buffer in each lane, by default
_SUFFIXES = (".tar", ".tar.gz", ".tgz")


class WebDataset(IterableDataset[Any]):
    """Samples of tar shards, each exactly once per epoch over all processes and workers.

    Every method that configures gives a changed copy. Iterating gives all samples; a `DataLoader`
    under a global view reads in each process only what it needs of each batch. In scripts with
    their own process group, see `split_by_rank`. The order of an epoch depends on the shards,
    ``seed``, the epoch, ``lanes`` and the shuffle buffer, never on how many read.

    Args:
        urls: a folder, a file, a pattern (``train-{000..127}.tar``, ``*.tar``), or a list of them.
            Files may be compressed with gzip.
        shardshuffle: whether the shards come in a new order each epoch; None: if `shuffle` is used.
        seed: of the order.
        lanes: into how many equal runs an epoch is cut: a power of two that is at least the number
            of processes lets each read files of its own. None: up to 32, with 16 or more samples
            of the shuffle buffer in each; 1, the order of the files, without a buffer.
        on_error: "raise" a `ShardError` for a broken shard; or "skip" its rest with one warning.
            Either happens here, before any epoch, in all processes alike.
        cache_index: whether to keep the counts in a file beside the shards.

    Raises:
        ShardError: for a broken shard: its name, the sample, the byte.

    Example:
        >>> from isograd.data.streaming import ShardWriter, WebDataset
        >>> with ShardWriter("/tmp/digits-%03d.tar") as out:
        ...     for i in range(3):
        ...         out.write({"__key__": f"{i:06}", "cls": i, "json": {"square": i * i}})
        >>> list(WebDataset("/tmp/digits-{000..000}.tar").decode().to_tuple("cls", "json"))
        [(0, {'square': 0}), (1, {'square': 1}), (2, {'square': 4})]
    """

    def __init__(
        self,
        urls: Paths,
        *,
        shardshuffle: bool | int | None = None,
        seed: int = 0,
        lanes: int | None = None,
        on_error: str = "raise",
        cache_index: bool = True,
    ) -> None:
        if on_error not in ("raise", "skip"):
            raise ValueError(f"WebDataset: expected on_error 'raise' or 'skip', got {on_error!r}")
        if lanes is not None and lanes < 1:
            raise ValueError(f"WebDataset: expected lanes of at least 1, got {lanes}")
        self.shards = agreed_files(urls, _SUFFIXES, "WebDataset")
        self.seed = seed
        self._lanes = lanes
        self.epoch = 0  # of the next pass
        self._shardshuffle = None if shardshuffle is None else bool(shardshuffle)
        self._buffer: tuple[int, int | None] | None = None
        self._stages: tuple[Callable[[Any], Any], ...] = ()
        self._replica = 0, 1
        self._given = 0  # samples of this pass that came out, of all processes together
        self._resumed = False
        self._indices = count_shards(self.shards, on_error, cache_index)
        self._counts = [len(index) for index in self._indices]

    # -- configuring

    def shuffle(self, buffer: int, initial: int | None = None) -> WebDataset:
        """Shuffle samples through a buffer that holds ``buffer`` of them, over all lanes together.

        Args:
            initial: how many are held back before the first leaves; ``buffer`` if None.

        Raises:
            ValueError: for a second buffer, or sizes that are none.
        """
        if self._buffer is not None:
            raise ValueError("shuffle: this dataset has a shuffle buffer; choose one size")
        if buffer < 0 or (initial is not None and initial < 0):
            raise ValueError(f"shuffle: expected sizes >= 0, got {buffer} and initial={initial}")
        out = self._copy()
        out._buffer = buffer, initial
        return out

    def decode(
        self, *choices: str | Callable[[str, bytes], Any], only: Collection[str] | None = None
    ) -> WebDataset:
        """Decode the members: text, numbers, json, npy, npz and safetensors by their extension.

        Args:
            choices: how images are decoded ("pil", "rgb8", "rgb", "l8", "l", "torchrgb8", "torch",
                ...), "pth", and functions of (extension, bytes); see
                `isograd.data.streaming.decoding`.
            only: the extensions to decode.
        """
        return self._with(Decoder(choices, only))

    def to_tuple(self, *names: str, missing_is_error: bool = True) -> WebDataset:
        """Turn the dict into a tuple, e.g. ``to_tuple("jpg;png", "cls")``: ``;`` means or."""
        return self._with(ToTuple(names, missing_is_error))

    def map(self, function: Callable[[Any], Any]) -> WebDataset:
        """Apply ``function`` to each sample."""
        return self._with(function)

    def map_tuple(self, *functions: Callable[[Any], Any] | None) -> WebDataset:
        """Apply the i-th function to the i-th entry of each tuple; None leaves it."""
        return self._with(MapTuple([identity if f is None else f for f in functions]))

    def split_by_rank(self, num_replicas: int | None = None, rank: int | None = None) -> WebDataset:
        """Only this process's samples, for scripts that call ``init_process_group`` themselves.

        Replicas differ by at most one sample; nothing is padded or repeated.

        Args:
            num_replicas, rank: the process group's if None.
        """
        if num_replicas is None or rank is None:
            here = world()
            rank = here[0] if rank is None else rank
            num_replicas = here[1] if num_replicas is None else num_replicas
        if not 0 <= rank < num_replicas:
            raise ValueError(
                f"split_by_rank: expected 0 <= rank < num_replicas, got {rank}, {num_replicas}"
            )
        out = self._copy()
        out._replica = rank, num_replicas
        return out

    def _copy(self) -> WebDataset:
        return copy.copy(self)

    def _with(self, stage: Callable[[Any], Any]) -> WebDataset:
        out = self._copy()
        out._stages = (*self._stages, stage)
        return out

    @property
    def lanes(self) -> int:
        """Into how many runs an epoch is cut."""
        if self._lanes is not None:
            return self._lanes
        buffer = 0 if self._buffer is None else self._buffer[0]
        return 1 << min(_MOST_LANES, buffer // _LEAST_BUFFER).bit_length() >> 1 or 1

    # -- reading

    def __len__(self) -> int:
        rank, replicas = self._replica
        return shares(sum(self._counts), replicas)[rank]

    def set_epoch(self, epoch: int) -> None:
        """Number the next pass ``epoch``; without it passes are counted from 0.

        A loader that makes batches counts itself. One with ``batch_size=None`` and workers does
        not: call this before each of its epochs.
        """
        self.epoch, self._given, self._resumed = epoch, 0, False

    def __iter__(self) -> Iterator[Any]:
        rank, replicas = self._replica
        info = get_worker_info()
        number, workers = (0, 1) if info is None else (info.id, info.num_workers)
        origin = self._given if self._resumed else 0
        epoch, self._given, self._resumed = self.epoch, origin, False
        share = Share(replicas, replicas, rank, worker=number, workers=workers, epoch=epoch)
        for length, samples in self._reader(epoch).batches(share, origin, replicas > 1):
            for sample in samples:
                self._given += length
                yield sample
        self.epoch, self._given = epoch + 1, 0

    def read_share(self, share: Share) -> Iterator[tuple[int, Iterable[Any]]]:
        """What a loader asks for: see `isograd.data.shard_aware.ShardAware`."""
        rank, replicas = self._replica
        if replicas == 1:
            yield from self._reader(share.epoch).batches(share)
            return
        if share.positions > 1:
            raise RuntimeError(
                "WebDataset: under a global view the loader divides the samples; leave out "
                "split_by_rank"
            )
        wider = replace(
            share, batch_size=share.batch_size * replicas, positions=replicas, first=rank
        )
        for length, samples in self._reader(share.epoch).batches(wider, may_be_empty=True):
            own = shares(length, replicas)[rank]
            if own:
                yield own, samples

    def _reader(self, epoch: int) -> ShareReader:
        return ShareReader(self.order(epoch), self.shards, self._indices, self.finish)

    def order(self, epoch: int) -> EpochOrder:
        """The order of an epoch's samples."""
        buffer, initial = self._buffer or (0, None)
        by_default = self._buffer is not None
        return EpochOrder(
            self._counts,
            lanes=self.lanes,
            buffer=buffer,
            initial=initial,
            shuffle_shards=by_default if self._shardshuffle is None else self._shardshuffle,
            seed=self.seed,
            epoch=epoch,
        )

    def finish(self, sample: Any) -> Any:
        """A sample through all stages."""
        for stage in self._stages:
            sample = stage(sample)
        return sample

    # -- resuming

    def state_dict(self) -> dict[str, Any]:
        """Where the current pass stands, for plain iteration; a loader keeps its own count."""
        return {
            "seed": self.seed,
            "epoch": self.epoch,
            "given": self._given,
            "lanes": self.lanes,
            "buffer": list(self._buffer or (0, None)),
            "counts": list(self._counts),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue there: the next pass gives the samples that were not given yet.

        Raises:
            ValueError: if the shards, the lanes or the buffer are others.
        """
        own = self.state_dict()
        for name in ("lanes", "buffer", "counts"):
            if list_or_int(state[name]) != own[name]:
                raise ValueError(
                    f"WebDataset: the state is of a stream with other {name}, so its order is "
                    f"another: expected {own[name]}, got {state[name]}"
                )
        self.seed, self.epoch = int(state["seed"]), int(state["epoch"])
        self._given, self._resumed = int(state["given"]), True


def list_or_int(value: Any) -> Any:
    """Tuples as lists, for states that went through another format."""
    return list(value) if isinstance(value, list | tuple) else value
