"""The mpirun command line and its environment.

Reference: the manual pages of Open MPI 5's mpirun and of MPICH's mpiexec.hydra.
Run: python -m pytest tests/launch/test_command.py
"""

from pathlib import Path

import pytest

from isograd.launch.command import Job, job_environment, mpirun_command
from isograd.launch.hosts import Host
from isograd.launch.mpi import MPI

PROGRAM = ["python", "-m", "isograd.launch", "run", "x.py"]
HOSTS = [Host("a", 2), Host("b", 1)]
OPENMPI = MPI(Path("/p/bin/mpirun"), "openmpi", "5", None)
MPICH = MPI(Path("/p/bin/mpiexec"), "mpich", "4", None)
ENV = {"PYTHONPATH": "/src", "HOME": "/root", "NCCL_DEBUG": "INFO"}


def test_open_mpi_command(tmp_path):
    command = mpirun_command(OPENMPI, Job(2, [], PROGRAM, 8), ENV, tmp_path)
    assert command == ["/p/bin/mpirun", "-n", "2", *PROGRAM]
    command = mpirun_command(OPENMPI, Job(3, HOSTS, PROGRAM, 8), ENV, tmp_path)
    where = ["--host", "a:2,b:1", "-x", "PYTHONPATH", "-x", "NCCL_DEBUG"]
    assert command == ["/p/bin/mpirun", "-n", "3", *where, *PROGRAM]


def test_mpich_command(tmp_path):
    command = mpirun_command(MPICH, Job(3, HOSTS, PROGRAM, 8), ENV, tmp_path)
    where = ["-f", str(tmp_path / "hosts"), "-genvlist", "PYTHONPATH,NCCL_DEBUG"]
    assert command == ["/p/bin/mpiexec", "-n", "3", *where, *PROGRAM]
    assert (tmp_path / "hosts").read_text() == "a:2\nb:1\n"


def test_other_launchers_are_refused(tmp_path):
    strange = MPI(Path("/p/mpirun"), "unknown", "?", None)
    with pytest.raises(RuntimeError, match="expected Open MPI or MPICH, got /p/mpirun"):
        mpirun_command(strange, Job(2, [], PROGRAM, 8), ENV, tmp_path)


@pytest.mark.parametrize(
    ("size", "hosts", "local", "oversubscribed", "yields"),
    [
        (2, [], True, True, False),  # harmless, and the slots of Open MPI are not our cores
        (9, [], True, True, True),
        (3, HOSTS, False, False, False),
        (4, HOSTS, False, True, True),
        (64, [], False, False, False),  # an allocation mpirun knows better than we do
    ],
)
def test_more_ranks_than_cores(size, hosts, local, oversubscribed, yields):
    env = job_environment(Job(size, hosts, PROGRAM, 8), {}, local)
    assert ("PRTE_MCA_rmaps_default_mapping_policy" in env) == oversubscribed
    assert ("OMPI_MCA_mpi_yield_when_idle" in env) == yields
    assert ("OMP_NUM_THREADS" in env) == local  # other hosts count their own cores


def test_run_as_root_is_allowed_only_to_root(monkeypatch):
    job = Job(2, [], PROGRAM, 8)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert not [k for k in job_environment(job, {}, True) if k.startswith("OMPI_ALLOW")]
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert job_environment(job, {}, True)["OMPI_ALLOW_RUN_AS_ROOT"] == "1"


def test_what_the_user_has_set_is_kept():
    chosen = {"PRTE_MCA_hwloc_default_binding_policy": "core", "OMP_NUM_THREADS": "3"}
    env = job_environment(Job(2, [], PROGRAM, 8), chosen, True)
    assert {name: env[name] for name in chosen} == chosen
    assert "OPENBLAS_NUM_THREADS" not in env
