"""Fixtures: run a script under the global view and hear all ranks; a view of one for unit tests."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from isograd.data.view import register_view
from isograd.launch.mpi import find_mpi
from isograd.launch.script import callers


class SoloView:
    """A view of one rank: an exchange is its own answer."""

    positions, first, count, rank, size = 1, 0, 1, 0, 1

    def __init__(self) -> None:
        self.exchanges = 0

    def exchange_bytes(self, data: bytes) -> list[bytes]:
        self.exchanges += 1
        return [data]


@pytest.fixture
def solo_view(monkeypatch):
    """The script of this process is the test; what it asks counts in ``.exchanges``."""
    view = SoloView()
    forget = register_view(lambda: view)
    monkeypatch.setattr(callers, "_main", threading.get_ident())
    callers.enable(True)
    yield view
    callers.enable(False)
    forget()


@pytest.fixture
def viewed():
    """Skip where ranks cannot be started under a view."""
    try:
        find_mpi(os.environ)
    except FileNotFoundError:
        pytest.skip("no mpirun here")


@pytest.fixture
def both(launch, script, tmp_path, viewed) -> Callable[..., tuple[list[str], list[str], str]]:
    """Run a script on two ranks that must end well: the lines of each, and what stderr showed."""

    def run(text: str, *options: str) -> tuple[list[str], list[str], str]:
        code, out, err = launch("-n", 2, *options, script(text))
        assert code == 0, err
        log = Path(tmp_path / "logs" / "rank_1.log")
        return out.splitlines(), log.read_text().splitlines() if log.exists() else [], err

    return run
