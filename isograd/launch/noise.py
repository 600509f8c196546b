"""Hold back what mpirun says when a job ends, since the launcher says it better.

Open MPI frames its notices in lines of 74 dashes. Those about the end of a rank are kept for the
launcher (they name the signal that killed it); everything else passes at once.
"""

import re

__all__ = ["NoiseFilter"]

_RULE = b"-" * 74
_NOTICES = (
    b"prterun noticed that process rank",
    b"prterun has exited due to process rank",
    b"prterun detected that one or more processes",
    b"MPI_ABORT was invoked on rank",
    b"PRTE has lost communication with a remote daemon",
)
_LINES = re.compile(rb"[^\n]*\n|[^\n]+")  # not splitlines: a progress bar's \r ends no line


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
        pieces = _LINES.findall(self._line + data)
        self._line = b""
        for line in pieces:
            out += self._take(line)
        return out

    def finish(self) -> bytes:
        """Give back what was held in the hope of a notice that never was."""
        rest, self._block, self._line = self._block + self._line, b"", b""
        return rest

    def _take(self, line: bytes) -> bytes:
        text = line.strip(b" \r\n\0")  # mpirun begins some notices with a zero byte
        if not self._block:
            if not (text and _RULE.startswith(text)):
                return line
            return self._hold(line) if text == _RULE or not line.endswith(b"\n") else line
        if self._block.count(b"\n") == 1 and not _may_be_notice(text):
            block, self._block = self._block, b""
            return block + self._take(line)
        self._hold(line)
        if text == _RULE and not self._line:
            self.held, self._block = self.held + self._block, b""
        return b""

    def _hold(self, line: bytes) -> bytes:
        if line.endswith(b"\n"):
            self._block += line
        else:
            self._line = line
        return b""


def _may_be_notice(text: bytes) -> bool:
    """Whether a line, perhaps unfinished, can be the first line of a notice."""
    return any(text.startswith(notice) or notice.startswith(text) for notice in _NOTICES)
