"""Names of files under the global view: rank 0's counts, scratch is private, open means unsettled.

A name may differ by rank: a run folder called after the time, the process or a random id. From the
first write on such a name means rank 0's. What `tempfile` made is private: every rank has its own
and does with it as it likes.
"""

import os
import sys
from collections.abc import Sequence
from typing import Any, TypeGuard

from isograd.launch.script.callers import place_of_call

__all__ = ["Names", "is_path"]

_NO_FILES = ("/dev/", "/proc/", "/sys/")


def is_path(value: Any) -> TypeGuard["str | bytes | os.PathLike[Any]"]:
    """Whether a value names a file (and is no descriptor or file object)."""
    return isinstance(value, (str, bytes, os.PathLike))


class Names:
    """What this rank knows of the names its script uses.

    Attributes:
        unsettled: files opened for writing and not closed by all ranks together since.
    """

    def __init__(self) -> None:
        self.unsettled: set[str] = set()
        self._meant: dict[str, str] = {}  # this rank's name: rank 0's
        self._private: set[str] = set()
        self._told: set[str] = set()

    @property
    def differ(self) -> bool:
        """Whether this rank has names of its own."""
        return bool(self._meant)

    def full(self, path: Any) -> str:
        """The absolute name that all ranks mean by `path`."""
        whole = os.path.abspath(os.fsdecode(path))
        if not self._meant:
            return whole
        prefix = whole
        while prefix not in self._meant:
            shorter = os.path.dirname(prefix)
            if shorter == prefix:
                return whole
            prefix = shorter
        return self._meant[prefix] + whole[len(prefix) :]

    def here(self, path: Any) -> Any:
        """What to open for `path` on this rank: itself, unless it means another name."""
        if not self._meant or not is_path(path):
            return path
        meant = self.full(path)
        return path if meant == os.path.abspath(os.fsdecode(path)) else meant

    def is_private(self, path: Any) -> bool:
        """Whether every rank uses this name for itself: scratch, devices."""
        whole = os.path.abspath(os.fsdecode(path))
        if whole.startswith(_NO_FILES):
            return True
        return any(whole == p or whole.startswith(p + os.sep) for p in self._private)

    def keep_private(self, path: Any) -> None:
        """Remember scratch of this rank."""
        self._private.add(os.path.abspath(os.fsdecode(path)))

    def learn(self, path: Any, of_all: Sequence[str], rank: int) -> str:
        """Take rank 0's name for `path`, and say so once per line of the script.

        Args:
            of_all: what each rank means by the name, absolute.
        """
        meant = of_all[0]
        if of_all[rank] != meant:
            self._meant[of_all[rank]] = meant
        other = next((r for r, name in enumerate(of_all) if name != meant), None)
        place = place_of_call()
        if other is not None and rank == 0 and place not in self._told:
            self._told.add(place)
            print(
                f"isograd: {place}: rank 0 writes {meant}, rank {other} says {of_all[other]}; "
                "rank 0's name counts on all ranks",
                file=sys.stderr,
            )
        return meant
