"""Shared by the tests of data: PyTorch's values, and processes with a global view."""

import json
from pathlib import Path

import pytest

from tests.data.ranks import run_ranks


@pytest.fixture(scope="session")
def golden():
    """tests/golden/data.json, written by make_data.py beside it."""
    return json.loads((Path(__file__).parents[1] / "golden" / "data.json").read_text())


@pytest.fixture
def ranks():
    """`run_ranks`."""
    return run_ranks
