"""From before a script's first line to after its last: the global view and what goes with it."""

import builtins
import io
import os
import sys
from pathlib import Path
from types import TracebackType

from isograd.data.view import current_view
from isograd.distributed.global_view import start
from isograd.distributed.world import World
from isograd.launch.options import Choices
from isograd.launch.script.callers import active_view, enable
from isograd.launch.script.digest import Digest
from isograd.launch.script.entropy import install_entropy, seed_alike
from isograd.launch.script.exchange import agree
from isograd.launch.script.opening import shared_open
from isograd.launch.script.operations import install_operations
from isograd.launch.script.patches import Patches
from isograd.launch.script.paths import Names
from isograd.launch.script.writers import install_writers
from isograd.tensor.devices import register_local_device

__all__ = ["Session"]


class Session:
    """A script's run on this rank, as a context manager around it.

    Args:
        world: this rank's place.
        choices: what the user asked for.
        explicit: the script talks to the other ranks by itself: no global view.
    """

    def __init__(self, world: World, choices: Choices, explicit: bool) -> None:
        self._world, self._choices, self._explicit = world, choices, explicit
        self._patches = Patches()
        self._digest = Digest() if choices.digest else None

    def __enter__(self) -> "Session":
        viewed = self._world.size > 1 or self._choices.shards is not None
        if viewed and not self._explicit:
            start(self._choices.shards)
            self._install()
        if self._digest is not None:
            self._digest.install(self._patches)
        return self

    def finish(self) -> None:
        """The script came to its end, and so it must on all ranks: print the digest."""
        view = active_view()
        if view is not None and view.size > 1:
            _end_together(sys.argv[0])
        if self._digest is None:
            return
        line = self._digest.line()
        if self._world.rank == 0:
            print(line, file=sys.stderr)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        enable(False)
        self._patches.undo()

    def _install(self) -> None:
        view = current_view()
        if view is None or view.size == 1:
            return
        enable(True)
        seed_alike()
        names = Names()
        for module in (io, builtins):
            self._patches.replace(module, "open", shared_open(names))
        install_operations(self._patches, names)
        install_writers(self._patches, names)
        install_entropy(self._patches)
        register_local_device(_local_device)


def _end_together(script: str) -> None:
    """Wait for all ranks, from a frame that stands at the script's end.

    A rank that does something else meanwhile is told so, and both lines are named.
    """
    try:
        last = Path(script).read_bytes().rstrip().count(b"\n")
    except OSError:  # a module
        last = 0
    code = compile("\n" * last + "end()", script, "exec")
    exec(code, {"end": lambda: agree("the end of the script"), "__name__": "__main__"})


def _local_device() -> int | None:
    """The device that ``cuda:0`` means on this rank, while there is a global view."""
    text = os.environ.get("ISOGRAD_LOCAL_DEVICE", "")
    return int(text) if text.isdigit() and current_view() is not None else None
