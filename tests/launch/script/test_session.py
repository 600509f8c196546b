"""The session puts everything back, and names the local device only while there is a view.

Run: python -m pytest tests/launch/script/test_session.py
"""

import builtins
import io
import os
import random
import uuid
from pathlib import Path

import numpy as np

import isograd.serialization
from isograd.distributed.world import World
from isograd.launch.options import Choices
from isograd.launch.script import session
from isograd.tensor.generator import Generator

PLACES = [
    (builtins, "open"), (io, "open"), (os, "makedirs"), (os.path, "exists"), (Path, "mkdir"),
    (random, "seed"), (random.Random, "seed"), (np.random, "seed"), (np, "save"), (uuid, "uuid4"),
    (Generator, "manual_seed"), (isograd.serialization, "save"),
]  # fmt: skip


def test_everything_is_put_back(solo_view, monkeypatch):
    monkeypatch.setattr(type(solo_view), "size", 2)  # rank 0 of two, whose exchanges answer
    monkeypatch.setattr(session, "register_local_device", lambda provider: None)
    before = [getattr(*place) for place in PLACES]
    run = session.Session(World(0, 2, 0, 2, "openmpi"), Choices(), explicit=True)
    with run:
        run._install()
        assert [p for p, b in zip(PLACES, before) if getattr(*p) == b] == []
    assert [p for p, b in zip(PLACES, before) if getattr(*p) != b] == []


def test_a_script_that_communicates_by_itself_is_left_alone():
    before = [getattr(*place) for place in PLACES]
    with session.Session(World(0, 2, 0, 2, "openmpi"), Choices(), explicit=True):
        assert [getattr(*place) for place in PLACES] == before


def test_local_device(solo_view, monkeypatch):
    monkeypatch.setenv("ISOGRAD_LOCAL_DEVICE", "2")
    assert session._local_device() == 2
    monkeypatch.delenv("ISOGRAD_LOCAL_DEVICE")
    assert session._local_device() is None


def test_no_local_device_without_a_view(monkeypatch):
    monkeypatch.setenv("ISOGRAD_LOCAL_DEVICE", "2")
    assert session._local_device() is None
