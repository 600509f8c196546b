"""``torch.backends.cuda``'s switches. Run: pytest tests/backends/test_cuda.py"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import isograd as torch


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    yield
    torch.set_float32_matmul_precision("highest")
    for kind in ("flash", "mem_efficient", "math", "cudnn"):
        getattr(torch.backends.cuda, f"enable_{kind}_sdp")(True)


def test_tf32_is_off_unless_asked_for() -> None:
    assert torch.backends.cuda.matmul.allow_tf32 is False
    torch.backends.cuda.matmul.allow_tf32 = True
    assert torch.get_float32_matmul_precision() == "high"


def test_reduced_precision_sums_are_never_made_use_of() -> None:
    torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = True
    assert torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction is False


def test_attention_hints() -> None:
    b = torch.backends.cuda
    b.enable_flash_sdp(False)
    assert not b.flash_sdp_enabled()
    with b.sdp_kernel(enable_flash=True, enable_math=False):
        assert b.flash_sdp_enabled()
        assert not b.math_sdp_enabled()
    assert not b.flash_sdp_enabled()
    assert b.math_sdp_enabled()


def test_built_means_usable() -> None:
    assert torch.backends.cuda.is_built() == torch.cuda.is_available()
