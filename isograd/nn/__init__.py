"""Layers and models: ``isograd.nn``, with torch.nn's names."""

from __future__ import annotations

from isograd.nn import functional as functional
from isograd.nn.module import Module as Module
from isograd.nn.parameter import Buffer as Buffer
from isograd.nn.parameter import Parameter as Parameter
