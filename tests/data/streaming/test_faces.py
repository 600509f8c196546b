"""torch.utils.data.streaming leads to isograd.data.streaming, and is imported when asked for.

Run: pytest tests/data/streaming
"""

import subprocess
import sys

import pytest

import isograd as torch
from isograd.data import streaming


def test_paths():
    face = torch.utils.data.streaming
    assert face.__all__ == streaming.__all__
    for name in streaming.__all__:
        assert getattr(face, name) is getattr(streaming, name)
    with pytest.raises(AttributeError, match="no attribute 'streams'"):
        torch.utils.data.streams  # noqa: B018


def test_not_imported_before_it_is_used():
    code = "import isograd, sys; isograd.utils.data; print('tarfile' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
