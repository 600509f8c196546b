"""Batches cut and put together, whatever they are made of.

Run: pytest tests/data
"""

import functools
from collections import namedtuple

import pytest

import isograd
from isograd.data.collate import default_collate
from isograd.data.cut import Cut
from isograd.data.per_sample import is_per_sample, per_sample
from isograd.data.pieces import Joiner, Pieces, Whole, emptied
from isograd.data.view import shares

Pair = namedtuple("Pair", "x y")


class Alone:
    """One process with three positions."""

    positions, first, count, rank, size = 3, 0, 3, 0, 1

    def __init__(self):
        self.sent = 0

    def assemble(self, pieces, lengths):
        assert [len(p) for p in pieces] == list(lengths)
        return isograd.cat(list(pieces))

    def cut(self, whole):
        return ("cut", whole.tolist())

    def exchange_bytes(self, data):
        self.sent += 1
        return [data]


def _joined(view, samples):
    """Collated per position and put together."""
    pieces = Cut.of(view, False).pieces(len(samples), lambda a, b: default_collate(samples[a:b]))
    return Joiner(view, "never").batch(pieces)


def _plain(batch):
    if isinstance(batch, isograd.Tensor):
        return batch.dtype, batch.tolist()
    if isinstance(batch, dict):
        return {key: _plain(v) for key, v in batch.items()}
    if isinstance(batch, list | tuple):
        return type(batch), [_plain(v) for v in batch]
    return batch


SAMPLES = {
    "tensors": [isograd.ones(2) * i for i in range(7)],
    "numbers": [0.5, 1.5, 2.5, 3.5],
    "mappings": [{"a": i, "b": {"c": (i, float(i))}} for i in range(5)],
    "named": [Pair(i, isograd.tensor([i])) for i in range(5)],
    "texts": ["a", "bc", "d", "e"],
    "texts within": [(i, {"name": f"{i}", "raw": b"x"}, ("u", "v")) for i in range(5)],
    "nothing": [() for _ in range(5)],
    "two samples": [(1, "a"), (2, "b")],
}


@pytest.mark.parametrize("name", SAMPLES)
def test_put_together_as_collated_at_once(name):
    view = Alone()
    found = _joined(view, SAMPLES[name])
    assert _plain(found) == _plain(default_collate(SAMPLES[name]))
    assert view.sent == (name in ("texts", "texts within", "nothing", "two samples"))


def test_bounds_are_those_of_all_positions():
    for length in range(20):
        found = [Cut(5, k, 1).bounds(length)[0] for k in range(5)]
        assert [b - a for a, b in found] == list(shares(length, 5))
        assert found == Cut(5, 0, 5).bounds(length)


def test_positions_without_samples():
    asked = []

    def make(a, b):
        asked.append((a, b))
        return [isograd.ones(b - a, 3), ["t"] * (b - a), "constant"]

    pieces = Cut(8, 4, 2).pieces(2, make)
    assert asked == [(0, 1)]
    assert [piece[0].shape for piece in pieces.values] == [(0, 3)] * 2
    assert pieces.values[0][1:] == [[], "constant"]
    asked.clear()
    assert [len(p[0]) for p in Cut(8, 1, 2).pieces(2, make).values] == [1, 0]
    assert asked == [(1, 2)]
    assert emptied({"a": isograd.ones(2)})["a"].shape == (0,)


def test_whole_batches_are_cut_where_the_samples_are():
    class Own:
        pass

    own, view = Own(), Alone()
    batch = {"x": isograd.ones(4), "y": (isograd.ones(3), [isograd.ones(4, 1)]), "n": 4, "o": own}
    found = Joiner(view, "never").batch(Whole(batch, 4))
    assert found["x"] == ("cut", [1, 1, 1, 1])
    assert type(found["y"]) is tuple
    assert found["y"][0] is batch["y"][0]
    assert found["y"][1] == [("cut", [[1]] * 4)]
    assert (found["n"], found["o"]) == (4, own)
    scalar = isograd.tensor(4.0)
    assert Joiner(view, "never").batch(Whole(scalar, None)) is scalar


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda n: isograd.ones(n + 1), r"a tensor of shape \[3\] for 2 samples"),
        (lambda n: isograd.tensor(1.0), r"a tensor of shape \[\] for 2 samples"),
        (lambda n: [1, 2, 3], "a list of 3 values for 2 samples, expected one value for each"),
        (lambda n: {"longest": n}, "values 2 and others, expected one value for all"),
        (lambda n: isograd.ones(n, n), r"equal size, but the samples of a batch have \[2\]"),
    ],
)
def test_what_does_not_fit(make, message):
    pieces = Cut(3, 0, 3).pieces(4, lambda a, b: make(b - a))
    with pytest.raises(RuntimeError, match=message):
        Joiner(Alone(), "never").batch(pieces)


def test_pinning_reaches_the_pieces(monkeypatch):
    monkeypatch.setattr(isograd.Tensor, "pin_memory", lambda self, *_: self + 1)
    assert Pieces([isograd.ones(1)], 1).pin_memory().values[0].tolist() == [2]
    whole = Whole([isograd.ones(1)], 1).pin_memory()
    assert (whole.value[0].tolist(), whole.length) == ([2], 1)


def test_marks():
    def function(samples):
        return samples

    assert not is_per_sample(function)
    assert per_sample(function) is function
    assert is_per_sample(function)
    assert is_per_sample(default_collate)
    assert is_per_sample(per_sample(functools.partial(default_collate)))
    assert isograd.utils.data.per_sample is per_sample
    with pytest.raises(TypeError, match="wrap it in a function of its own"):
        per_sample(len)
