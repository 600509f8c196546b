"""Pooling functions: shapes, indices, unbatched inputs and errors.

Values against torch are in tests/nn/test_images_golden.py.
Run: pytest tests/nn/functional/test_pooling.py
"""

from __future__ import annotations

import pytest

import isograd as torch
import isograd.nn.functional as F


def test_unbatched_is_a_batch_of_one() -> None:
    x = torch.rand(3, 6, 6)
    out, index = F.max_pool2d(x, 2, return_indices=True)
    batch, places = F.max_pool2d(x.unsqueeze(0), 2, return_indices=True)
    assert torch.equal(out, batch[0])
    assert torch.equal(index, places[0])
    assert torch.equal(F.avg_pool2d(x, 3, 1), F.avg_pool2d(x.unsqueeze(0), 3, 1)[0])


def test_unpool_is_the_inverse_on_the_maxima() -> None:
    x = torch.rand(1, 2, 7)
    out, index = F.max_pool1d(x, 2, return_indices=True)
    back = F.max_unpool1d(out, index, 2, output_size=(7,))
    assert back.shape == x.shape
    again = F.max_pool1d(back, 2)
    assert torch.equal(again, out)
    with pytest.raises(ValueError, match="invalid output_size"):
        F.max_unpool1d(out, index, 2, output_size=(9,))
    with pytest.raises(RuntimeError, match="int64"):
        F.max_unpool1d(out, index.int(), 2)


@pytest.mark.parametrize("pool", [F.fractional_max_pool2d, F.fractional_max_pool3d])
def test_fractional_windows_cover_the_image(pool) -> None:
    n = 2 if pool is F.fractional_max_pool2d else 3
    x = torch.rand(2, 3, *(7,) * n)
    out, index = pool(x, 2, output_size=4, return_indices=True)
    assert out.shape == (2, 3, *(4,) * n)
    taken = x.flatten(2).gather(2, index.flatten(2))
    assert torch.equal(taken, out.flatten(2))
    samples = torch.zeros(2, 3, n)
    first = pool(x, 2, output_size=4, _random_samples=samples)
    corner = x[(..., *[slice(0, 2)] * n)].flatten(2).max(-1)[0]
    assert torch.equal(first[(..., *[0] * n)], corner)
    assert pool(x, 2, output_ratio=0.5).shape == (2, 3, *(3,) * n)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: F.max_pool2d(x, 3, padding=2), "half of effective kernel"),
        (lambda x: F.max_pool2d(x, 9), "Output size is too small"),
        (lambda x: F.avg_pool2d(x, 2, divisor_override=0), "divisor"),
        (lambda x: F.avg_pool2d(x, (2, 2, 2)), "2 spatial dimensions"),
        (lambda x: F.max_pool3d(x[0, 0], 2), "unbatched"),
        (lambda x: F.adaptive_avg_pool2d(x, (1, 2, 3)), "output sizes"),
    ],
)
def test_refuses(call, message) -> None:
    with pytest.raises(RuntimeError, match=message):
        call(torch.rand(1, 2, 4, 4))
