"""The `isograd` command: `isograd run` and `isograd doctor`."""

import argparse
import importlib.metadata
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from isograd.distributed.world import World, detect_world
from isograd.launch import doctor
from isograd.launch.alias import alias_torch
from isograd.launch.command import Job
from isograd.launch.control import ADDRESS_VARIABLE
from isograd.launch.hosts import Host, parse_hostfile, parse_hosts
from isograd.launch.inside import Target, run_inside
from isograd.launch.machine import core_count, device_count
from isograd.launch.options import Choices, check_shards, overruled_threads, process_settings
from isograd.launch.output import log_folder, shared_folder_name
from isograd.launch.run import Options, run_job

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: arguments after the program's name; `sys.argv` by default.

    Returns:
        The exit code.
    """
    args = _parser().parse_args(argv)
    try:
        if args.verb == "doctor":
            return doctor.main(as_json=args.json)
        return _run(args)
    except (OSError, ValueError, RuntimeError) as error:
        print(f"{error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="isograd", description=__doc__)
    parser.add_argument("--version", action="version", version=_version())
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="{run,doctor}")
    run = verbs.add_parser(
        "run",
        help="run a script on many ranks",
        usage="isograd run [options] (script.py | -m module) [arguments ...]",
        description="Run a Python script on many ranks, unchanged. Inside mpirun, srun or "
        "torchrun it runs the script as that rank.",
    )
    add = run.add_argument
    add("-n", "--np", type=_positive, metavar="N", help="ranks (default: one per GPU, else 1)")
    add("-H", "--host", metavar="HOST:SLOTS,...", help="machines and ranks each may hold")
    add("--hostfile", type=Path, metavar="FILE", help="the same from a file, one host per line")
    add("--standalone", action="store_true", help="this machine only, whatever started us")
    add("--log-dir", type=Path, metavar="DIR", help="where ranks other than 0 write their output")
    add("--timeout", type=float, metavar="S", help="end the job after S seconds (exit code 124)")
    add("-v", "--verbose", action="store_true", help="show the command, logs and mpirun's words")
    add("--shards", type=_positive, metavar="V", help="the same bits at any N up to V")
    add("--digest", action="store_true", help="print a hash of weights and text at the end")
    add("--torch", action=argparse.BooleanOptionalAction, default=True,
        help="let the script's `import torch` mean isograd (the default)")  # fmt: skip
    add("-m", dest="module", action="store_true", help="run a module, as python -m does")
    add("program", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    check = verbs.add_parser("doctor", help="say what is here and what is missing")
    check.add_argument("--json", action="store_true", help="the same for programs")
    return parser


def _run(args: argparse.Namespace) -> int:
    target = _target(args)
    if args.standalone:
        _forget_world()
    choices = Choices(args.shards, args.digest, args.torch).or_told(os.environ)
    world = detect_world(os.environ)
    if world.size > 1:
        return _run_as_rank(args, target, world, choices)
    hosts = _hosts(args)
    started = ADDRESS_VARIABLE in os.environ  # by us, as the only rank
    size = 1 if started else args.np or _default_size(hosts)
    check_shards(choices.shards, size)
    sys.stderr.write(overruled_threads(choices, os.environ))
    if size == 1 and not hosts and args.timeout is None:
        _restart_with(process_settings(choices, os.environ, 1, 1, core_count()), choices)
        if choices.torch:
            alias_torch()
        return run_inside(target, World(0, 1, 0, 1, "single"), Path(), choices)
    name = time.strftime("%Y%m%d-%H%M%S") + f"-{os.getpid()}"
    logs = (args.log_dir or log_folder(name)).absolute()
    program = [sys.executable, "-m", "isograd.launch", "run"]
    program += ["--no-torch"] * (not choices.torch) + ["-m"] * target.module
    job = Job(size, hosts, [*program, target.name, *target.args], core_count(), choices)
    return run_job(job, Options(logs, args.timeout, args.verbose))


def _run_as_rank(args: argparse.Namespace, target: Target, world: World, choices: Choices) -> int:
    if args.np not in (None, world.size):
        raise ValueError(
            f"isograd run: expected no -n inside a world of {world.size} ranks (started by "
            f"{world.source}), got -n {args.np}; leave it out, or add --standalone"
        )
    check_shards(choices.shards, world.size)
    cores = _cores_of_rank(world)
    settings = process_settings(choices, os.environ, world.size, world.local_size, cores)
    if settings and world.rank == 0:
        sys.stderr.write(overruled_threads(choices, os.environ))
    _restart_with(settings, choices)
    if choices.torch:
        alias_torch()
    folder = args.log_dir or os.environ.get("ISOGRAD_LOG_DIR")
    logs = Path(folder or log_folder(shared_folder_name(os.environ))).absolute()
    return run_inside(target, world, logs, choices)


def _restart_with(settings: dict[str, str], choices: Choices) -> None:
    """Start this process anew where a variable has to be there before NumPy is loaded.

    One rank that promises nothing about its bits is python as the user started it.
    """
    alone = detect_world(os.environ).size == 1 and choices.shards is None
    if settings and not alone:
        os.environ.update(settings)
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def _forget_world() -> None:
    """Drop what an outer launcher left in the environment, or the new ranks would join it."""
    prefixes = ("OMPI_COMM_WORLD_", "PMIX_", "PMI_", "SLURM_", "PRTE_LAUNCHED", "MPI_LOCAL")
    for name in [*os.environ]:
        if name.startswith(prefixes) or name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
            del os.environ[name]


def _cores_of_rank(world: World) -> int:
    """Cores of this host's ranks together; Slurm says how many each of its tasks has."""
    given = os.environ.get("SLURM_CPUS_PER_TASK", "")
    if world.source == "slurm" and given.isdigit():
        return int(given) * world.local_size
    return core_count()


def _target(args: argparse.Namespace) -> Target:
    program = args.program[1:] if args.program[:1] == ["--"] else args.program
    if not program:
        raise ValueError("isograd run: expected a script or -m module, got neither")
    name = program[0]
    if not args.module and not Path(name).exists():
        raise FileNotFoundError(f"isograd run: no such file: {name} (in {os.getcwd()})")
    return Target(name, tuple(program[1:]), args.module)


def _hosts(args: argparse.Namespace) -> list[Host]:
    given = [name for name in ("host", "hostfile", "standalone") if getattr(args, name)]
    if len(given) > 1:
        raise ValueError(f"isograd run: expected one of -H, --hostfile, --standalone, got {given}")
    if args.hostfile:
        return parse_hostfile(args.hostfile)
    return parse_hosts(args.host) if args.host else []


def _default_size(hosts: Sequence[Host]) -> int:
    """All slots named, or all tasks of the Slurm allocation, or one rank per GPU, or one."""
    if hosts:
        return sum(host.slots for host in hosts)
    tasks = os.environ.get("SLURM_NTASKS", "")
    return int(tasks) if tasks.isdigit() else max(1, device_count(os.environ))


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text!r}")
    return int(text)


def _version() -> str:
    try:
        return f"isograd {importlib.metadata.version('isograd')}"
    except importlib.metadata.PackageNotFoundError:
        return "isograd (not installed: run from its sources)"
