"""Shared by all tests: GPU tests are skipped without a device; draws start from one seed."""

from __future__ import annotations

import pytest

import isograd
from isograd.tensor.backends import device_count


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if device_count():
        return
    skip = pytest.mark.skip(reason="no CUDA device")
    for item in items:
        if "gpu" in item.keywords:
            item.add_marker(skip)


@pytest.fixture(autouse=True)
def _same_draws() -> None:
    isograd.manual_seed(0)
