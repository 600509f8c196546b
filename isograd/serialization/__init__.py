"""Saving and loading values made of tensors and plain containers."""

from __future__ import annotations

from isograd.serialization.errors import CheckpointError as CheckpointError
from isograd.serialization.files import load as load
from isograd.serialization.files import save as save
