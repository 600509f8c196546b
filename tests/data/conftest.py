"""Shared by the tests of data: PyTorch's values."""

import json
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def golden():
    """tests/golden/data.json, written by make_data.py beside it."""
    return json.loads((Path(__file__).parents[1] / "golden" / "data.json").read_text())
