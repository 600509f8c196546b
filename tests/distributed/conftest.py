"""Starting small programs under mpirun, for tests of what happens to whole processes."""

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def mpirun(tmp_path: Path) -> Callable[..., Any]:
    """`mpirun(n, program, **environment)` runs a script on n ranks; (code, output) comes back."""
    launcher = Path(sys.executable).with_name("mpirun")
    if not launcher.exists():
        pytest.skip("no mpirun beside this python")

    def run(n: int, program: str, **environment: str) -> tuple[int, str]:
        script = tmp_path / "program.py"
        script.write_text(textwrap.dedent(program))
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("OMPI_", "PMIX_"))}
        settings = {
            "OMPI_ALLOW_RUN_AS_ROOT": "1",
            "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
            "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
            "PRTE_MCA_hwloc_default_binding_policy": "none",
            "OMPI_MCA_mpi_yield_when_idle": "1",
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(ROOT),
        }
        done = subprocess.run(
            [launcher, "-n", str(n), sys.executable, script],
            env={**inherited, **settings, **environment},
            capture_output=True,
            text=True,
            timeout=60,
        )
        return done.returncode, done.stdout + done.stderr

    return run
