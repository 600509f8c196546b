"""What goes into the outermost module: which dimension is cut, and what comes back to the caller.

Reference: the call without a view. One process plays three positions, unless it matters.

pytest tests/distributed/test_root_inputs.py
"""

from __future__ import annotations

import warnings
from collections import OrderedDict, namedtuple
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import isograd as torch
import isograd.distributed as dist
import isograd.nn.functional as F
from isograd import nn
from isograd.distributed import global_view
from isograd.distributed.tensor.sharded import ShardedArray
from tests.distributed.view_checks import built, classes, loader, normal, on_threads

Pair = namedtuple("Pair", ["x", "label"])


@pytest.fixture
def view() -> Iterator[Any]:
    made = global_view.start(shards=3)
    yield made
    global_view.stop()


class Seen(nn.Module):
    """Remembers its arguments; ``layer`` decides what a batch looks like."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        self.args, self.kwargs = args, kwargs
        return None


def cut_dim(t: Any) -> int | None:
    if not isinstance(t._array, ShardedArray):
        return None
    ((dim, _),) = t._array.layout.lengths
    return int(dim)


@pytest.mark.usefixtures("view")
@pytest.mark.parametrize(
    ("layer", "shape", "dim"),
    [
        (nn.Linear(4, 2), (6, 4), 0),
        (nn.Linear(4, 2), (6,), 0),
        (nn.Conv2d(3, 2, 3), (6, 3, 5, 5), 0),
        (nn.LSTM(4, 2), (7, 6, 4), 1),
        (nn.LSTM(4, 2, batch_first=True), (6, 7, 4), 0),
        (nn.Sequential(nn.Embedding(4, 2), nn.GRU(2, 2)), (7, 6), 1),
        (nn.Sequential(nn.Conv2d(3, 2, 3), nn.LSTM(4, 2)), (6, 3, 5, 5), 0),
        (nn.MultiheadAttention(4, 2), (7, 6, 4), 1),
    ],
)
def test_the_dimension_that_is_cut(layer: Any, shape: tuple[int, ...], dim: int) -> None:
    module = Seen(layer)
    module(torch.zeros(shape))
    assert cut_dim(module.args[0]) == dim


@pytest.mark.usefixtures("view")
@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Linear(4, 2), (1, 4)),
        (nn.Linear(4, 2), (4,)),
        (nn.Linear(4, 2), (0, 4)),
        (nn.Linear(4, 2), ()),
        (nn.Conv2d(3, 2, 3), (3, 5, 5)),
        (nn.LSTM(4, 2), (7, 1, 4)),
    ],
)
def test_one_sample_stays_whole_and_is_said_so(layer: Any, shape: tuple[int, ...]) -> None:
    module = Seen(layer)
    with pytest.warns(UserWarning, match=r"Seen was called with .* every process computes") as said:
        module(torch.zeros(shape))
    assert cut_dim(module.args[0]) is None
    assert said[0].filename == __file__
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("error")
        module(torch.zeros(shape))  # looking at one sample is no matter


@pytest.mark.usefixtures("view")
def test_what_no_tensor_is_found_in() -> None:
    module = Seen(nn.Linear(4, 2))
    with pytest.warns(UserWarning, match=r"with ndarray, in which no tensor is looked for"):
        module(np.zeros((6, 4)))
    packed = nn.utils.rnn.pack_sequence([torch.ones(3, 4), torch.ones(2, 4)])
    with pytest.warns(UserWarning, match=r"with PackedSequence, in which no tensor"):
        module(packed)
    assert module.args[0] is packed
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        module()
        module(3, "text", scale=None)
        Seen(nn.ReLU())(torch.zeros(1, 4))  # nothing to train


@pytest.mark.usefixtures("view")
def test_nested_inputs() -> None:
    module = Seen(nn.Linear(4, 2))
    x, y, scalar, other = normal(6, 4), classes(6), torch.tensor(2.0), normal(5, 4)
    given = {"x": x, "pairs": [Pair(x, y), (y, "text")], "n": 3, "ordered": OrderedDict(a=y)}
    module(given, x, scalar, other, mask=y, weight=module.layer.weight, plain=["a", (1, 2)])
    batch, again, *rest = module.args
    assert given["x"] is x and given["pairs"][0].x is x
    assert batch is not given and cut_dim(batch["x"]) == 0
    assert batch["x"] is again is batch["pairs"][0].x  # what was one tensor is one tensor
    assert isinstance(batch["pairs"][0], Pair) and type(batch["ordered"]) is OrderedDict
    assert [cut_dim(t) for t in (batch["pairs"][0].label, batch["ordered"]["a"])] == [0, 0]
    assert batch["pairs"][1][1] == "text" and batch["n"] == 3
    assert rest[0] is scalar and rest[1] is other
    assert cut_dim(module.kwargs["mask"]) == 0
    assert module.kwargs["weight"] is module.layer.weight


class Sized(tuple[Any, ...]):
    """A tuple that is made of something else, and holds more."""

    def __new__(cls, first: Any, second: Any) -> Sized:
        made = super().__new__(cls, (first, second))
        made.sizes = [len(first)]
        return made

    sizes: list[int]


class Images(list[Any]):
    def __init__(self, *tensors: Any) -> None:
        super().__init__(tensors)
        self.sizes = [len(t) for t in tensors]


@pytest.mark.usefixtures("view")
@pytest.mark.parametrize("kind", [Sized, Images])
def test_containers_of_classes_of_their_own(kind: Any) -> None:
    module = Seen(nn.Linear(4, 2))
    module(kind(normal(6, 4), classes(6)))
    (seen,) = module.args
    assert type(seen) is kind and seen.sizes[0] == 6
    assert [cut_dim(t) for t in seen] == [0, 0]


@pytest.mark.usefixtures("view")
def test_a_batch_in_parts_is_passed_on() -> None:
    first, second = Seen(nn.Linear(4, 2)), Seen(nn.Linear(4, 2))
    first(normal(6, 4))
    extra = normal(6, 4)
    second(first.args[0], [extra])
    assert second.args[0] is first.args[0] and second.args[1][0] is extra


class Writer(nn.Module):
    """Writes to what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(3.0))

    def forward(self, x: Any, batch: Any, rows: Any) -> Any:
        x.mul_(2)
        batch["out"] = batch["x"] * self.scale
        batch["count"] = 7
        del batch["gone"]
        rows.append(rows[0] + 1)
        return batch["out"].sum()


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_what_a_module_writes_reaches_the_caller(ranks: int) -> None:
    def program() -> list[Any]:
        data = normal(9, 4)
        part, rows = data[1:8], [normal(7, 2, seed=1)]
        kept = normal(7, 4, seed=2)
        batch = {"x": kept, "gone": 1}
        module = Writer()
        loss = module(part, batch, rows)
        assert batch["x"] is kept and list(batch) == ["x", "out", "count"] and len(rows) == 2
        loss.backward()
        return [data.numpy(), part.sum().item(), batch["out"].detach().numpy(), rows[1].numpy(),
                module.scale.grad.item()]  # fmt: skip

    want = program()
    for got in on_threads(ranks, program, 3):
        for a, b in zip(got, want, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6)


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_recorded_write(ranks: int) -> None:
    class Scale(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.tensor(3.0))

        def forward(self, x: Any) -> Any:
            x *= self.scale
            return x.sum()

    def program() -> list[float]:
        module, x = Scale(), normal(6, 4)
        loss = module(x)
        (loss + (x * x).sum()).backward()
        return [x.requires_grad, x.sum().item(), module.scale.grad.item()]

    want = program()
    for got in on_threads(ranks, program, 3):
        assert got == pytest.approx(want, rel=1e-5)


@pytest.mark.parametrize("ranks", [1, 2])
def test_what_is_written_after_the_call_parts_no_ranks(ranks: int) -> None:
    def program() -> list[Any]:
        module, x = Seen(nn.Linear(4, 2)), normal(6, 4)
        module(x)
        module.args[0].add_(1)
        return [module.args[0].numpy(), x.numpy()]

    for written, x in on_threads(ranks, program, 3):
        np.testing.assert_array_equal(written, normal(6, 4).numpy() + 1)
        np.testing.assert_array_equal(x, normal(6, 4).numpy())


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_row_of_a_batch_in_parts(ranks: int) -> None:
    """It was gathered, and is a batch like any other."""

    def program() -> list[Any]:
        (x,) = next(iter(loader(normal(4, 6, 8), batch_size=4)))
        module = Seen(nn.Linear(8, 2))
        module(x[1])
        dim = cut_dim(module.args[0]) if global_view.current() else 0
        layer = built(lambda: nn.Sequential(nn.ReLU(inplace=True), nn.Linear(8, 2)))
        layer(x[2]).sum().backward()
        F.mse_loss(layer(x.reshape(8, 3, 8)[1]), torch.ones(3, 2)).backward()
        return [dim, layer[1].weight.grad.numpy(), x.numpy()]

    want = program()
    for got in on_threads(ranks, program, 3):
        for a, b in zip(got, want, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.usefixtures("view")
def test_a_batch_that_is_changed_before_backward_is_noticed() -> None:
    module, x = nn.Linear(4, 2), normal(6, 4)
    loss = module(x).sum()
    x.zero_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_modules_that_are_gone_are_forgotten(view: Any) -> None:
    for _ in range(3):
        nn.Linear(4, 2)(normal(6, 4))
    assert len(view.roots) <= 1


def test_threads_have_views_of_their_own() -> None:
    assert dist.run_local(2, lambda rank: global_view.current()) == [None, None]
