"""torch.distributed.checkpoint: checkpoints that many ranks write and any number of ranks read.

A checkpoint is a folder of safetensors files, one per rank that wrote, and an index. It is there
whole or not at all. See docs/decisions/0010-distributed-checkpoints.md.
"""

from isograd.distributed.checkpoint.checkpointer import (
    Checkpointer as Checkpointer,
)
from isograd.distributed.checkpoint.errors import (
    CheckpointException as CheckpointException,
)
from isograd.distributed.checkpoint.filesystem import (
    FileSystemReader as FileSystemReader,
)
from isograd.distributed.checkpoint.filesystem import (
    FileSystemWriter as FileSystemWriter,
)
from isograd.distributed.checkpoint.folder import (
    latest as latest,
)
from isograd.distributed.checkpoint.index import (
    Index as Metadata,
)
from isograd.distributed.checkpoint.loader import (
    load as load,
)
from isograd.distributed.checkpoint.match import (
    LoadReport as LoadReport,
)
from isograd.distributed.checkpoint.saver import (
    async_save as async_save,
)
from isograd.distributed.checkpoint.saver import (
    save as save,
)
from isograd.serialization.errors import (
    CheckpointError as CheckpointError,
)

__all__ = [
    "CheckpointError",
    "CheckpointException",
    "Checkpointer",
    "FileSystemReader",
    "FileSystemWriter",
    "LoadReport",
    "Metadata",
    "async_save",
    "latest",
    "load",
    "save",
]
