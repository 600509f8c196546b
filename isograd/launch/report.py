"""Why a job ended, in words: which rank, where, and what it raised or what killed it."""

import re
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from isograd.launch.control import Rank

__all__ = ["explain", "format_report", "number_ranges"]

_LOG_LINES = 30
_LOST_HOST = re.compile(r"Remote daemon\s*:.* on node (\S+)")
_SIGNALLED = re.compile(r"process rank (\d+) .*?exited on\s+signal (\d+)", re.DOTALL)


def explain(
    ended: Sequence[Rank], size: int, connected: Mapping[int, Rank], code: int, noise: str
) -> tuple[str, int]:
    """Find the rank that ended the job and say so.

    Args:
        ended: ranks in the order they ended.
        size: number of ranks started.
        connected: the ranks that said hello.
        code: mpirun's exit code, negative for a signal.
        noise: mpirun's own words about the end.

    Returns:
        The text to print last, empty when all ranks ended well, and the exit code.
    """
    bad = [rank for rank in ended if rank.state != "done" or rank.report.get("bye")]
    gone = _LOST_HOST.search(noise)
    if gone and all(rank.state == "lost" for rank in bad):
        return _describe_lost_host(gone[1], connected), 128 - code if code < 0 else code or 1
    if bad:
        return _blame(bad, code, noise)
    silent = sorted(set(range(size)) - {rank.rank for rank in ended})
    if not silent and code == 0:
        return "", 0
    status = 128 - code if code < 0 else code or 1
    if not connected:
        return (
            f"{noise}isograd: mpirun ended with exit code {code} before any rank started\n",
            status,
        )
    if silent:
        which = f"rank{'s' * (len(silent) > 1)} {number_ranges(silent)} of {size}"
        return f"{noise}isograd: {which} vanished without a word\n", status
    return f"{noise}isograd: mpirun ended with exit code {code} after all ranks had ended\n", status


def format_report(rank: int, host: str, report: Mapping[str, Any]) -> str:
    """The lines for one rank that raised or called `sys.exit`."""
    who = f"isograd: rank {rank} (host {host})"
    text = str(report.get("text", ""))
    if report["kind"] == "raise":
        return f"{who} raised {report['name']}:\n{text}"
    return f"{who} called sys.exit({text or report['code']!r})\n"


def number_ranges(numbers: Sequence[int]) -> str:
    """`[0, 1, 2, 5]` -> `0-2, 5`."""
    parts: list[list[int]] = []
    for number in sorted(numbers):
        if parts and number == parts[-1][-1] + 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ", ".join(f"{p[0]}-{p[-1]}" if len(p) > 1 else str(p[0]) for p in parts)


def _blame(bad: Sequence[Rank], code: int, noise: str) -> tuple[str, int]:
    cause = bad[0]
    killed = _SIGNALLED.search(noise)
    if cause.state == "lost" and killed:  # mpirun is the parent of the ranks: it knows
        cause = next((rank for rank in bad if rank.rank == int(killed[1])), cause)
    if cause.state == "lost":
        return _describe_lost(cause, int(killed[2]) if killed else _signal_of(code), code)
    if cause.state == "done":
        return f"{_who(cause)} called os._exit({cause.report['bye']})\n", cause.report["bye"]
    others = [rank for rank in bad if rank.state == "failed" and rank is not cause]
    same = [rank for rank in others if _last_line(rank) == _last_line(cause)]
    lines = [f"{_who(rank)} too: {_last_line(rank)}\n" for rank in others if rank not in same]
    if same:
        group = sorted([cause, *same], key=lambda rank: rank.rank)
        cause = group[0]
        lines.append(f"isograd: the same on rank {number_ranges([r.rank for r in group[1:]])}\n")
    lines.append(format_report(cause.rank, cause.host, cause.report))
    return "".join(lines), int(cause.report["code"])


def _describe_lost(rank: Rank, number: int, code: int) -> tuple[str, int]:
    if number:
        ending = f"was killed by signal {number} ({_signal_name(number)})"
        status = 128 + number
    else:
        ending = f"was killed, or ended without Python's shutdown (mpirun's exit code: {code})"
        status = abs(code) or 1
    tail = ""
    if rank.log:
        try:
            lines = Path(rank.log).read_text(errors="replace").splitlines()[-_LOG_LINES:]
        except OSError:  # on another host
            lines = []
        if lines:
            tail = f"isograd: the end of {rank.log}:\n" + "\n".join(lines) + "\n"
    return f"{tail}{_who(rank)} {ending}\n", status


def _describe_lost_host(host: str, connected: Mapping[int, Rank]) -> str:
    """mpirun kills the other ranks when a host goes, so they are no cause."""
    there = sorted(rank.rank for rank in connected.values() if rank.host == host)
    ranks = f" with rank{'s' * (len(there) > 1)} {number_ranges(there)}" if there else ""
    return f"isograd: lost host {host}{ranks}: it is down, or cut off from the network\n"


def _who(rank: Rank) -> str:
    return f"isograd: rank {rank.rank} (pid {rank.pid}, host {rank.host})"


def _last_line(rank: Rank) -> str:
    text = str(rank.report.get("text", "")).strip()
    return text.splitlines()[-1] if text else f"sys.exit({rank.report.get('code')})"


def _signal_of(code: int) -> int:
    """mpirun ends with 128 + the signal that killed a rank."""
    return code - 128 if 128 < code < 160 else 0


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"
