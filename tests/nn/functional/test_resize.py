"""Resizing, sampling, padding and folding functions: contradictory arguments and special cases.

Values against torch are in tests/nn/test_images_golden.py.
Run: pytest tests/nn/functional/test_resize.py
"""

from __future__ import annotations

import pytest

import isograd as torch
import isograd.nn.functional as F


@pytest.mark.parametrize(
    ("error", "arguments"),
    [
        (ValueError, {}),
        (ValueError, {"size": 3, "scale_factor": 2}),
        (ValueError, {"size": (3, 3, 3)}),
        (ValueError, {"size": 3, "align_corners": True}),
        (ValueError, {"size": 3, "antialias": True}),
        (ValueError, {"size": 3, "recompute_scale_factor": True}),
        (NotImplementedError, {"size": 3, "mode": "trilinear"}),
        (NotImplementedError, {"size": 3, "mode": "cubic"}),
        (RuntimeError, {"size": 0}),
    ],
)
def test_interpolate_refuses(error, arguments) -> None:
    with pytest.raises(error):
        F.interpolate(torch.rand(1, 1, 4, 4), **arguments)


def test_the_given_scale_counts_unless_it_is_recomputed() -> None:
    x = torch.arange(5.0).reshape(1, 1, 5)
    given = F.interpolate(x, scale_factor=1.5, mode="linear")
    again = F.interpolate(x, scale_factor=1.5, mode="linear", recompute_scale_factor=True)
    assert given.shape == again.shape == (1, 1, 7)
    assert not torch.equal(given, again)
    assert torch.equal(again, F.interpolate(x, 7, mode="linear"))


def test_the_identity_grid_gives_the_image() -> None:
    x = torch.rand(1, 2, 3, 4)
    theta = torch.tensor([[[1.0, 0, 0], [0, 1.0, 0]]])
    for corners in (False, True):
        grid = F.affine_grid(theta, x.shape, corners)
        assert torch.allclose(F.grid_sample(x, grid, align_corners=corners), x, atol=1e-6)


def test_grid_sample_warns_of_its_default_and_refuses() -> None:
    x, grid = torch.rand(1, 2, 3, 4), torch.zeros(1, 2, 2, 2)
    with pytest.warns(UserWarning, match="align_corners"):
        F.grid_sample(x, grid)
    with pytest.raises(ValueError, match="expected mode"):
        F.grid_sample(x, grid, "cubic")
    with pytest.raises(RuntimeError, match="same dtype"):
        F.grid_sample(x, grid.double(), align_corners=False)


@pytest.mark.parametrize(
    ("error", "pad", "mode"),
    [
        (RuntimeError, (4, 0), "reflect"),
        (RuntimeError, (0, 5), "circular"),
        (RuntimeError, (1, 1, 1), "constant"),
        (NotImplementedError, (1, 1, 1, 1, 1, 1), "replicate"),
        (ValueError, (1, 1), "mirror"),
    ],
)
def test_pad_refuses(error, pad, mode) -> None:
    with pytest.raises(error):
        F.pad(torch.rand(2, 3, 4), pad, mode)


def test_fold_counts_how_often_a_pixel_was_unfolded() -> None:
    ones = torch.ones(1, 1, 3, 3)
    back = F.fold(F.unfold(ones, 2), 3, 2)
    assert back.tolist() == [[[[1, 2, 1], [2, 4, 2], [1, 2, 1]]]]
    with pytest.raises(RuntimeError, match="sliding blocks"):
        F.fold(torch.ones(1, 4, 5), 3, 2)
    with pytest.raises(RuntimeError, match="divisible"):
        F.fold(torch.ones(1, 3, 4), 3, 2)
