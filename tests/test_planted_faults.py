"""The suite notices what it is there to notice: three faults planted on purpose make it fail.

pytest tests/test_planted_faults.py
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CASES = {
    "broken_gradient": ["tests/tensor/test_records.py", "-k", "test_gradients and tanh"],
    "swapped_bucket_order": ["tests/distributed/test_ddp.py", "-k", "TestLocalTwo and whole_batch"],
    "wrong_fingerprint": [
        "tests/distributed/test_local.py",
        "-k",
        "TestTwoRanks and (swapped or other or wrong)",
    ],
}


def suite(fault: str, *selection: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "tests.plants", "-p", "no:cacheprovider",
         "-o", "faulthandler_timeout=60", *selection],
        cwd=ROOT, env={**os.environ, "ISOGRAD_PLANT": fault}, capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("fault", CASES)
def test_the_suite_fails(fault: str) -> None:
    whole = suite("", *CASES[fault])
    assert whole.returncode == 0, whole.stdout[-2000:]
    broken = suite(fault, *CASES[fault])
    assert broken.returncode == 1, broken.stdout[-2000:]
    assert "failed" in broken.stdout
