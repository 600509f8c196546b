"""torch's paths to layers lead to the layers. Run: pytest tests/nn/modules"""

from __future__ import annotations

import importlib

import pytest

from isograd import nn

PATHS = {
    "activation": ("ReLU", "MultiheadAttention"),
    "batchnorm": ("BatchNorm2d",),
    "container": ("ModuleList", "Sequential"),
    "conv": ("Conv2d", "ConvTranspose1d"),
    "dropout": ("Dropout",),
    "linear": ("Linear", "Identity", "NonDynamicallyQuantizableLinear"),
    "loss": ("CrossEntropyLoss",),
    "module": ("Module",),
    "normalization": ("LayerNorm", "GroupNorm", "RMSNorm"),
    "pixelshuffle": ("PixelShuffle",),
    "rnn": ("LSTM", "GRUCell"),
    "sparse": ("Embedding",),
    "transformer": ("TransformerEncoderLayer",),
    "upsampling": ("Upsample",),
}


@pytest.mark.parametrize("path", PATHS)
def test_paths(path: str) -> None:
    module = importlib.import_module(f"isograd.nn.modules.{path}")
    for name in PATHS[path]:
        found = getattr(module, name)
        assert isinstance(found, type)
        assert getattr(nn, name, found) is found


def test_the_package_has_every_layer() -> None:
    assert nn.modules.Linear is nn.Linear
    assert nn.modules.conv.Conv2d is nn.Conv2d
