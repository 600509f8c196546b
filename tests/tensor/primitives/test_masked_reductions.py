"""Reductions under a mask equal the plain ones of the selected elements.

Reference: numpy.ma; finite differences.
Run: pytest tests/tensor/primitives/test_masked_reductions.py
"""

from __future__ import annotations

import numpy as np
import pytest

import isograd
from isograd import masked
from tests.checks import check_op, draw

X = draw()(3, 4)
MASK = np.array([[1, 0, 1, 1], [0, 1, 0, 0], [1, 1, 1, 1]], bool)
T = isograd.tensor(MASK)


@pytest.mark.parametrize("dim", [None, 0, 1])
@pytest.mark.parametrize("name", ["sum", "prod", "mean", "amax", "amin", "var", "std"])
def test_reductions(name, dim):
    known = {"amax": "max", "amin": "min"}

    def reference(x):
        made = getattr(np.ma.array(x, mask=~MASK), known.get(name, name))(dim, **options)
        return np.ma.getdata(made)

    options = {"ddof": 0} if name in ("var", "std") else {}
    extra = {"correction": 0} if name in ("var", "std") else {}
    check_op(lambda x: getattr(masked, name)(x, dim, mask=T, **extra), reference, X)


def test_everything_masked_out():
    x, none = isograd.ones(2), isograd.zeros(2, dtype=isograd.bool)
    assert masked.sum(x, mask=none).item() == 0.0 and masked.prod(x, mask=none).item() == 1.0
    assert masked.amax(x, mask=none).item() == -float("inf")
    assert masked.mean(x, mask=none).isnan().item()
    assert masked.softmax(x, 0, mask=none).isnan().all().item()


def test_normalizing():
    x = isograd.tensor(X)
    soft = masked.softmax(x, 1, mask=T).numpy()
    e = np.exp(X) * MASK
    np.testing.assert_allclose(soft, e / e.sum(1, keepdims=True))
    e = np.exp(-X) * MASK
    np.testing.assert_allclose(masked.softmin(x, 1, mask=T).numpy(), e / e.sum(1, keepdims=True))
    unit = masked.normalize(x, 2.0, 1, mask=T)
    np.testing.assert_allclose(unit.norm(dim=1).numpy(), np.ones(3))
    np.testing.assert_allclose(masked.norm(x, 1.0, 1, mask=T).numpy(), (abs(X) * MASK).sum(1))


def test_others():
    x = isograd.tensor([[3.0, 1.0, 2.0]])
    mask = isograd.tensor([[False, True, True]])
    assert masked.argmax(x, 1, mask=mask).tolist() == [2.0]
    assert masked.median(x, 1, mask=mask).tolist() == [1.0]
    assert masked.cumsum(x, 1, mask=mask).tolist() == [[0.0, 1.0, 3.0]]
    assert masked.logsumexp(x, 1, mask=mask).item() == pytest.approx(np.logaddexp(1, 2))
    assert masked.sum(isograd.tensor([1, 2], dtype=isograd.int8)).dtype is isograd.int64
    with pytest.raises(ValueError, match="output dtype"):
        masked.mean(isograd.arange(3))
    with pytest.raises(TypeError, match="bool"):
        masked.sum(x, mask=x)
