"""Which machines, and how many ranks each may hold: `-H a:2,b:2` and hostfiles.

A hostfile has one host per line, as Open MPI writes it (`node1 slots=2`) or as MPICH does
(`node1:2`); `#` starts a comment. A host without a count holds one rank.
"""

import re
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Host", "parse_hostfile", "parse_hosts"]


@dataclass(frozen=True)
class Host:
    """A machine and the number of ranks it may hold."""

    name: str
    slots: int = 1


def parse_hosts(text: str) -> list[Host]:
    """Parse the value of `-H`.

    Args:
        text: comma-separated `host` or `host:slots`.

    Returns:
        One entry per host, in the order given; a host named twice has the sum of its slots.

    Raises:
        ValueError: for an empty list, an empty name or a count below one.

    Example:
        >>> parse_hosts("node1:2,node2")
        [Host(name='node1', slots=2), Host(name='node2', slots=1)]
    """
    hosts = [_host(part.strip(), where="-H") for part in text.split(",") if part.strip()]
    if not hosts:
        raise ValueError(f"-H: expected host[:slots],..., got {text!r}")
    return _merged(hosts)


def parse_hostfile(path: Path) -> list[Host]:
    """Read a hostfile.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: naming the file and line that is not understood.
    """
    hosts: list[Host] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        entry = line.split("#", 1)[0].strip()
        if entry:
            hosts.append(_host(entry, where=f"{path}:{number}"))
    if not hosts:
        raise ValueError(f"{path}: expected at least one host, one per line (node1 slots=2)")
    return _merged(hosts)


_ENTRY = re.compile(r"(?P<name>[^\s:,=]+)(?:\s*:\s*(?P<a>\d+)|\s+slots\s*=\s*(?P<b>\d+))?")
_IGNORED = re.compile(r"\s+max[-_]slots\s*=\s*\d+")


def _host(entry: str, where: str) -> Host:
    match = _ENTRY.fullmatch(_IGNORED.sub("", entry))
    if match is None:
        raise ValueError(f"{where}: expected host, host:slots or host slots=N, got {entry!r}")
    slots = int(match["a"] or match["b"] or 1)
    if slots < 1:
        raise ValueError(f"{where}: expected at least one slot for {match['name']}, got {slots}")
    return Host(match["name"], slots)


def _merged(hosts: list[Host]) -> list[Host]:
    slots: dict[str, int] = {}
    for host in hosts:
        slots[host.name] = slots.get(host.name, 0) + host.slots
    return [Host(name, count) for name, count in slots.items()]
