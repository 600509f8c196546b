"""torch's names for where a checkpoint is: a reader and a writer of one folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from isograd.distributed.checkpoint.folder import existing
from isograd.distributed.checkpoint.index import Index, read_index

__all__ = ["FileSystemReader", "FileSystemWriter", "folder_of"]

Where = str | os.PathLike[str]


class FileSystemReader:
    """A checkpoint to load from, as ``load(state, storage_reader=FileSystemReader(path))``."""

    def __init__(self, path: Where) -> None:
        self.path = Path(path)

    @property
    def checkpoint_id(self) -> Path:
        """The folder."""
        return self.path

    def read_metadata(self) -> Index:
        """What the checkpoint holds.

        Raises:
            CheckpointError: if it is damaged, foreign or hostile.
        """
        return read_index(existing(self.path))


class FileSystemWriter:
    """A checkpoint to save to, as ``save(state, storage_writer=FileSystemWriter(path))``.

    Args:
        path: the folder.
        overwrite: whether a checkpoint that is there is replaced.
    """

    def __init__(self, path: Where, *, overwrite: bool = True) -> None:
        self.path, self.overwrite = Path(path), overwrite

    @property
    def checkpoint_id(self) -> Path:
        """The folder."""
        return self.path


def folder_of(name: str, checkpoint_id: Where | None, storage: Any, planner: Any) -> Path:
    """The folder that a call means, absolute.

    Raises:
        ValueError: if there is none, or two.
        TypeError: for a planner or a storage of another kind.
        FileExistsError: if it must not be replaced.
    """
    if planner is not None:
        raise TypeError(f"{name}: planner is not supported, expected None")
    if storage is not None and not isinstance(storage, (FileSystemReader, FileSystemWriter)):
        kind = type(storage).__name__
        raise TypeError(f"{name}: expected a FileSystemReader or FileSystemWriter, got {kind}")
    if checkpoint_id is None:
        if storage is None:
            raise ValueError(f"{name}: expected a checkpoint_id, the folder of the checkpoint")
        checkpoint_id = storage.path
    elif storage is not None and Path(checkpoint_id) != storage.path:
        raise ValueError(f"{name}: checkpoint_id {checkpoint_id} is not the storage's folder")
    folder = Path(os.path.abspath(checkpoint_id))
    if isinstance(storage, FileSystemWriter) and not storage.overwrite:
        if os.access(folder, os.F_OK):
            raise FileExistsError(f"{name}: {folder} exists, and overwrite=False")
    return folder
