"""The outside of `isograd run`: start mpirun, watch the ranks, leave nothing behind.

The launcher keeps mpirun in a session of its own, so Ctrl-C reaches the launcher alone, which ends
the job in order: ask mpirun, then kill its group and the local ranks' groups, which takes
loader workers along.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO

from isograd.launch.command import Job, job_environment, mpirun_command
from isograd.launch.control import ADDRESS_VARIABLE, Rank, Switchboard
from isograd.launch.hosts import Host
from isograd.launch.mpi import find_mpi
from isograd.launch.noise import NoiseFilter
from isograd.launch.report import explain

__all__ = ["Options", "run_job"]

_POLL_SECONDS = 0.1
_REPORT_SECONDS = 1.0  # after a rank has raised: for the others to say the same
_LOST_SECONDS = 3.0  # after a rank was killed: for mpirun to end the others
_TERM_SECONDS = 3.0  # between asking mpirun to end and killing it
_DRAIN_SECONDS = 1.0


@dataclass(frozen=True)
class Options:
    """How to run a job.

    Args:
        logs: folder for the output of ranks other than 0.
        timeout: seconds the job may take; None for no limit.
        verbose: print the command and where the logs are.
    """

    logs: Path
    timeout: float | None = None
    verbose: bool = False


def run_job(job: Job, options: Options) -> int:
    """Run a job to its end.

    Returns:
        0 when every rank ended well; 124 after a timeout; 128 + n after signal n; otherwise
        the code of the rank that failed.
    """
    local = all(_is_here(host) for host in job.hosts) and "SLURM_JOB_NODELIST" not in os.environ
    mpi = find_mpi(os.environ)
    env = job_environment(job, os.environ, local)
    board = Switchboard(local)
    env[ADDRESS_VARIABLE] = board.address
    env["ISOGRAD_LOG_DIR"] = str(options.logs)
    env.setdefault("MASTER_ADDR", board.host)
    options.logs.mkdir(parents=True, exist_ok=True)
    command = mpirun_command(mpi, job, env, options.logs)
    if options.verbose:
        print(f"isograd: {' '.join(command)}\nisograd: logs in {options.logs}", file=sys.stderr)
    try:
        with _Signals() as signals:
            code = _Supervisor(command, env, board, options, signals, job.size).run()
    finally:
        board.close()
    _remove_empty_logs(options.logs)
    return code


class _Signals:
    """Remember the first signal that asks us to stop."""

    def __init__(self) -> None:
        self.got = 0
        self._previous: dict[int, object] = {}

    def __enter__(self) -> "_Signals":
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            self._previous[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _note(self, number: int, _: FrameType | None) -> None:
        self.got = self.got or number


class _Supervisor:
    def __init__(
        self,
        command: Sequence[str],
        env: dict[str, str],
        board: Switchboard,
        options: Options,
        signals: _Signals,
        size: int,
    ) -> None:
        self._command = command
        self._env = env
        self._board = board
        self._options = options
        self._signals = signals
        self._size = size
        self._noise = NoiseFilter()
        self._timed_out = False
        self._here = socket.gethostname()
        self._killed: set[int] = set()

    def run(self) -> int:
        with subprocess.Popen(
            self._command, env=self._env, stderr=subprocess.PIPE, start_new_session=True
        ) as mpirun:
            with self._reading(mpirun.stderr):
                try:
                    self._wait(mpirun)
                finally:
                    self._kill_what_is_left(mpirun)
                    self._drain()
            code = mpirun.wait()
        return self._tell(code)

    def _wait(self, mpirun: subprocess.Popen[bytes]) -> None:
        """Until mpirun has ended, by itself or because there is a reason to end it."""
        end = time.monotonic() + (self._options.timeout or float("inf"))
        asked = False
        kill_at = float("inf")
        troubled: float | None = None  # when the first rank failed or was lost
        while mpirun.poll() is None:
            self._board.poll(_POLL_SECONDS)
            self._kill_groups([r for r in self._board.ended if r.state == "lost"])
            now = time.monotonic()
            self._timed_out = self._timed_out or now > end
            trouble = [r for r in self._board.ended if r.state != "done"]
            if trouble and troubled is None:
                patience = _REPORT_SECONDS if trouble[0].state == "failed" else _LOST_SECONDS
                troubled = now + patience
            all_told = all(rank.state != "lost" for rank in self._board.ended)
            all_told = all_told and len(self._board.ended) == self._size
            over = troubled is not None and (now > troubled or all_told)
            if not asked and (self._signals.got or self._timed_out or over):
                asked = True
                kill_at = now + _TERM_SECONDS
                mpirun.send_signal(signal.SIGTERM)
            elif now > kill_at:
                return

    def _kill_what_is_left(self, mpirun: subprocess.Popen[bytes]) -> None:
        if mpirun.poll() is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(mpirun.pid, signal.SIGKILL)
        self._kill_groups([r for r in self._board.ranks.values() if r.state != "done"])

    def _kill_groups(self, ranks: Sequence[Rank]) -> None:
        """Kill local ranks with their loader workers, whose open pipes would hold up mpirun."""
        for rank in ranks:
            if rank.rank in self._killed or rank.host != self._here:
                continue
            self._killed.add(rank.rank)
            for kill in (os.killpg, os.kill):  # a rank leads its group under Open MPI
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    kill(rank.pid, signal.SIGKILL)

    @contextlib.contextmanager
    def _reading(self, stderr: IO[bytes] | None) -> Iterator[None]:
        """Copy mpirun's stderr to ours, without its notices about the end."""
        if stderr is None:
            yield
            return
        fd = stderr.fileno()
        self._stderr_open = True

        def ready() -> None:
            data = os.read(fd, 1 << 16)
            if not data:
                self._board.unwatch(fd)
                self._stderr_open = False
            self._show(data if self._options.verbose else self._noise.feed(data))
            if self._options.verbose:
                self._noise.feed(data)

        self._board.watch(fd, ready)
        try:
            yield
        finally:
            if self._stderr_open:
                self._board.unwatch(fd)
            rest = self._noise.finish()
            if not self._options.verbose:
                self._show(rest)

    def _drain(self) -> None:
        """Hear what is still on its way."""
        end = time.monotonic() + _DRAIN_SECONDS
        while time.monotonic() < end:
            running = any(rank.state == "running" for rank in self._board.ranks.values())
            if not self._board.poll(0.05) and not (self._stderr_open or running):
                return

    def _tell(self, code: int) -> int:
        """Print why the job ended, as the last thing, and choose the exit code."""
        where = f"isograd: output of ranks other than 0: {self._options.logs}\n"
        if self._signals.got:
            name = signal.Signals(self._signals.got).name
            self._show(f"isograd: ended all ranks on {name}\n".encode())
            return 128 + self._signals.got
        trouble = any(rank.state == "failed" for rank in self._board.ended)
        if self._timed_out and not trouble:
            text = f"isograd: ended all ranks after --timeout {self._options.timeout:g} s\n"
            self._show((where + text).encode())
            return 124
        noise = self._noise.held.decode(errors="replace")
        text, status = explain(self._board.ended, self._size, self._board.ranks, code, noise)
        if text:
            self._show((where + text).encode(errors="backslashreplace"))
        return status

    @staticmethod
    def _show(data: bytes) -> None:
        if data:
            sys.stderr.flush()
            sys.stderr.buffer.write(data)
            sys.stderr.buffer.flush()


def _is_here(host: Host) -> bool:
    return host.name in ("localhost", "127.0.0.1", socket.gethostname())


def _remove_empty_logs(folder: Path) -> None:
    """Leave no trace of ranks that printed nothing."""
    with contextlib.suppress(OSError):
        for path in folder.glob("rank_*.log"):
            if path.stat().st_size == 0:
                path.unlink()
        (folder / "hosts").unlink(missing_ok=True)
        folder.rmdir()  # only when it is empty
