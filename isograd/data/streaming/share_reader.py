"""The wanted rows of the wanted batches of an epoch, lane by lane."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from isograd.data.shard_aware import Share
from isograd.data.streaming.lane_reader import LaneReader, unpack
from isograd.data.streaming.order import EpochOrder
from isograd.data.streaming.tar_index import TarIndex
from isograd.data.view import shares

__all__ = ["ShareReader"]


class ShareReader:
    """Reads one `Share` of an epoch.

    Args:
        finish: what makes a sample of the dict of its members.
    """

    def __init__(
        self,
        order: EpochOrder,
        paths: Sequence[str],
        indices: Sequence[TarIndex],
        finish: Callable[[dict[str, Any]], Any],
    ) -> None:
        self._order = order
        self._paths = paths
        self._indices = indices
        self._finish = finish
        self._lanes: dict[int, LaneReader] = {}

    def batches(
        self, share: Share, origin: int = 0, may_be_empty: bool = False
    ) -> Iterator[tuple[int, Iterator[Any]]]:
        """(length of the whole batch, the rows wanted of it), for each batch that is wanted.

        Args:
            origin: the sample that batch 0 begins with.
            may_be_empty: give no row where our positions are empty, instead of row 0.
        """
        try:
            total, size = self._order.total - origin, share.batch_size
            for batch in range(share.start, -(-total // size)):
                if share.wants(batch):
                    begin = batch * size
                    length = min(size, total - begin)
                    rows = share.rows(length)
                    if may_be_empty and _is_empty(share, length):
                        rows = range(0)
                    yield length, self._samples(origin + begin, length, rows)
        finally:
            for reader in self._lanes.values():
                reader.close()

    def _samples(self, begin: int, length: int, rows: range) -> Iterator[Any]:
        order = self._order
        for lane, first, last in order.rows(begin, begin + length, rows.start, rows.stop):
            if lane not in self._lanes:
                self._lanes[lane] = LaneReader(order, lane, self._paths, self._indices)
            for shard, number, data in self._lanes[lane].take(first, last):
                path, offset = self._paths[shard], int(self._indices[shard].bounds[number])
                yield self._finish(unpack(data, path, offset))


def _is_empty(share: Share, length: int) -> bool:
    """Whether our positions have no row of a batch of ``length``."""
    return not any(shares(length, share.positions)[share.first : share.first + share.count])
