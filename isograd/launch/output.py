"""Whose output reaches the terminal: rank 0's; the others write to a log file each.

Redirected at the level of file descriptors, so what C libraries print goes the same way.
"""

import os
import re
import sys
import tempfile
from collections.abc import Mapping
from io import TextIOWrapper
from pathlib import Path

__all__ = ["flush", "log_folder", "redirect", "shared_folder_name"]


def shared_folder_name(environ: Mapping[str, str]) -> str:
    """A name all ranks of a job agree on: the job's id, as its launcher tells it."""
    for variable in ("PMIX_NAMESPACE", "SLURM_JOB_ID", "PMI_JOBID", "TORCHELASTIC_RUN_ID"):
        if environ.get(variable):
            return re.sub(r"[^\w.-]+", "-", environ[variable]).strip("-")
    return f"job-{os.getppid()}"


def log_folder(name: str) -> Path:
    """The default folder for logs: `isograd_logs/<name>` under the system's temporary folder."""
    return Path(tempfile.gettempdir()) / "isograd_logs" / name


def redirect(rank: int, folder: Path) -> tuple[int, Path | None]:
    """Send this process's output where it belongs, line by line.

    Args:
        rank: global rank; 0 keeps the terminal.
        folder: where `rank_k.log` is written.

    Returns:
        A descriptor of the terminal's stderr, and the log file (None for rank 0).
    """
    terminal = os.dup(2)
    path = None
    if rank != 0:
        path = folder / f"rank_{rank}.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        flush()
        log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o644)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.close(log)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(line_buffering=True)
    return terminal, path


def flush() -> None:
    """Write out what Python holds back."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and not stream.closed:
            stream.flush()
