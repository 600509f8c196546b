"""Which rank am I, of how many: read from the variables a launcher leaves in the environment.

A pure function of a mapping and standard library only, so the launcher can ask before anything
heavy is imported. Understood, first match wins: Open MPI (`OMPI_COMM_WORLD_*`), PMI as set by
MPICH and Intel MPI (`PMI_*`, `MPI_LOCAL*`), Slurm (`SLURM_PROCID`, ...), and the variables of
torchrun (`RANK`, `WORLD_SIZE`, `LOCAL_RANK`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["World", "check_world", "detect_world"]


@dataclass(frozen=True)
class World:
    """The place of this process among its peers.

    Args:
        rank: global rank, 0 <= rank < size.
        size: number of processes.
        local_rank: rank among the processes of this host.
        local_size: number of processes on this host.
        source: who said so: "openmpi", "pmi", "slurm", "torchrun" or "single".
    """

    rank: int
    size: int
    local_rank: int
    local_size: int
    source: str


def detect_world(environ: Mapping[str, str]) -> World:
    """Read the world from launcher variables.

    Args:
        environ: usually `os.environ`.

    Returns:
        The world; `World(0, 1, 0, 1, "single")` when no launcher left a trace.

    Raises:
        ValueError: when a variable is not a number or the rank lies outside the world.

    Example:
        >>> detect_world({"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2"})
        World(rank=1, size=2, local_rank=1, local_size=2, source='openmpi')
    """
    for source, names in _LAUNCHERS.items():
        if names[0] in environ and names[1] in environ:
            return _read(environ, names, source)
    return _slurm(environ) or _torchrun(environ) or World(0, 1, 0, 1, "single")


def check_world(world: World, mpi_size: int) -> None:
    """Compare what the launcher announced with what MPI found.

    Raises:
        RuntimeError: when they differ, as under `srun --mpi=none`, which starts N
            processes that each believe to be alone.
    """
    if world.size == mpi_size:
        return
    hint = {
        "slurm": "use `srun --mpi=pmix` (see `srun --mpi=list`) or `mpirun` inside the job",
        "torchrun": "start the job with `mpirun` or `isograd run`; torchrun does not start MPI",
    }.get(world.source, "start the job with the mpirun of the MPI library mpi4py is built for")
    raise RuntimeError(
        f"init_process_group: {world.source} started {world.size} process(es) but MPI sees a "
        f"world of {mpi_size}, so ranks could not reach each other; {hint}"
    )


# rank, size, local rank, local size
_LAUNCHERS = {
    "openmpi": (
        "OMPI_COMM_WORLD_RANK",
        "OMPI_COMM_WORLD_SIZE",
        "OMPI_COMM_WORLD_LOCAL_RANK",
        "OMPI_COMM_WORLD_LOCAL_SIZE",
    ),
    "pmi": ("PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID", "MPI_LOCALNRANKS"),
}


def _torchrun(environ: Mapping[str, str]) -> World | None:
    if "RANK" not in environ or "WORLD_SIZE" not in environ:
        return None
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
    return _read(environ, names, "torchrun")


def _slurm(environ: Mapping[str, str]) -> World | None:
    """A task of srun. The batch script itself has SLURM_PROCID=0 too, but no step."""
    if "SLURM_PROCID" not in environ:
        return None
    if "SLURM_JOB_ID" in environ and not {"SLURM_STEP_ID", "SLURM_STEPID"} & environ.keys():
        return None
    size = _number(environ, "SLURM_STEP_NUM_TASKS") or _number(environ, "SLURM_NTASKS")
    if size is None:
        return None
    per_node = environ.get("SLURM_STEP_TASKS_PER_NODE") or environ.get("SLURM_TASKS_PER_NODE", "")
    counts = _tasks_per_node(per_node)
    node = _number(environ, "SLURM_NODEID") or 0
    local_size = counts[node] if node < len(counts) else None
    rank, local_rank = _number(environ, "SLURM_PROCID"), _number(environ, "SLURM_LOCALID")
    return _checked(rank, size, local_rank, local_size, "slurm")


def _tasks_per_node(text: str) -> list[int]:
    """Expand Slurm's run lengths: "2(x3),1" is [2, 2, 2, 1]."""
    counts: list[int] = []
    for count, times in re.findall(r"(\d+)(?:\(x(\d+)\))?", text):
        counts += [int(count)] * int(times or 1)
    return counts


def _number(environ: Mapping[str, str], name: str) -> int | None:
    text = environ.get(name)
    if text is None or text == "":
        return None
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"{name}: expected a whole number, got {text!r}") from None


def _read(environ: Mapping[str, str], names: tuple[str, str, str, str], source: str) -> World:
    rank, size, local_rank, local_size = (_number(environ, name) for name in names)
    return _checked(rank, size, local_rank, local_size, source)


def _checked(
    rank: int | None, size: int | None, local_rank: int | None, local_size: int | None, source: str
) -> World:
    """Fill in what a launcher left out: without local variables all ranks share one host."""
    if rank is None or size is None or size < 1 or not 0 <= rank < size:
        raise ValueError(
            f"{source}: expected 0 <= rank < size, got rank {rank} and size {size}; "
            "the launcher's variables are incomplete or contradict each other"
        )
    if local_rank is None:
        local_rank, local_size = rank, local_size or size
    return World(rank, size, local_rank, local_size or max(local_rank + 1, 1), source)
