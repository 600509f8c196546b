"""`isograd run` on two ranks of this machine: whose output is seen, and how a job ends.

Reference: what python itself does with one process. Needs an mpirun.
Run: python -m pytest tests/launch/test_run.py
"""

import os
import re
import signal
import time

import pytest

from isograd.launch.mpi import find_mpi

pytestmark = pytest.mark.job

try:
    find_mpi(os.environ)
except FileNotFoundError:
    pytest.skip("no mpirun here", allow_module_level=True)

MPI = "from mpi4py import MPI\ncomm = MPI.COMM_WORLD\n"


def gone(pid: int) -> bool:
    """Whether a process has ended (a zombie has)."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_rank_zero_prints_and_the_others_log(launch, script, tmp_path):
    text = """
import os, subprocess, sys
names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR")
print("hello", comm.allreduce(1), *(os.environ[name] for name in names), sys.argv[1:], __name__)
print("to stderr", os.environ["RANK"], file=sys.stderr)
sys.stdout.flush()
subprocess.run(["echo", "from C", os.environ["RANK"]])
"""
    code, out, err = launch("-n", 2, script(MPI + text), "--lr", "-n", "3")
    assert code == 0, err
    assert out.splitlines() == [
        "hello 2 0 2 0 2 127.0.0.1 ['--lr', '-n', '3'] __main__",
        "from C 0",
    ]
    assert err.splitlines() == ["to stderr 0"]
    log = (tmp_path / "logs" / "rank_1.log").read_text().splitlines()
    assert log == [
        "hello 2 1 2 1 2 127.0.0.1 ['--lr', '-n', '3'] __main__",
        "to stderr 1",
        "from C 1",
    ]


def test_exception_on_one_rank_is_printed_last_and_ends_all(launch, script):
    text = """
def inner():
    raise ValueError("bad luck")
if comm.rank == 1:
    inner()
comm.Barrier()
"""
    start = time.monotonic()
    code, out, err = launch("-n", 2, script(MPI + text))
    assert code == 1
    assert time.monotonic() - start < 20
    header, *trace = err[err.index("isograd: rank 1") :].splitlines()
    assert re.fullmatch(r"isograd: rank 1 \(host .+\) raised ValueError:", header)
    assert trace[0] == "Traceback (most recent call last):"
    assert "line 7, in <module>" in trace[1]  # the user's frames only
    assert trace[-1] == "ValueError: bad luck"
    assert "MPI_ABORT" not in err
    assert "prterun" not in err


def test_the_same_exception_everywhere_is_printed_once(launch, script):
    code, _, err = launch("-n", 2, script("import no_such_module_anywhere\n"))
    assert code == 1
    assert err.count("ModuleNotFoundError: No module named") == 1
    assert "isograd: the same on rank 1" in err
    assert "isograd: rank 0" in err


def test_exit_code_of_one_rank_is_the_jobs(launch, script):
    text = "import sys\nif comm.rank == 1: sys.exit(7)\ncomm.Barrier()\n"
    code, _, err = launch("-n", 2, script(MPI + text))
    assert code == 7
    assert err.splitlines()[-1].endswith("called sys.exit(7)")


def test_killed_rank_is_named_and_its_workers_end(start, script, tmp_path, wait_for):
    text = """
import multiprocessing, os, time
from pathlib import Path
if comm.rank == 1:
    worker = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
    worker.start()
    Path("new").write_text(f"{os.getpid()} {worker.pid}")
    os.rename("new", "pids")
comm.Barrier()
comm.bcast(time.sleep(60) if comm.rank == 1 else None, root=1)
"""
    with start("-n", 2, script(MPI + text)) as process:
        rank, worker = map(int, wait_for(tmp_path / "pids").read_text().split())
        begin = time.monotonic()
        os.kill(rank, signal.SIGKILL)
        _, err = process.communicate(timeout=30)
    assert time.monotonic() - begin < 10
    assert process.returncode == 128 + signal.SIGKILL
    last = err.splitlines()[-1]
    assert last.startswith(f"isograd: rank 1 (pid {rank}, host ")
    assert last.endswith("was killed by signal 9 (SIGKILL)")
    assert gone(worker)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopping_the_launcher_leaves_no_process(start, script, tmp_path, wait_for, number):
    text = """
import os, time
from pathlib import Path
rank = str(comm.rank)
Path("new" + rank).write_text(f"{os.getpid()} {os.getppid()}")
os.rename("new" + rank, "pids" + rank)
time.sleep(60)
"""
    with start("-n", 2, script(MPI + text)) as process:
        files = [wait_for(tmp_path / f"pids{rank}") for rank in range(2)]
        pids = [int(pid) for file in files for pid in file.read_text().split()]
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert err.splitlines()[-1] == f"isograd: ended all ranks on {number.name}"
    assert [pid for pid in pids if not gone(pid)] == []


def test_os_exit_zero_is_a_clean_end(launch, script):
    code, out, err = launch("-n", 2, script("import os\nprint('x', flush=True)\nos._exit(0)\n"))
    assert (code, out.strip()) == (0, "x"), err


def test_timeout_ends_the_job(launch, script):
    code, _, err = launch("-n", 2, "--timeout", 1, script("import time\ntime.sleep(60)\n"))
    assert code == 124
    assert err.splitlines()[-1] == "isograd: ended all ranks after --timeout 1 s"


def test_module_on_two_ranks(launch, script):
    script("import sys\nprint(sys.argv[1:], sys.path[0] != '')\n", "a_module.py")
    code, out, err = launch("-n", 2, "-m", "a_module", "--flag", "x")
    assert (code, out.strip()) == (0, "['--flag', 'x'] True"), err
