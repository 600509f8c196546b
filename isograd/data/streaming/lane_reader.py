"""Reading one lane of an epoch: raw samples in the lane's order, from files read forwards.

An uncompressed shard gives each sample by one seek when its turn comes; while it waits in the
shuffle buffer only its number is held, and the system is asked to read ahead. A compressed shard
can only be read from front to back, so there the buffer holds the samples' bytes.
"""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from collections import OrderedDict
from collections.abc import Iterator, Sequence

from isograd.data.streaming.errors import ShardError
from isograd.data.streaming.order import EpochOrder
from isograd.data.streaming.tar_index import DAMAGE, ShardFile, TarIndex, open_shard, split_name

__all__ = ["LaneReader", "unpack"]

_OPEN = 4  # shards open at a time in one lane


class LaneReader:
    """Goes through one lane of ``order``."""

    def __init__(
        self, order: EpochOrder, lane: int, paths: Sequence[str], indices: Sequence[TarIndex]
    ) -> None:
        self._order = order
        self._lane = order.lane(lane)
        self._paths = paths
        self._indices = indices
        self._files: OrderedDict[int, ShardFile] = OrderedDict()
        self._bytes: dict[int, bytes] = {}  # of samples in the buffer, of compressed shards
        self._entered = self._lane.entered

    def take(self, begin: int, end: int) -> Iterator[tuple[int, int, bytes]]:
        """(shard, sample of the shard, its bytes) of the lane's samples begin to end - 1.

        What lies between the last call's ``end`` and ``begin`` is passed over without reading
        it, where the file allows that.
        """
        if self._lane.left < begin:
            while self._lane.left < begin:
                self._bytes.pop(self._lane.step(), None)
            self._enter(sorted(n for n in self._lane.held if n >= self._entered))
        while self._lane.left < end:
            number = self._lane.step()
            self._enter(range(self._entered, self._lane.entered))
            shard, sample = self._order.locate(number)
            data = self._bytes.pop(number, None)
            yield shard, sample, self._read(shard, sample) if data is None else data

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            file.close()
        self._files.clear()

    def _enter(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            shard, sample = self._order.locate(number)
            file = self._open(shard)
            if isinstance(file, gzip.GzipFile):
                self._bytes[number] = self._read(shard, sample)
            elif len(self._lane.held) > 1 and hasattr(os, "posix_fadvise"):
                begin, end = (int(b) for b in self._indices[shard].bounds[sample : sample + 2])
                os.posix_fadvise(file.fileno(), begin, end - begin, os.POSIX_FADV_WILLNEED)
        self._entered = self._lane.entered

    def _open(self, shard: int) -> ShardFile:
        file = self._files.get(shard)
        if file is None:
            while len(self._files) >= _OPEN:
                self._files.popitem(last=False)[1].close()
            try:
                file = open_shard(self._paths[shard])
            except OSError as error:
                raise ShardError(self._paths[shard], str(error)) from error
            self._files[shard] = file
        self._files.move_to_end(shard)
        return file

    def _read(self, shard: int, sample: int) -> bytes:
        begin, end = (int(b) for b in self._indices[shard].bounds[sample : sample + 2])
        file = self._open(shard)
        data = b""
        try:
            file.seek(begin)
            while len(data) < end - begin and (more := file.read(end - begin - len(data))):
                data += more
        except DAMAGE as error:
            raise ShardError(self._paths[shard], str(error), f"number {sample}", begin) from error
        if len(data) < end - begin:
            raise ShardError(
                self._paths[shard], "the file ended; it changed since it was counted",
                f"number {sample}", begin + len(data),
            )  # fmt: skip
        return data


def unpack(data: bytes, path: str, offset: int) -> dict[str, object]:
    """The members of one sample by extension, with ``__key__`` and ``__url__``.

    Args:
        path, offset: where ``data`` comes from, for errors.
    """
    sample: dict[str, object] = {"__url__": path}
    try:
        archive = tarfile.TarFile(fileobj=io.BytesIO(data))
        while (member := archive.next()) is not None:
            parts = split_name(member.name) if member.isfile() else None
            if parts is None:
                continue
            sample.setdefault("__key__", parts[0])
            body = archive.extractfile(member) if member.issparse() else None
            begin = member.offset_data
            content = body.read() if body is not None else data[begin : begin + member.size]
            sample[parts[1]] = content
    except DAMAGE as error:
        key = str(sample.get("__key__"))
        raise ShardError(path, str(error), key, offset) from error
    return sample
