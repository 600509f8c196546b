"""The mpirun command line and environment of a job, for Open MPI 5 and for MPICH's Hydra."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from isograd.launch.hosts import Host
from isograd.launch.machine import THREAD_VARIABLES
from isograd.launch.mpi import MPI
from isograd.launch.options import Choices, process_settings

__all__ = ["Job", "job_environment", "mpirun_command"]

# Forwarded to other hosts when set. Open MPI forwards its own variables by itself.
_FORWARDED = (
    "PATH",
    "PYTHONPATH",
    "PYTHONHASHSEED",
    "PYTHONWARNINGS",
    "PYTHONDONTWRITEBYTECODE",
    "VIRTUAL_ENV",
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "CUDA_VISIBLE_DEVICES",
    "CUDA_DEVICE_ORDER",
    "CC",
    *THREAD_VARIABLES,
)
_FORWARDED_PREFIXES = ("ISOGRAD_", "MPI4PY_", "NCCL_", "OMP_", "MASTER_", "CUPY_")


@dataclass(frozen=True)
class Job:
    """What to start and where.

    Args:
        size: number of ranks.
        hosts: the machines named by the user; empty for this one, or for the allocation
            mpirun finds by itself.
        program: command line of one rank.
        cores: cores of this machine.
        choices: how the script is run.
    """

    size: int
    hosts: Sequence[Host]
    program: Sequence[str]
    cores: int
    choices: Choices = Choices()

    @property
    def slots(self) -> int:
        """Ranks the named machines hold."""
        return sum(host.slots for host in self.hosts)


def job_environment(job: Job, environ: Mapping[str, str], local: bool) -> dict[str, str]:
    """The environment mpirun is started with.

    Args:
        job: the job.
        environ: the user's environment; what is set there is kept.
        local: whether all ranks run on this machine. Elsewhere each rank counts its own cores.
    """
    env = dict(environ)
    if os.geteuid() == 0:
        env |= {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    env.setdefault("PRTE_MCA_hwloc_default_binding_policy", "none")
    crowded = job.size > job.slots if job.hosts else local and job.size > job.cores
    if local or crowded:
        env.setdefault("PRTE_MCA_rmaps_default_mapping_policy", ":oversubscribe")
    if crowded or (local and job.size > job.cores):
        env.setdefault("OMPI_MCA_mpi_yield_when_idle", "1")  # a waiting rank lets others work
    env |= job.choices.environment()
    settings = process_settings(job.choices, environ, job.size, job.size, job.cores)
    if not local and job.choices.shards is None:  # each rank counts its own cores
        settings = {name: v for name, v in settings.items() if name not in THREAD_VARIABLES}
    return env | settings


def mpirun_command(mpi: MPI, job: Job, env: Mapping[str, str], folder: Path) -> list[str]:
    """The command line.

    Args:
        mpi: the launcher.
        job: the job.
        env: the environment mpirun is started with, from which variables are forwarded.
        folder: a folder for generated files.

    Raises:
        RuntimeError: when the launcher is neither Open MPI's nor a Hydra.
    """
    forwarded = [name for name in env if name in _FORWARDED or name.startswith(_FORWARDED_PREFIXES)]
    start = [str(mpi.mpirun), "-n", str(job.size)]
    if mpi.flavour == "openmpi":
        hosts = ",".join(f"{host.name}:{host.slots}" for host in job.hosts)
        where = ["--host", hosts] if hosts else []
        exports = [part for name in forwarded for part in ("-x", name)] if job.hosts else []
        return [*start, *where, *exports, *job.program]
    if mpi.flavour == "mpich":
        where = []
        if job.hosts:
            file = folder / "hosts"
            file.write_text("".join(f"{host.name}:{host.slots}\n" for host in job.hosts))
            where = ["-f", str(file), "-genvlist", ",".join(forwarded)]
        return [*start, *where, *job.program]
    raise RuntimeError(
        f"isograd run: expected Open MPI or MPICH, got {mpi.mpirun} ({mpi.version}); "
        "start the job with it directly: mpirun -n N isograd run script.py"
    )
