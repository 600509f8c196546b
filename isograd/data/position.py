"""A loader's position: epochs are opened here, one after the other, saved and opened again.

What is saved counts the batches that came out, not those fetched ahead. For orders of indices it
holds where the generators stood when the epoch began; the order is drawn again from there, and
what was read is left out without reading it. It says nothing of workers or processes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

from isograd.data.agreement import is_known, watched
from isograd.data.dataset import IterableDataset
from isograd.data.fetch import Epoch, Reading
from isograd.data.index_stream import IndexStream
from isograd.data.keyed import epoch_keys, global_digests
from isograd.data.origin import Origin
from isograd.data.sampler import draw_seed
from isograd.data.view import GlobalView
from isograd.tensor.generator import Generator, default_generator

__all__ = ["Position"]

_FORMAT = 1
_OPENED = ("seed", "keys", "drawn", "last", "generators", "python", "numpy", "sampler")


class Position:
    """The epochs of a loader.

    Args:
        order: its batch sampler, sampler, or `Unending`.
        generator: what seeds are drawn from; the default generator if None.

    Attributes:
        epochs: how many were opened.
        stream: of the latest one.
    """

    def __init__(self, order: Any, generator: Generator | None) -> None:
        self._order = order
        self._generator = generator
        self.epochs = 0
        self.stream: IndexStream | None = None
        self._origin = Origin()
        self._seeded = False  # the script that saved the state had chosen a seed
        self._drawn = True
        self._loaded: dict[str, Any] | None = None

    def open(
        self, reading: Reading, view: GlobalView | None, seed: int | None, facts: dict[str, Any]
    ) -> tuple[IndexStream, Epoch]:
        """The next epoch, or the rest of the one that was loaded.

        Args:
            seed: of workers that run already; drawn if None. Whether it is drawn is torch's
                choice: workers that stay alive keep their seed.
            facts: what has to be the same on all processes besides the random states.
        """
        loaded, self._loaded = self._loaded, None
        if loaded is not None and loaded["started"]:
            return self._reopen(reading, view, loaded, facts)
        if loaded is not None:
            Origin.from_state(loaded).put_back(self._order, self._generator)
        # The order of these lines is the order in which torch draws.
        self._origin = Origin.capture(self._order, self._generator)
        digests = global_digests() if reading.draws and self._from_entropy() else {}
        entries = iter(self._order)
        self._drawn = seed is None
        if seed is None:
            seed = draw_seed(self._generator)
        keys = epoch_keys(seed, self.epochs, digests)
        if view is not None:
            drawn = {**digests, "the seed of the loader": seed} if reading.draws else {}
            entries = self._watched(entries, view, {**facts, **drawn})
        stream = IndexStream(entries, self.epochs, seed, keys, reading.batches)
        return self._opened(stream, 0)

    def _reopen(
        self, reading: Reading, view: GlobalView | None, loaded: dict[str, Any], facts: Any
    ) -> tuple[IndexStream, Epoch]:
        self._origin = Origin.from_state(loaded)
        self._drawn = loaded["drawn"]
        batches = loaded["batches"]
        is_stream = isinstance(reading.dataset, IterableDataset)
        jumps = reading.reads_shares or loaded["dataset_moved"]
        discard = batches if is_stream and not jumps else 0
        numbers = loaded["epoch"], loaded["seed"], tuple(loaded["keys"])
        inside = self._origin.restored(self._order, self._generator)
        with nullcontext() if is_stream else inside:
            entries = iter(self._order)
            if self._drawn and not is_stream:
                draw_seed(self._generator)
            if view is not None:
                entries = self._watched(entries, view, facts)
            stream = IndexStream(entries, *numbers, reading.batches, discard)
            if is_stream and jumps:
                stream.jump(batches, reading.batch_size)
            elif not is_stream:
                stream.move_on(batches)
                _check_order(stream, loaded["last"])
        return self._opened(stream, batches if jumps else 0)

    def _from_entropy(self) -> bool:
        """Whether no seed was chosen for the generator that the loader's seeds come from."""
        source = default_generator if self._generator is None else self._generator
        return source.from_entropy and not self._seeded

    def _opened(self, stream: IndexStream, start: int) -> tuple[IndexStream, Epoch]:
        self.stream = stream
        self.epochs = stream.epoch + 1
        return stream, Epoch(stream.epoch, stream.seed, stream.keys, start)

    def _watched(self, entries: Iterator[Any], view: GlobalView, facts: Any) -> Iterator[Any]:
        facts = {
            "the epoch": self.epochs,
            **self._origin.digests(self._order, self._generator),
            **facts,
        }
        return watched(entries, view, facts, is_known(self._order))

    def state(self) -> dict[str, Any]:
        """The position as numbers, strings and tensors."""
        stream = self.stream
        if self._loaded is not None:
            return {name: self._loaded[name] for name in _POSITION}
        state: dict[str, Any] = {"format": _FORMAT, "epoch": self.epochs, "batches": 0}
        state["seeded"] = not self._from_entropy()
        if stream is None or stream.ended:
            now = Origin.capture(self._order, self._generator).state()
            return {**state, "started": False, **dict.fromkeys(_OPENED), **now}
        state |= {"epoch": stream.epoch, "batches": stream.yielded, "started": True}
        state |= {"seed": stream.seed, "keys": list(stream.keys), "drawn": self._drawn}
        return {**state, "last": stream.last_digest(), **self._origin.state()}

    def load(self, state: dict[str, Any]) -> None:
        """Open the epoch of ``state`` next, where it was.

        Raises:
            ValueError: if ``state`` is nothing that `state` gave.
        """
        missing = [name for name in _POSITION if name not in state]
        if missing or state["format"] != _FORMAT:
            raise ValueError(
                "DataLoader.load_state_dict: expected what DataLoader.state_dict() gave, got a "
                f"dictionary without {missing}"
                if missing
                else f"DataLoader.load_state_dict: format {state['format']}, known is {_FORMAT}"
            )
        self._loaded = dict(state)
        self.epochs = state["epoch"]
        self._seeded = state["seeded"]


_POSITION = ("format", "epoch", "batches", "seeded", "started", *_OPENED)


def _check_order(stream: IndexStream, last: str | None) -> None:
    if stream.yielded and stream.last_digest() != last:
        raise RuntimeError(
            f"DataLoader: batch {stream.yielded - 1} of epoch {stream.epoch} has other samples "
            "than when the state was saved: the sampler gives another order each time it is asked, "
            "or the data changed. Let it draw from a Generator (an attribute `generator`), from "
            "the global states, or write its state_dict and load_state_dict; one with set_epoch "
            "needs the same epoch"
        )
