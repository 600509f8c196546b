"""The shell scripts of cluster/: they parse, and the batch scripts start what they say.

The batch scripts are run by bash with stand-ins for `isograd`, `srun` and `scontrol` that write
down how they are called; Slurm itself is in `make test-cluster`.
Run: python -m pytest tests/cluster/test_scripts.py
"""

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted([*ROOT.glob("cluster/**/*.sh"), *ROOT.glob("cluster/**/*.sbatch")])
BATCH = sorted(ROOT.glob("cluster/slurm/*.sbatch"))

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_it_parses(script):
    done = subprocess.run(["bash", "-n", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture
def job(tmp_path):
    """Start a batch script in `tmp_path` as Slurm would, with stand-ins for the commands."""
    stand_in = tmp_path / "bin" / "stand-in"
    stand_in.parent.mkdir()
    log = tmp_path / "log"
    stand_in.write_text(
        f'#!/bin/bash\necho "${{0##*/}} $*" >>"{log}"\n'
        'case ${0##*/} in scontrol) ;; *) exec sleep "${LASTS:-0}" ;; esac\n'
    )
    stand_in.chmod(0o755)
    for name in ("isograd", "srun", "scontrol"):
        (stand_in.parent / name).symlink_to(stand_in)
    env = {"PATH": f"{stand_in.parent}:{os.environ['PATH']}", "SLURM_SUBMIT_DIR": str(tmp_path)}
    env |= {"SLURM_JOB_ID": "7", "SLURM_JOB_NODELIST": "node[1-2]", "SLURM_NTASKS": "4"}
    started = []

    def start(script, *args, **more):
        command = ["bash", script, *args]
        started.append(subprocess.Popen(command, env=env | more, cwd="/", text=True))
        return started[-1], log

    yield start
    for process in started:
        process.kill()
        process.wait()


def started_with(log):
    """The example's arguments in the log of the stand-ins."""
    line = log.read_text().splitlines()[0]
    assert "isograd run examples/gpt.py " in line
    return line.split("examples/gpt.py ")[1].split()


@pytest.mark.parametrize("script", BATCH, ids=lambda path: path.name)
class TestBatchScript:
    def test_arguments_reach_the_example(self, script, job, gpt_arguments):
        process, log = job(script, "--steps", "4", "--batch", "8")
        assert process.wait(20) == 0
        args = gpt_arguments(started_with(log))
        assert (args.steps, args.batch, args.out, args.resume) == (4, 8, Path("out/gpt-7"), False)

    def test_a_checkpoint_is_resumed(self, script, job, gpt_arguments, tmp_path):
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "checkpoint.pt").touch()
        process, log = job(script, OUT="mine")
        assert process.wait(20) == 0
        args = gpt_arguments(started_with(log))
        assert (args.out, args.resume) == (Path("mine"), True)

    def test_it_requeues_itself_near_the_time_limit(self, script, job):
        process, log = job(script, LASTS="1")
        end = time.monotonic() + 20
        while not log.exists() and time.monotonic() < end:
            time.sleep(0.02)
        time.sleep(0.2)  # the trap is set right after the start
        process.send_signal(signal.SIGUSR1)
        process.wait(20)
        assert log.read_text().splitlines()[1] == "scontrol requeue 7"

    def test_it_asks_slurm_for_what_it_needs(self, script, job):
        asked = dict(re.findall(r"^#SBATCH --([\w-]+)(?:=(\S+))?$", script.read_text(), re.M))
        assert asked["signal"].startswith("B:USR1@")  # B: the script itself, which has the trap
        assert "requeue" in asked
        assert asked["open-mode"] == "append"  # or a restart would overwrite the output
        assert {"nodes", "ntasks-per-node", "time", "output"} <= asked.keys()
        assert f"cluster/slurm/{script.name}" in script.read_text()  # its own usage line
