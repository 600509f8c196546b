"""Detecting the world from launcher variables: a pure function of a mapping.

python -m pytest tests/distributed/test_world.py
"""

import pytest

from isograd.distributed.world import World, check_world, detect_world

OPENMPI = {
    "OMPI_COMM_WORLD_RANK": "3",
    "OMPI_COMM_WORLD_SIZE": "4",
    "OMPI_COMM_WORLD_LOCAL_RANK": "1",
    "OMPI_COMM_WORLD_LOCAL_SIZE": "2",
}
PMI = {"PMI_RANK": "1", "PMI_SIZE": "2", "MPI_LOCALRANKID": "1", "MPI_LOCALNRANKS": "2"}
SLURM = {"SLURM_PROCID": "5", "SLURM_NTASKS": "6", "SLURM_LOCALID": "1"}
TORCHRUN = {"RANK": "2", "WORLD_SIZE": "4", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "2"}


@pytest.mark.parametrize(
    ("environ", "world"),
    [
        ({}, World(0, 1, 0, 1, "single")),
        (OPENMPI, World(3, 4, 1, 2, "openmpi")),
        (PMI, World(1, 2, 1, 2, "pmi")),
        ({"PMI_RANK": "1", "PMI_SIZE": "2"}, World(1, 2, 1, 2, "pmi")),
        (SLURM, World(5, 6, 1, 2, "slurm")),
        (TORCHRUN, World(2, 4, 0, 2, "torchrun")),
        ({**SLURM, **OPENMPI, **TORCHRUN}, World(3, 4, 1, 2, "openmpi")),  # mpirun in a Slurm job
        (
            {**SLURM, "SLURM_NODEID": "2", "SLURM_TASKS_PER_NODE": "2(x2),1,1"},
            World(5, 6, 1, 1, "slurm"),
        ),
        # a batch script, not a task of srun
        ({**SLURM, "SLURM_JOB_ID": "9"}, World(0, 1, 0, 1, "single")),
        ({**SLURM, "SLURM_JOB_ID": "9", "SLURM_STEP_ID": "0"}, World(5, 6, 1, 2, "slurm")),
    ],
)
def test_launchers(environ: dict[str, str], world: World) -> None:
    assert detect_world(environ) == world


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="PMI_SIZE: expected a whole number, got 'two'"):
        detect_world({"PMI_RANK": "0", "PMI_SIZE": "two"})
    with pytest.raises(ValueError, match=r"expected 0 <= rank < size, got rank 4 and size 4"):
        detect_world({"RANK": "4", "WORLD_SIZE": "4"})


@pytest.mark.parametrize(
    ("environ", "hint"),
    [(SLURM, "srun --mpi=pmix"), (TORCHRUN, "torchrun does not start MPI"), (PMI, "mpirun of")],
)
def test_singletons_are_refused(environ: dict[str, str], hint: str) -> None:
    with pytest.raises(RuntimeError, match=hint):
        check_world(detect_world(environ), 1)
    check_world(detect_world(environ), detect_world(environ).size)
