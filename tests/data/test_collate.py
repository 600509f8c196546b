"""Collation against the types and errors of PyTorch's default_collate. Run: pytest tests/data"""

from collections import OrderedDict, namedtuple
from types import MappingProxyType

import numpy as np
import pytest

import isograd
from isograd.data.collate import collate, default_collate, default_collate_fn_map, default_convert

Point = namedtuple("Point", "x y")


@pytest.mark.parametrize(
    ("batch", "values", "dtype"),
    [
        ([isograd.tensor([1, 2]), isograd.tensor([3, 4])], [[1, 2], [3, 4]], isograd.int64),
        ([isograd.tensor(1), isograd.tensor(2)], [1, 2], isograd.int64),
        ([isograd.ones(2), isograd.ones(2).double()], [[1, 1], [1, 1]], isograd.float64),
        ([isograd.ones(1).bfloat16()] * 2, [[1], [1]], isograd.bfloat16),
        ([isograd.ones(()).bfloat16()] * 2, [1, 1], isograd.bfloat16),
        ([np.ones(2, np.float32)] * 2, [[1, 1], [1, 1]], isograd.float32),
        ([np.ones(())], [1], isograd.float64),
        ([np.float32(1.5), np.float32(2)], [1.5, 2], isograd.float32),
        ([1.5, 2], [1.5, 2], isograd.float64),
        ([1, 2.5], [1, 2.5], isograd.float32),
        ([1, 2], [1, 2], isograd.int64),
        ([True, False], [True, False], isograd.bool),
    ],
)
def test_leaves(batch, values, dtype):
    out = default_collate(batch)
    assert out.tolist() == values
    assert out.dtype is dtype


def test_strings_stay():
    assert default_collate(["a", "b"]) == ["a", "b"]
    assert default_collate([b"a", b"b"]) == [b"a", b"b"]
    assert default_collate(("a", "b")) == ["a", "b"]


def test_containers():
    pairs = default_collate([(1, "a"), (2, "b")])
    assert type(pairs) is list
    assert (pairs[0].tolist(), pairs[1]) == ([1, 2], ["a", "b"])
    point = default_collate([Point(1, 2), Point(3, 4)])
    assert isinstance(point, Point)
    assert point.y.tolist() == [2, 4]
    for make in (dict, OrderedDict):
        out = default_collate([make(a=1, b=[2]), make(a=3, b=[4])])
        assert type(out) is make
        assert (out["a"].tolist(), out["b"][0].tolist()) == ([1, 3], [2, 4])
    frozen = default_collate([MappingProxyType({"a": 1})])
    assert isinstance(frozen, MappingProxyType)
    assert [x.tolist() for x in default_collate([range(2)])] == [[0], [1]]
    assert default_collate([[], []]) == []


def test_gradients_go_through():
    x = isograd.ones(2, requires_grad=True)
    default_collate([x, x * 2]).sum().backward()
    assert x.grad.tolist() == [3, 3]


def test_the_batch_is_a_copy():
    x = isograd.zeros(2)
    default_collate([x])[0, 0] = 5
    assert x.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("batch", "kind", "message"),
    [
        ([isograd.ones(3), isograd.ones(4)], RuntimeError, r"got \[3\] at entry 0 and \[4\] at"),
        ([np.ones(3), np.ones(4)], RuntimeError, "equal size"),
        ([isograd.ones(3), 2], TypeError, "expected Tensor as element 1"),
        ([[1, 2], [1]], RuntimeError, "should be of equal size, but got 2 at entry 0 and 1 at"),
        ([object()], TypeError, "found <class 'object'>"),
        ([None], TypeError, "found <class 'NoneType'>"),
        ([{1, 2}], TypeError, "found <class 'set'>"),
        ([1j], TypeError, "found <class 'complex'>"),
        ([np.array(["a"])], TypeError, "found <U1"),
        ([{"a": 1}, {"b": 2}], KeyError, "a"),
    ],
)
def test_refusals(batch, kind, message):
    with pytest.raises(kind, match=message):
        default_collate(batch)


def test_a_table_of_ones_own():
    class Word(str):
        pass

    table = {Word: lambda batch, *, collate_fn_map: " ".join(batch), **default_collate_fn_map}
    out = collate([(Word("a"), 1), (Word("b"), 2)], collate_fn_map=table)
    assert out[0] == "a b"
    assert out[1].tolist() == [1, 2]


def test_convert():
    out = default_convert([1, {"a": np.ones(2)}, "s", (2.5, None), Point(np.float32(1), 2)])
    assert out[0] == 1
    assert out[1]["a"].tolist() == [1, 1]
    assert out[2:4] == ["s", [2.5, None]]
    assert isinstance(out[4], Point)
    assert out[4].x.dtype is isograd.float32
    words = np.array(["a"])
    assert default_convert(words) is words
