"""torch's choice of attention kernels changes nothing.

Run: pytest tests/nn/test_attention_backends.py
"""

from __future__ import annotations

import pytest

import isograd as torch
from isograd.nn import functional as F
from isograd.nn.attention import SDPBackend, sdpa_kernel


def test_results_do_not_depend_on_the_choice() -> None:
    q, k, v = torch.randn(3, 2, 4, 5, 8)
    want = F.scaled_dot_product_attention(q, k, v)
    for choice in (SDPBackend.MATH, [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION]):
        with sdpa_kernel(choice):
            assert (F.scaled_dot_product_attention(q, k, v) == want).all()
    with pytest.raises(TypeError, match="sdpa_kernel: expected an SDPBackend"):
        with sdpa_kernel("flash"):  # type: ignore[arg-type]
            pass
