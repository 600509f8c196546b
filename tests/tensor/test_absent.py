"""Questions about kinds of tensors there are none of. Run: pytest tests/tensor/test_absent.py"""

from __future__ import annotations

import pytest

import isograd as torch


def test_answers() -> None:
    x = torch.ones(2)
    for name in ("is_sparse", "is_sparse_csr", "is_mkldnn", "is_nested", "is_mps", "is_xla",
                 "is_xpu", "is_quantized", "is_meta"):  # fmt: skip
        assert getattr(x, name) is False
    assert not x.is_conj()
    assert not torch.is_neg(x)
    assert x.to_dense() is x
    assert x.to_dense(torch.float64).dtype is torch.float64


@pytest.mark.parametrize("name", ["to_sparse", "to_sparse_csr", "coalesce"])
def test_sparse_is_refused_with_a_way_out(name: str) -> None:
    with pytest.raises(NotImplementedError, match=f"{name}: isograd has no sparse .* scatter_add_"):
        getattr(torch.ones(2), name)()


def test_is_nonzero() -> None:
    assert torch.is_nonzero(torch.tensor([3.0]))
    assert not torch.tensor(0).is_nonzero()
    with pytest.raises(RuntimeError, match="more than one value is ambiguous"):
        torch.is_nonzero(torch.ones(2))


def test_typename() -> None:
    assert torch.typename(torch.ones(1)) == "torch.FloatTensor"
    assert torch.typename(3) == "int"
    assert torch.typename(torch.nn.Linear).endswith("linear.Linear")
