"""The line between launcher and ranks, in one process.

Run: python -m pytest tests/launch/test_control.py
"""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from isograd.launch.control import Line, Switchboard


@pytest.fixture
def board() -> Iterator[Switchboard]:
    """A switchboard on the loopback interface."""
    board = Switchboard(local=True)
    yield board
    board.close()


def poll_until(board: Switchboard, condition: Callable[[], bool]) -> None:
    """Poll until the condition holds, at most ten seconds."""
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end, "the message did not arrive"
        board.poll(0.1)


def test_hello_bye_failed_and_lost_in_order(board):
    lines = [Line(board.address, rank, log="") for rank in range(3)]
    poll_until(board, lambda: len(board.ranks) == 3)
    assert (board.ranks[1].pid, board.ranks[1].host) == (os.getpid(), socket.gethostname())
    assert lines[2].failed({"kind": "raise", "text": "x" * 200_000})
    poll_until(board, lambda: len(board.ended) == 1)
    lines[0].bye()
    poll_until(board, lambda: len(board.ended) == 2)
    lines[1]._forget()  # as when the process is killed
    poll_until(board, lambda: len(board.ended) == 3)
    states = [(rank.rank, rank.state) for rank in board.ended]
    assert states == [(2, "failed"), (0, "done"), (1, "lost")]
    assert len(board.ended[0].report["text"]) == 200_000
    for line in lines:
        line._forget()
    board.poll(0.1)
    assert len(board.ended) == 3  # an end is final
    assert not lines[0].failed({})


KILLED = """
import os, signal, socket, sys
from isograd.launch.control import Line
line = Line(sys.argv[1], 0, "")
peers = [socket.create_connection(("127.0.0.1", int(sys.argv[2]))) for _ in range(20)]
peers[0].recv(1)  # until the launcher knows this rank
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the order in which Linux closes files")
def test_a_killed_rank_is_noticed_before_its_peers_can_be(board):
    seen = []  # ranks known to be lost whenever a peer sees its connection close

    def note(peer: socket.socket) -> None:
        board.unwatch(peer.fileno())
        seen.append(len(board.ended))

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        with subprocess.Popen([sys.executable, "-c", KILLED, board.address, port]):
            peers = [server.accept()[0] for _ in range(20)]
            poll_until(board, lambda: 0 in board.ranks)
            peers[0].sendall(b"!")
            for peer in peers:
                board.watch(peer.fileno(), lambda peer=peer: note(peer))
            poll_until(board, lambda: len(seen) == 20)
        for peer in peers:
            peer.close()
    assert seen == [1] * 20


def test_strangers_are_not_heard(board):
    token, _, place = board.address.partition("@")
    host, _, port = place.rpartition(":")
    for words in (b"GET / HTTP/1.1\r\n\r\n", b'{"token": "wrong", "rank": 0}\n', b"[1]\n"):
        with socket.create_connection((host, int(port)), timeout=5) as stranger:
            stranger.sendall(words)
            for _ in range(5):
                board.poll(0.02)
    assert board.ranks == {}
    assert len(token) == 32


def test_descriptors_are_watched(board):
    read, write = os.pipe()
    heard = []
    board.watch(read, lambda: heard.append(os.read(read, 10)))
    os.write(write, b"x")
    poll_until(board, lambda: heard == [b"x"])
    board.unwatch(read)
    os.close(read)
    os.close(write)
    assert not board.poll(0)
