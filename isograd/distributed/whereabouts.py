"""Where does a rank stand? The question a waiting rank asks about one that does not come.

Every communicator writes on a board how many collectives of each group it has entered; a rank
whose count is behind has not arrived. The answer also carries the Python stack of the rank's main
thread, so the message can name the line that holds everybody up.
"""

import linecache
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from types import FrameType
from typing import Protocol

__all__ = ["Standing", "Whereabouts", "describe_stack"]

_FRAMES = 8
_THREADING = threading.__file__


@dataclass
class Standing:
    """What one rank answered.

    Args:
        answered: False when no answer came: the rank is gone or holds the interpreter lock.
        entered: collectives entered, per group name.
        stack: lines "file:line in function: source", innermost first.
        farewell: how the rank said goodbye, None while it lives.
    """

    answered: bool = False
    entered: dict[str, int] = field(default_factory=dict)
    stack: list[str] = field(default_factory=list)
    farewell: str | None = None

    def text(self) -> str:
        """One line for a message, further frames below it."""
        if self.farewell is not None:
            return self.farewell
        if not self.answered:
            return "no answer (exited, or inside a long call of compiled code)"
        return "stands at " + "\n      called from ".join(self.stack or ["an unknown place"])


class Whereabouts(Protocol):
    """The service that finds ranks; ranks are global."""

    def entered(self, group: str, count: int) -> None:
        """Note on this rank's board that it entered collective number `count` of `group`."""

    def gone(self, ranks: Iterable[int]) -> bool:
        """True when one of `ranks` is known to have exited; cheap enough to poll."""

    def ask(self, ranks: Iterable[int], timeout: float) -> dict[int, Standing]:
        """Ask `ranks` where they stand, waiting `timeout` seconds for answers."""


def describe_stack(frame: FrameType | None, package: str | None = None) -> list[str]:
    """Describe a stack, innermost frame first.

    Args:
        frame: where the thread stands.
        package: a directory whose frames are left out, so that the first line is the user's;
            kept when nothing else would remain.

    Returns:
        At most eight lines "file:line in function: source".
    """
    lines, outside = [], []
    while frame is not None:
        name, number = frame.f_code.co_filename, frame.f_lineno
        source = linecache.getline(name, number).strip()
        line = f"{name}:{number} in {frame.f_code.co_name}" + (f": {source}" if source else "")
        lines.append(line)
        if package is None or not name.startswith((package, _THREADING)):
            outside.append(line)
        frame = frame.f_back
    return (outside or lines)[:_FRAMES]
