"""Convolution layers: arguments, printing and errors; values are in test_images_golden.py.

Run: pytest tests/nn/test_conv.py
"""

from __future__ import annotations

import pytest

import isograd as torch
from isograd import nn


def test_prints_as_torch() -> None:
    layer = nn.Conv2d(4, 8, 3, padding="same", bias=False, padding_mode="reflect", groups=2)
    assert repr(layer) == (
        "Conv2d(4, 8, kernel_size=(3, 3), stride=(1, 1), padding=same, groups=2, bias=False, "
        "padding_mode=reflect)"
    )
    assert repr(nn.ConvTranspose2d(4, 8, 3, 2, 1, 1)) == (
        "ConvTranspose2d(4, 8, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1), "
        "output_padding=(1, 1))"
    )


def test_output_size_chooses_the_output_padding() -> None:
    layer = nn.ConvTranspose2d(2, 3, 3, stride=2)
    x = torch.zeros(1, 2, 4, 4)
    assert layer(x).shape == (1, 3, 9, 9)
    assert layer(x, output_size=(10, 9)).shape == (1, 3, 10, 9)
    with pytest.raises(ValueError, match="valid sizes range"):
        layer(x, output_size=(11, 9))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"groups": 0}, "positive"),
        ({"groups": 3}, "divisible by groups"),
        ({"padding_mode": "mirror"}, "padding_mode must be one of"),
        ({"padding": "full"}, "Invalid padding string"),
        ({"padding": "same", "stride": 2}, "strided"),
    ],
)
def test_refuses_at_construction(arguments, message) -> None:
    with pytest.raises(ValueError, match=message):
        nn.Conv2d(4, 8, 3, **arguments)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((4, 5), "unbatched"),
        ((1, 3, 5, 5), "to have 4 channels, but got 3"),
        ((1, 4, 2, 5), "Kernel size can't be greater"),
    ],
)
def test_refuses_inputs(shape, message) -> None:
    with pytest.raises(RuntimeError, match=message):
        nn.Conv2d(4, 8, 3)(torch.zeros(*shape))


def test_refuses_another_dtype() -> None:
    with pytest.raises(RuntimeError, match="should be the same"):
        nn.Conv2d(4, 8, 3)(torch.zeros(1, 4, 5, 5, dtype=torch.float64))
