"""The version is the same wherever it stands. Run: pytest tests/test_version.py"""

from __future__ import annotations

import tomllib
from pathlib import Path

import isograd as torch


def test_version() -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())
    assert torch.__version__ == torch.version.__version__ == project["project"]["version"]
    assert torch.version.cuda is None
