"""Placements: what they say of themselves, with the words of torch.distributed.tensor.

Reference: torch 2.13's texts and answers. pytest tests/distributed/tensor/test_placement.py
"""

from __future__ import annotations

import pytest

from isograd.distributed.tensor import Partial, Placement, Replicate, Shard


def test_texts() -> None:
    assert repr((Shard(0), Replicate(), Partial())) == "(Shard(dim=0), Replicate(), Partial(sum))"
    assert repr(Partial("max")) == "Partial(max)"


def test_questions() -> None:
    assert Shard(1).is_shard() and Shard(1).is_shard(1) and not Shard(1).is_shard(0)
    assert Replicate().is_replicate() and not Replicate().is_shard()
    assert (
        Partial().is_partial() and Partial().is_partial("sum") and not Partial().is_partial("max")
    )
    assert not Shard(0).is_partial() and not Partial().is_replicate()
    assert all(isinstance(p, Placement) for p in (Shard(0), Replicate(), Partial()))


def test_equal_placements_are_one_key() -> None:
    assert len({Shard(0), Shard(0), Shard(1), Replicate(), Replicate(), Partial(), Partial()}) == 4
    assert Partial("sum") == Partial() != Partial("min")


def test_wrong_ones() -> None:
    with pytest.raises(TypeError, match="expected a dimension, got 'rows'"):
        Shard("rows")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="got 'mean'"):
        Partial("mean")
