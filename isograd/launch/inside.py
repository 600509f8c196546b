"""A rank's side of `isograd run`: run the user's script as python would, and end as one.

A script that raises, or exits with a code other than zero, on one rank would leave the others
waiting for ever, because MPI's finalization at exit waits for them. So the rank says why it
ends and takes all down with it: through the launcher, which prints the report last, or by
`MPI_Abort` when there is none. Exit handlers do not run on that rank. A script that ends early
with code zero is not a failure: it reaches finalization, and a collective the others then enter
is an error of the communication layer, which names this rank.
"""

import atexit
import contextlib
import faulthandler
import importlib.util
import os
import runpy
import socket
import sys
import threading
import time
import traceback
from collections.abc import MutableMapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

from isograd.distributed.world import World
from isograd.launch.alias import missing_name
from isograd.launch.control import ADDRESS_VARIABLE, Line
from isograd.launch.explicit import uses_mpi
from isograd.launch.machine import device_count
from isograd.launch.mpi import library_settings
from isograd.launch.options import Choices, check_shards
from isograd.launch.output import flush, redirect
from isograd.launch.report import format_report

__all__ = ["Target", "run_inside"]

_GRACE_SECONDS = 0.5  # for rank 0 to print what it has to say about the same mistake
_KILL_SECONDS = 10.0  # for the launcher to end the job
_LAUNCHER = os.path.dirname(os.path.abspath(__file__)) + os.sep
_exit_now = os._exit


@dataclass(frozen=True)
class Target:
    """What to run: a script, or a module as with `python -m`."""

    name: str
    args: tuple[str, ...] = ()
    module: bool = False


def run_inside(target: Target, world: World, logs: Path, choices: Choices) -> int:
    """Run the target in this process, as rank `world.rank`.

    Args:
        target: the user's program.
        world: this process's place.
        logs: folder for the output of ranks other than 0.
        choices: how the script is run.

    Returns:
        The exit code; with more than one rank only 0, since any other ends all ranks.
    """
    address = os.environ.pop(ADDRESS_VARIABLE, None)
    set_rank_variables(os.environ, world)
    if world.size == 1:
        return _run_alone(target, world, choices)
    terminal, log = redirect(world.rank, logs)
    faulthandler.enable()
    line = Line(address, world.rank, str(log or "")) if address else None
    if line is not None:
        _say_bye_at_exit(line)
    try:
        run_agreed(target, world, choices)
    except SystemExit as error:
        code = _exit_code(error)
        if code != 0:
            text = error.code if isinstance(error.code, str) else ""
            _end_all(world, line, terminal, {"kind": "exit", "code": code, "text": text})
    except BaseException as error:
        _end_all(world, line, terminal, _described(error))
    return 0


def run_agreed(target: Target, world: World, choices: Choices) -> None:
    """Run the target under the global view, where there is one.

    Raises:
        ValueError: when the shards are too few, or the script communicates by itself.
    """
    check_shards(choices.shards, world.size)
    if world.size == 1 and choices.shards is None and not choices.digest:
        run_target(target)
        return
    explicit = not target.module and uses_mpi(Path(target.name))
    if explicit and choices.shards is not None:
        raise ValueError(
            "isograd run: --shards is for scripts that leave communication to isograd, "
            f"but {target.name} imports mpi4py; leave --shards out"
        )
    if world.source == "torchrun" and world.size > 1 and not explicit:
        _say_no_view(world, target)
        explicit = True
    from isograd.launch.script.session import Session

    with Session(world, choices, explicit) as session:
        try:
            run_target(target)
        except SystemExit as error:
            if _exit_code(error) == 0:
                session.finish()
            raise
        session.finish()


def _say_no_view(world: World, target: Target) -> None:
    if world.rank == 0:
        print(
            f"isograd: torchrun starts no MPI, so {world.size} ranks run {target.name} each "
            "for itself; start it with `isograd run -n N` or mpirun for one run on all of them",
            file=sys.stderr,
        )


def run_target(target: Target) -> None:
    """Run a script or module as `__main__`; `sys.argv` and `sys.path[0]` are as in python."""
    sys.argv = [target.name, *target.args]
    if not sys.flags.safe_path:
        script_folder = os.path.dirname(os.path.realpath(target.name))
        sys.path[0] = os.getcwd() if target.module else script_folder
    if target.module:
        runpy.run_module(target.name, run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(target.name, run_name="__main__")


def set_rank_variables(environ: MutableMapping[str, str], world: World) -> None:
    """Set torchrun's variables, the MPI library's, and this rank's device."""
    environ["RANK"] = str(world.rank)
    environ["WORLD_SIZE"] = str(world.size)
    environ["LOCAL_RANK"] = str(world.local_rank)
    environ["LOCAL_WORLD_SIZE"] = str(world.local_size)
    if world.local_size == world.size:
        environ.setdefault("MASTER_ADDR", "127.0.0.1")
    environ.setdefault("MASTER_PORT", "29500")
    environ.update(library_settings(environ, world.source))
    devices = device_count(environ)
    if devices:
        device = world.local_rank % devices
        environ["ISOGRAD_LOCAL_DEVICE"] = str(device)
        if device != 0 and importlib.util.find_spec("cupy"):
            import cupy

            cupy.cuda.Device(device).use()


def _run_alone(target: Target, world: World, choices: Choices) -> int:
    try:
        run_agreed(target, world, choices)
    except SystemExit as error:
        if isinstance(error.code, str):
            print(error.code, file=sys.stderr)
        return _exit_code(error)
    except BaseException as error:
        error.__traceback__ = _user_frames(error.__traceback__)
        sys.excepthook(type(error), error, error.__traceback__)
        sys.stderr.write(missing_name(error))
        return 130 if isinstance(error, KeyboardInterrupt) else 1
    return 0


def _say_bye_at_exit(line: Line) -> None:
    """Say bye as the very last thing, after MPI's finalization, or before `os._exit`."""
    atexit.register(line.bye)  # first registered, last called
    rank_pid = os.getpid()

    def exit_with_bye(status: int) -> NoReturn:
        if os.getpid() == rank_pid:
            if status == 0 and threading.current_thread() is threading.main_thread():
                _leave_world()
            line.bye(status)
        _exit_now(status)

    os._exit = exit_with_bye


def _leave_world() -> None:
    """Finalize MPI, whose launcher takes an end without that for a failure."""
    world = sys.modules.get("isograd.distributed.mpi_world")
    if world is not None:
        world.leave_world("has called os._exit(0)")


def _exit_code(error: SystemExit) -> int:
    if error.code is None:
        return 0
    return error.code & 0xFF if isinstance(error.code, int) else 1


def _described(error: BaseException) -> dict[str, Any]:
    lines = traceback.format_exception(type(error), error, _user_frames(error.__traceback__))
    text = "".join(lines) + missing_name(error)
    return {"kind": "raise", "code": 1, "name": type(error).__name__, "text": text}


def _user_frames(trace: TracebackType | None) -> TracebackType | None:
    """The traceback without the launcher's frames."""
    own = (runpy.__file__, "<frozen runpy>")
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if name not in own and not name.startswith(_LAUNCHER):
            trace.tb_next = _user_frames(trace.tb_next)
            return trace
        trace = trace.tb_next
    return None


def _end_all(world: World, line: Line | None, terminal: int, report: dict[str, Any]) -> NoReturn:
    """Say why, then end every rank."""
    with contextlib.suppress(OSError, ValueError):
        flush()
    if line is not None and line.failed(report):
        time.sleep(_KILL_SECONDS)
    else:
        text = format_report(world.rank, socket.gethostname(), report)
        os.write(terminal, text.encode(errors="backslashreplace"))
        time.sleep(_GRACE_SECONDS if world.rank else _GRACE_SECONDS / 5)
    mpi = sys.modules.get("mpi4py.MPI")
    if mpi is not None and mpi.Is_initialized() and not mpi.Is_finalized():
        mpi.COMM_WORLD.Abort(report["code"])
    _exit_now(report["code"])
