"""How many threads the CPU's matrix products use: asked of the BLAS that NumPy has loaded.

The library is found among the process's shared libraries and called through ctypes. Whatever else
computes on the CPU here runs in one thread.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["fix_num_threads", "get_num_interop_threads", "get_num_threads",
           "set_num_interop_threads", "set_num_threads"]  # fmt: skip

# Part of the library's file name -> functions that read and set its number of threads.
_LIBRARIES = {
    "openblas": (
        "scipy_openblas_get_num_threads64_", "scipy_openblas_set_num_threads64_",
        "scipy_openblas_get_num_threads", "scipy_openblas_set_num_threads",
        "openblas_get_num_threads64_", "openblas_set_num_threads64_",
        "openblas_get_num_threads", "openblas_set_num_threads",
    ),
    "libmkl_rt": ("MKL_Get_Max_Threads", "MKL_Set_Num_Threads"),
    "blis": ("bli_thread_get_num_threads", "bli_thread_set_num_threads"),
}  # fmt: skip
_interop = [1]
_fixed: list[str] = []  # why the number of threads must stay


def get_num_threads() -> int:
    """Number of threads that matrix products on the CPU use."""
    found = _blas()
    return int(found[0]()) if found else _from_environment()


def set_num_threads(num: int) -> None:
    """Set the number of threads that matrix products on the CPU use.

    Under ``isograd run --shards`` it stays at 1, and a warning says so.

    Raises:
        TypeError, ValueError: if it is no positive int.
        RuntimeError: if NumPy's BLAS is one whose threads cannot be set while it runs.
    """
    _check("set_num_threads", num)
    if _fixed:
        if num != 1:
            warnings.warn(f"set_num_threads({num}) is ignored: {_fixed[0]}", stacklevel=2)
        return
    found = _blas()
    if found is None:
        raise RuntimeError(
            "set_num_threads: NumPy's BLAS was not recognised, so its threads cannot be set from "
            "here; set OMP_NUM_THREADS before starting Python"
        )
    found[1](num)


def fix_num_threads(reason: str | None) -> None:
    """One thread from now on, whatever `set_num_threads` is told; None lifts that.

    Args:
        reason: what the warning says.
    """
    _fixed.clear()
    if reason is not None:
        if _blas() is not None:
            set_num_threads(1)
        _fixed.append(reason)


def get_num_interop_threads() -> int:
    """What `set_num_interop_threads` was told; 1 before."""
    return _interop[0]


def set_num_interop_threads(num: int) -> None:
    """A hint: operations run one after the other, so there is nothing to divide threads between.

    Raises:
        TypeError, ValueError: if it is no positive int.
    """
    _check("set_num_interop_threads", num)
    _interop[0] = num


def _check(name: str, num: Any) -> None:
    if not isinstance(num, int) or isinstance(num, bool):
        raise TypeError(f"{name} expects an int, but got {type(num).__name__}")
    if num < 1:
        raise ValueError(f"{name} expects a positive integer, got {num}")


def _from_environment() -> int:
    named = os.environ.get("OMP_NUM_THREADS", "")
    return int(named) if named.isdigit() else os.cpu_count() or 1


@cache
def _blas() -> tuple[Callable[[], int], Callable[[int], Any]] | None:
    """The loaded BLAS's functions that read and set its threads; None if it is not known."""
    import ctypes  # only here, so that importing the package does not pay for it

    for path in _loaded():
        name = os.path.basename(path)
        symbols = next((s for key, s in _LIBRARIES.items() if key in name), ())
        library = ctypes.CDLL(path) if symbols else None
        for read, write in zip(symbols[::2], symbols[1::2], strict=True):
            if hasattr(library, read) and hasattr(library, write):
                return getattr(library, read), getattr(library, write)
    return None


def _loaded() -> list[str]:
    """Files of the process's shared libraries; without /proc, those of NumPy's wheel."""
    maps = Path("/proc/self/maps")
    if maps.exists():
        lines = maps.read_text(errors="replace").splitlines()
        found = [line.split(maxsplit=5)[5] for line in lines if len(line.split(maxsplit=5)) == 6]
    else:
        import numpy

        root = Path(numpy.__file__).parent
        folders = (root.parent / "numpy.libs", root / ".dylibs")
        found = [str(file) for folder in folders for file in sorted(folder.glob("*"))]
    libraries = [path for path in dict.fromkeys(found) if ".so" in path or ".dylib" in path]
    return sorted(libraries, key=lambda path: "numpy" not in path)  # SciPy brings one of its own
