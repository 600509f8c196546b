"""The line between the launcher and its ranks: who started, who ended, who raised.

Each rank keeps one TCP connection to the launcher open. It says hello, then `bye` after MPI has
been finalized, or `failed` with a traceback. A connection that closes without either belongs to a
rank that was killed, and the first one to close is the cause; mpirun kills the others after it.
So the launcher can name the rank that failed on any host, without a shared file system and
without trusting mpirun's exit code, which may be 0 when a host is lost.

Messages are JSON, one per line. A random token keeps strangers out.
"""

import contextlib
import json
import os
import secrets
import selectors
import socket
import struct
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["ADDRESS_VARIABLE", "Line", "Rank", "Switchboard"]

ADDRESS_VARIABLE = "ISOGRAD_LAUNCHER"  # token@address:port,address:port
_CONNECT_SECONDS = 10.0
_HIGHEST_DESCRIPTOR = 4096  # a table of descriptors grows with the highest


@dataclass
class Rank:
    """What the launcher knows of a rank.

    `state` is "running", then "done" (it said bye), "failed" (it sent a report) or "lost"
    (its connection closed without a word).
    """

    rank: int
    pid: int
    host: str
    log: str
    state: str = "running"
    report: dict[str, Any] = field(default_factory=dict)


class Switchboard:
    """The launcher's end. Call `poll` often; `ended` lists ranks in the order they ended.

    Args:
        local: listen on the loopback interface only.
    """

    def __init__(self, local: bool) -> None:
        self.ranks: dict[int, Rank] = {}
        self.ended: list[Rank] = []
        self._token = secrets.token_hex(16)
        self._server = socket.create_server(("127.0.0.1" if local else "0.0.0.0", 0), backlog=1024)
        self._server.setblocking(False)
        self._addresses = ["127.0.0.1"] if local else list(_own_addresses())
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._server, selectors.EVENT_READ, self._accept)

    @property
    def address(self) -> str:
        """Token and addresses, for `ADDRESS_VARIABLE`."""
        port = self._server.getsockname()[1]
        return f"{self._token}@" + ",".join(f"{a}:{port}" for a in self._addresses)

    @property
    def host(self) -> str:
        """An address of the launcher that every rank can reach."""
        return self._addresses[0]

    def watch(self, fd: int, ready: Callable[[], None]) -> None:
        """Call `ready` from `poll` whenever `fd` can be read."""
        self._selector.register(fd, selectors.EVENT_READ, ready)

    def unwatch(self, fd: int) -> None:
        """Stop watching `fd`."""
        self._selector.unregister(fd)

    def poll(self, seconds: float) -> bool:
        """Handle what has arrived, waiting up to `seconds` for the first of it.

        Returns:
            Whether anything had arrived.
        """
        events = self._selector.select(seconds)  # epoll lists descriptors in order of arrival
        for key, _ in events:
            key.data()
        return bool(events)

    def close(self) -> None:
        """Close every connection."""
        for key in list(self._selector.get_map().values()):
            if isinstance(key.fileobj, socket.socket):
                key.fileobj.close()
        self._selector.close()

    def _accept(self) -> None:
        connection, _ = self._server.accept()
        connection.setblocking(False)
        caller = _Caller(self, connection)
        self._selector.register(connection, selectors.EVENT_READ, caller.read)

    def _hear(self, rank: Rank | None, message: Mapping[str, Any]) -> Rank | None:
        """Handle one message; returns the rank the connection belongs to from now on."""
        if rank is None:
            if not secrets.compare_digest(str(message.get("token")), self._token):
                return None
            rank = Rank(message["rank"], message["pid"], message["host"], message["log"])
            self.ranks[rank.rank] = rank
        elif "failed" in message:
            self._end(rank, "failed", message["failed"])
        elif "bye" in message:
            self._end(rank, "done", message)
        return rank

    def _end(self, rank: Rank, state: str, report: Mapping[str, Any]) -> None:
        if rank.state == "running":
            rank.state, rank.report = state, dict(report)
            self.ended.append(rank)


class _Caller:
    """One accepted connection: bytes to lines to messages."""

    def __init__(self, board: Switchboard, connection: socket.socket) -> None:
        self._board = board
        self._connection = connection
        self._rank: Rank | None = None
        self._pending = b""

    def read(self) -> None:
        try:
            data = self._connection.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        *lines, self._pending = (self._pending + data).split(b"\n")
        for line in lines:
            self._rank = self._board._hear(self._rank, _parsed(line))
            if self._rank is None:  # a stranger
                data = b""
                break
        if not data:
            self._board.unwatch(self._connection.fileno())
            self._connection.close()
            if self._rank is not None:
                self._board._end(self._rank, "lost", {})


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        message = json.loads(line)
    except ValueError:
        return {}
    return message if isinstance(message, dict) else {}


class Line:
    """A rank's end of the line.

    Args:
        address: the value of `ADDRESS_VARIABLE`.
        rank: global rank.
        log: path of this rank's log file, empty for rank 0.

    Raises:
        ConnectionError: when no address of the launcher answers.
    """

    def __init__(self, address: str, rank: int, log: str) -> None:
        token, _, places = address.partition("@")
        self._socket: socket.socket | None = _first_to_close(_connected(places.split(",")))
        hello = {"token": token, "rank": rank, "pid": os.getpid(), "host": socket.gethostname()}
        self._send(hello | {"log": log})
        os.register_at_fork(after_in_child=self._forget)

    def failed(self, report: Mapping[str, Any]) -> bool:
        """Tell the launcher why this rank ends; says whether it could be told."""
        return self._send({"failed": dict(report)})

    def bye(self, code: int = 0) -> None:
        """Tell the launcher that this rank has ended in good order."""
        self._send({"bye": code})

    def _send(self, message: Mapping[str, Any]) -> bool:
        if self._socket is None:
            return False
        try:
            self._socket.sendall(json.dumps(message).encode() + b"\n")
        except OSError:  # the launcher is gone
            return False
        return True

    def _forget(self) -> None:
        """In a forked child: close our copy, so that the parent's end shows at once."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _connected(places: list[str]) -> socket.socket:
    deadline = time.monotonic() + _CONNECT_SECONDS
    while True:
        errors = []
        for place in places:
            host, _, port = place.rpartition(":")
            try:
                connection = socket.create_connection((host, int(port)), timeout=2)
            except OSError as error:
                errors.append(f"{place}: {error}")
            else:
                connection.settimeout(10)
                return connection
        if time.monotonic() > deadline:
            raise ConnectionError(
                f"isograd run: rank on {socket.gethostname()} cannot reach the launcher "
                f"({'; '.join(errors)}); open its ports to this host, or start the job with "
                "mpirun -n N isograd run script.py"
            )
        time.sleep(0.2)


def _first_to_close(connection: socket.socket) -> socket.socket:
    """Move a connection to a high descriptor.

    Linux (since 4.4) closes the files of a killed process from the highest descriptor down. Its
    peers end too, as soon as they see their MPI connections closed; ours must close before.
    """
    try:
        import fcntl
        import resource
    except ImportError:
        return connection
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit == resource.RLIM_INFINITY or limit > _HIGHEST_DESCRIPTOR:
        limit = _HIGHEST_DESCRIPTOR
    descriptor = fcntl.fcntl(connection.fileno(), fcntl.F_DUPFD_CLOEXEC, max(0, limit - 64))
    moved = socket.socket(fileno=descriptor)
    moved.settimeout(connection.gettimeout())
    connection.close()
    return moved


def _own_addresses() -> Iterator[str]:
    """IPv4 addresses of this host's interfaces, loopback last (Linux); else its name."""
    try:
        import fcntl
    except ImportError:
        yield socket.gethostname()
        return
    ask = 0x8915  # SIOCGIFADDR, netdevice(7)
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            with contextlib.suppress(OSError):  # an interface without an IPv4 address
                request = struct.pack("256s", name.encode()[:15])
                found.append(socket.inet_ntoa(fcntl.ioctl(probe, ask, request)[20:24]))
    yield from sorted(set(found), key=lambda address: address.startswith("127."))
