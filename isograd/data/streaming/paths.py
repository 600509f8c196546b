"""Which files a dataset is made of: folders, patterns, lists, in one order everywhere."""

from __future__ import annotations

import glob
import json
import os
import re
from collections.abc import Iterable
from pathlib import Path

from isograd.data.view import current_view

__all__ = ["Paths", "agreed_files", "expand_braces", "find_files"]

Paths = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]

_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d+)\.\.(\d+)")


def agreed_files(paths: Paths, suffixes: tuple[str, ...], what: str) -> list[str]:
    """As `find_files`; under a global view what process 0 finds, or its error, is everybody's."""
    view = current_view()
    if view is None or view.size == 1:
        return find_files(paths, suffixes, what)
    answer: tuple[list[str], str, str] = [], "", ""
    if view.rank == 0:
        try:
            answer = find_files(paths, suffixes, what), "", ""
        except (OSError, ValueError) as error:
            answer = [], type(error).__name__, str(error)
    files, kind, message = json.loads(view.exchange_bytes(json.dumps(answer).encode())[0])
    if kind:
        raise {"ValueError": ValueError, "FileNotFoundError": FileNotFoundError}.get(kind, OSError)(
            message
        )
    return [str(file) for file in files]


def find_files(paths: Paths, suffixes: tuple[str, ...], what: str) -> list[str]:
    """All files that ``paths`` names.

    Args:
        paths: a folder (its files that end in one of ``suffixes``, by name), a file, a pattern
            with ``{000..127}``, ``{a,b}``, ``*``, ``?``, or several of these in a list.
        what: who asks, for the error.

    Raises:
        FileNotFoundError: if a folder, pattern or name gives no file.
        ValueError: if the list is empty or a file is named twice.
    """
    asked = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    files = [file for entry in asked for file in _expand(os.fspath(entry), suffixes, what)]
    if not files:
        raise ValueError(f"{what}: expected at least one file, got {paths!r}")
    twice = sorted({file for file in files if files.count(file) > 1}) if _repeats(files) else []
    if twice:
        raise ValueError(
            f"{what}: {twice[0]} is named {files.count(twice[0])} times; each file gives its "
            "samples once per epoch"
        )
    return files


def _repeats(files: list[str]) -> bool:
    return len(set(files)) < len(files)


def _expand(entry: str, suffixes: tuple[str, ...], what: str) -> list[str]:
    if "://" in entry or entry.startswith("pipe:"):
        raise ValueError(f"{what}: expected files, got {entry!r}; fetch remote shards to a disk")
    found: list[str] = []
    for name in expand_braces(entry):
        if os.path.isdir(name):
            inside = sorted(os.path.join(name, child) for child in os.listdir(name))
            some = [p for p in inside if p.endswith(suffixes) and not Path(p).name.startswith(".")]
            wanted = f"no file in it ends in {' or '.join(suffixes)}"
        elif os.path.exists(name):
            some, wanted = [name], ""
        else:
            some, wanted = sorted(glob.glob(name)), "no such file"
        if not some:
            raise FileNotFoundError(f"{what}: {name}: {wanted}")
        found += some
    return found


def expand_braces(pattern: str) -> list[str]:
    """All names of a pattern with ``{007..011}`` (digits kept) and ``{a,b}``.

    Example:
        >>> expand_braces("x-{08..10}.tar")
        ['x-08.tar', 'x-09.tar', 'x-10.tar']
    """
    match = _BRACES.search(pattern)
    if match is None:
        return [pattern]
    bounds = _RANGE.fullmatch(match[1])
    if bounds is None:
        parts = match[1].split(",")
    else:
        first, last = int(bounds[1]), int(bounds[2])
        step = 1 if last >= first else -1
        parts = [f"{i:0{len(bounds[1])}}" for i in range(first, last + step, step)]
    head, tail = pattern[: match.start()], pattern[match.end() :]
    return [head + part + rest for part in parts for rest in expand_braces(tail)]
