"""What is wrong with a shard, and where."""

from __future__ import annotations

import os

__all__ = ["ShardError"]


class ShardError(RuntimeError):
    """A shard file that cannot be read.

    Attributes:
        shard: its path.
        sample: name of the sample being read, None before the first.
        offset: in bytes (of the uncompressed archive), None where there is none.
    """

    def __init__(
        self,
        shard: str | os.PathLike[str],
        reason: str,
        sample: str | None = None,
        offset: int | None = None,
    ) -> None:
        self.shard = os.fspath(shard)
        self.reason = reason
        self.sample = sample
        self.offset = offset
        where = "" if sample is None else f", sample {sample!r}"
        where += "" if offset is None else f", byte {offset}"
        super().__init__(f"shard {self.shard}{where}: {reason}")

    def __reduce__(self) -> tuple[type[ShardError], tuple[object, ...]]:
        return ShardError, (self.shard, self.reason, self.sample, self.offset)
