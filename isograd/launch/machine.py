"""What this machine offers to its ranks: cores, and NVIDIA devices, without loading a library."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

__all__ = ["THREAD_VARIABLES", "core_count", "device_count", "thread_settings"]

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def core_count() -> int:
    """Cores this process may use: its affinity mask, within the container's CPU quota."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        cores = min(cores, max(1, round(int(quota) / int(period))))
    except (OSError, ValueError):  # no cgroup v2 here, or the quota is "max"
        pass
    return cores


def thread_settings(environ: Mapping[str, str], local_ranks: int, cores: int) -> dict[str, str]:
    """Threads per rank so that the ranks of a host share its cores.

    Args:
        environ: usually `os.environ`; a count the user has set is kept, for all libraries.
        local_ranks: ranks on this host.
        cores: cores of this host.

    Returns:
        The variables to add; empty when the user has chosen.
    """
    if any(name in environ for name in THREAD_VARIABLES):
        return {}
    return dict.fromkeys(THREAD_VARIABLES, str(max(1, cores // local_ranks)))


def device_count(environ: Mapping[str, str], dev: Path = Path("/dev")) -> int:
    """NVIDIA devices of this host, as far as `CUDA_VISIBLE_DEVICES` lets us see them."""
    try:
        present = sum(1 for entry in os.listdir(dev) if re.fullmatch(r"nvidia\d+", entry))
    except OSError:
        present = 0
    visible = environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None or present == 0:
        return present
    names = [name.strip() for name in visible.split(",")]
    seen = next((i for i, name in enumerate(names) if name in ("", "-1")), len(names))
    return min(seen, present) if all(name.isdigit() for name in names[:seen]) else seen
