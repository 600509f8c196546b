"""``torch.nn.modules``'s paths: every layer by the file torch has it in.

``isograd.nn.modules.linear`` is `isograd.nn.linear` itself. Where torch's file holds what several
files hold here, a module with all their names is made.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

import isograd.nn as nn

_FILES = {  # torch's file -> ours
    "activation": ("activation", "attention"),
    "batchnorm": ("batchnorm",),
    "container": ("containers",),
    "conv": ("conv",),
    "distance": ("distance",),
    "dropout": ("dropout",),
    "flatten": ("flatten",),
    "fold": ("fold",),
    "instancenorm": ("instancenorm",),
    "linear": ("linear",),
    "loss": ("loss",),
    "module": ("module",),
    "normalization": ("layernorm", "groupnorm"),
    "padding": ("padding",),
    "pixelshuffle": ("pixelshuffle",),
    "pooling": ("pooling",),
    "rnn": ("rnn", "rnn_cell"),
    "sparse": ("embedding",),
    "transformer": ("transformer",),
    "upsampling": ("upsampling",),
}


def _face(name: str, files: tuple[str, ...]) -> ModuleType:
    found = [importlib.import_module(f"isograd.nn.{file}") for file in files]
    if len(found) == 1:
        return found[0]
    face = ModuleType(f"{__name__}.{name}", f"The names of {', '.join(files)}.")
    for module in found:
        vars(face).update({key: getattr(module, key) for key in module.__all__})
    return face


for _name, _files in _FILES.items():
    globals()[_name] = sys.modules[f"{__name__}.{_name}"] = _face(_name, _files)

globals().update({key: value for key, value in vars(nn).items() if isinstance(value, type)})
