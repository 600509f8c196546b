"""Shared by the tests of streaming data."""

import pytest

from tests.data.streaming.readers import write


@pytest.fixture
def folder(tmp_path):
    """101 samples in 15 shards: ``cls`` is the sample's number."""
    write(tmp_path / "s-%03d.tar")
    return tmp_path
