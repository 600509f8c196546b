"""Hold back what mpirun says when a job ends, since the launcher says it better.

Open MPI frames its notices in lines of 74 dashes. Those about the end of a rank are kept for the
launcher (they name the signal that killed it); everything else passes at once.
"""

import re

__all__ = ["NoiseFilter"]

_RULE = b"-" * 74
_NOTICE = re.compile(
    rb"prterun noticed that process rank|prterun has exited due to process rank"
    rb"|prterun detected that one or more processes|MPI_ABORT was invoked on rank"
    rb"|This help section is empty because PRRTE"
)


class NoiseFilter:
    """Feed it mpirun's stderr piece by piece; it returns what to print now."""

    def __init__(self) -> None:
        self.held = b""  # complete notices about the end of ranks
        self._line = b""  # an unfinished line that may belong to a notice
        self._block = b""  # a notice whose closing rule has not come yet

    def feed(self, data: bytes) -> bytes:
        """Take a piece of stderr.

        Returns:
            The bytes that are not part of a notice.
        """
        out = b""
        for line in (self._line + data).splitlines(keepends=True):
            out += self._take(line)
        return out

    def finish(self) -> bytes:
        """Give back what was held in the hope of a notice that never was."""
        rest, self._block, self._line = self._block + self._line, b"", b""
        return rest

    def _take(self, line: bytes) -> bytes:
        self._line = b""
        whole = line.endswith(b"\n")
        text = line.strip()
        if not self._block:
            if text == _RULE and whole:
                self._block = line
            elif not whole and text and _RULE.startswith(text):
                self._line = line
            else:
                return line
            return b""
        if not whole:
            self._line = line
            return b""
        self._block += line
        lines = self._block.splitlines()
        if len(lines) == 2 and not _NOTICE.match(lines[1].strip()):
            return self._release(text == _RULE)
        if text == _RULE:
            self.held, self._block = self.held + self._block, b""
        return b""

    def _release(self, starts_again: bool) -> bytes:
        """The block is no notice; its last line may open one."""
        block, self._block = self._block, b""
        if starts_again:
            first, _, rest = block.partition(b"\n")
            self._block = rest
            return first + b"\n"
        return block
