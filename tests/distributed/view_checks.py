"""Programs for one device, and what they must give under a global view of any number of ranks.

Every program returns numbers and arrays. Threads that play ranks share the default generator, so
programs take their values from NumPy and build modules under a lock.

Subclasses of `ViewChecks` give `ranks` and `run(program, shards)`: the program on every rank; the
results of the ranks this process has come back as ``[(rank, result), ...]``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import isograd as torch
import isograd.distributed as dist
import isograd.nn.functional as F
from isograd import nn
from isograd.data import DataLoader, TensorDataset
from isograd.distributed import global_view
from isograd.distributed.group import default_group

SEEDED = threading.RLock()


def built(make: Callable[[], Any], seed: int = 0) -> Any:
    with SEEDED:
        torch.manual_seed(seed)
        return make()


def normal(*shape: int, seed: int = 0) -> Any:
    values = np.random.default_rng(seed).standard_normal(shape)
    return torch.from_numpy(values.astype(np.float32))


def classes(*shape: int, n: int = 4, seed: int = 1) -> Any:
    return torch.from_numpy(np.random.default_rng(seed).integers(0, n, shape))


def loader(*tensors: Any, batch_size: int) -> DataLoader:
    """With a generator of its own: a draw would come between another thread's."""
    return DataLoader(TensorDataset(*tensors), batch_size, generator=torch.Generator())


def state(*modules: Any) -> list[np.ndarray]:
    return [t.detach().numpy().copy() for m in modules for t in m.state_dict().values()]


def mlp() -> Any:
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))


def in_view(
    program: Callable[[], Any], shards: int | None = None, positions: list[int] | None = None
) -> Any:
    """The program's result under a view over the default group."""
    view = global_view.start_in(default_group(), shards)
    try:
        if positions is not None:
            positions.append(view.positions)
        return program()
    finally:
        global_view.stop()


def on_threads(ranks: int, program: Callable[[], Any], shards: int | None = None) -> list[Any]:
    return dist.run_local(ranks, lambda rank: in_view(program, shards), timeout=30)


# -- programs


def classifier() -> list[Any]:
    """Batches sliced by hand, the last one short; the loss and the number of hits are read."""
    x, y = normal(40, 8), classes(40)
    model = built(lambda: nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(),
                                        nn.Linear(16, 4)))  # fmt: skip
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    said: list[Any] = []
    for start in range(0, 40, 9):
        optimizer.zero_grad()
        out = model(x[start : start + 9])
        loss = F.cross_entropy(out, y[start : start + 9])
        loss.backward()
        optimizer.step()
        pred = out.argmax(dim=1)
        said += [loss.item(), (pred == y[start : start + 9]).sum().item()]
    model.eval()
    with torch.no_grad():
        out = model(x)
        top = torch.max(out, 1)[1]
        said.append(F.cross_entropy(out, y, reduction="sum").item())
        said.append(top.eq(y.view_as(top)).float().mean().item())
    return said + state(model)


def images() -> list[Any]:
    """From a loader: batches are cut already."""
    model = built(
        lambda: nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
                              nn.Flatten(), nn.Linear(36, 4))
    )  # fmt: skip
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    data = loader(normal(25, 1, 8, 8), classes(25), batch_size=8)
    said: list[Any] = []
    total = 0.0
    for x, y in data:  # the last batch is of one sample
        optimizer.zero_grad()
        loss = nn.CrossEntropyLoss()(model(x), y)
        loss.backward()
        optimizer.step()
        total += loss.item() * x.size(0)
        said += [x.size(0), loss.item()]
    return [*said, total / len(data.dataset), *state(model)]


class Recurrent(nn.Module):
    def __init__(self, batch_first: bool) -> None:
        super().__init__()
        self.batch_dim = 0 if batch_first else 1
        self.embed = nn.Embedding(4, 6)
        self.rnn = nn.LSTM(6, 7, batch_first=batch_first)
        self.out = nn.Linear(7, 4)

    def forward(self, x: Any, hidden: Any = None) -> Any:
        if hidden is None:
            hidden = tuple(torch.zeros(1, x.size(self.batch_dim), 7) for _ in range(2))
        out, hidden = self.rnn(self.embed(x), hidden)
        return self.out(out), hidden


def recurrent(batch_first: bool, batch: int) -> list[Any]:
    """Hidden states go on from batch to batch; gradients are clipped."""
    model = built(lambda: Recurrent(batch_first))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    said: list[Any] = []
    hidden = None
    for step in range(3):
        x = classes(batch, 5, seed=step)
        x = x if batch_first else x.t()
        out, hidden = model(x, hidden)
        hidden = tuple(h.detach() for h in hidden)
        loss = F.cross_entropy(out.reshape(-1, 4), x.reshape(-1))
        optimizer.zero_grad()
        loss.backward()
        said.append(nn.utils.clip_grad_norm_(model.parameters(), 0.5).item())
        optimizer.step()
        said.append(loss.item())
    return said + [h.numpy() for h in hidden or ()] + state(model)


def two_roots() -> list[Any]:
    """A generator and a discriminator."""
    maker = built(lambda: nn.Sequential(nn.Linear(3, 8, bias=False), nn.BatchNorm1d(8), nn.ReLU(),
                                        nn.Linear(8, 2)))  # fmt: skip
    judge = built(lambda: nn.Sequential(nn.Linear(2, 8), nn.LeakyReLU(0.2), nn.Linear(8, 1),
                                        nn.Sigmoid()), 1)  # fmt: skip
    of_maker = torch.optim.Adam(maker.parameters(), 1e-2)
    of_judge = torch.optim.Adam(judge.parameters(), 1e-2)
    bce = nn.BCELoss()
    said: list[Any] = []
    for i in range(3):
        real, noise = normal(9, 2, seed=i), normal(9, 3, seed=10 + i)
        of_judge.zero_grad()
        true = bce(judge(real), torch.ones(9, 1))
        true.backward()
        made = maker(noise)
        false = bce(judge(made.detach()), torch.zeros(9, 1))
        false.backward()
        of_judge.step()
        of_maker.zero_grad()
        fooled = bce(judge(made), torch.ones(9, 1))
        fooled.backward()
        of_maker.step()
        said += [true.item(), false.item(), fooled.item()]
    maker.eval()
    with torch.no_grad():
        sample = maker(normal(5, 3, seed=77))
    return [*said, sample.numpy(), *state(maker, judge)]


def attention(batch_first: bool) -> list[Any]:
    layer = built(
        lambda: nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=batch_first)
    )
    x = normal(5, 6, 8) if batch_first else normal(6, 5, 8)
    mask = torch.triu(torch.full((6, 6), float("-inf")), 1)
    loss = layer(x, mask).pow(2).mean()
    loss.backward()
    return [loss.item()] + [p.grad.numpy() for p in layer.parameters()]


def data_parallel() -> list[Any]:
    """As people write it, saved by ``.module``."""
    model = nn.DataParallel(built(mlp))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for step in range(3):
        optimizer.zero_grad()
        nn.MSELoss()(model(normal(6, 8, seed=step)), normal(6, 4, seed=step)).backward()
        optimizer.step()
    return state(model.module) + state(model)


def no_module() -> list[Any]:
    """Functions alone: every process computes all."""
    x = normal(12, 8)
    w = torch.zeros(8, requires_grad=True)
    for _ in range(3):
        loss = ((x @ w - x.sum(1)) ** 2).mean()
        loss.backward()
        with torch.no_grad():
            w -= 0.1 * w.grad
        w.grad.zero_()
    return [loss.item(), w.detach().numpy()]


def adversary() -> list[Any]:
    """The gradient of a hand-made input."""
    model = built(mlp)
    x = normal(7, 8).requires_grad_()
    F.cross_entropy(model(x), classes(7)).backward()
    shifted = (x + 0.1 * x.grad.sign()).detach()
    return [x.grad.numpy(), F.cross_entropy(model(shifted), classes(7)).item()]


def accumulation() -> list[Any]:
    model = built(mlp)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    said: list[Any] = []
    for i in range(8):
        loss = F.cross_entropy(model(normal(5, 8, seed=i)), classes(5, seed=i)) / 4
        loss.backward()
        said.append(loss.item())
        if i % 4 == 3:
            optimizer.step()
            optimizer.zero_grad()
    return said + state(model)


def step_in_hooks() -> list[Any]:
    """Every parameter is stepped as soon as its gradient has come."""
    model = built(mlp)
    optimizers = {p: torch.optim.SGD([p], lr=0.1) for p in model.parameters()}

    def hook(p: Any) -> None:
        optimizers[p].step()
        optimizers[p].zero_grad()

    for p in model.parameters():
        p.register_post_accumulate_grad_hook(hook)
    said = []
    for _ in range(4):
        loss = F.cross_entropy(model(normal(7, 8)), classes(7))
        loss.backward()
        said.append(loss.item())
    return said + state(model)


def failed_backward() -> list[Any]:
    """A backward pass that raises in the middle leaves nothing behind."""
    model = built(mlp)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    said = []
    for step in range(5):
        loss = F.cross_entropy(model(normal(7, 8, seed=step)), classes(7))
        if step == 2:
            handle = model[0].weight.register_hook(lambda g: [][1])
            with pytest.raises(IndexError):
                loss.backward()
            handle.remove()
        else:
            loss.backward()
            optimizer.step()
            said.append(loss.item())
        optimizer.zero_grad()
    return said + state(model)


PROGRAMS: dict[str, Callable[[], list[Any]]] = {
    "classifier": classifier,
    "images": images,
    "batch first": lambda: recurrent(True, 12),
    "steps first": lambda: recurrent(False, 12),
    "fewer rows than positions": lambda: recurrent(True, 3),
    "two roots": two_roots,
    "attention": lambda: attention(True),
    "attention, steps first": lambda: attention(False),
    "DataParallel": data_parallel,
    "no module": no_module,
    "adversary": adversary,
    "accumulation": accumulation,
    "step in hooks": step_in_hooks,
    "failed backward": failed_backward,
}


def assert_near(got: list[Any], want: list[Any]) -> None:
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


def assert_equal(got: list[Any], want: list[Any]) -> None:
    for a, b in zip(got, want, strict=True):
        np.testing.assert_array_equal(a, b)


class ViewChecks:
    ranks: int

    def run(self, program: Callable[[], Any], shards: int | None = None) -> list[tuple[int, Any]]:
        raise NotImplementedError

    @pytest.mark.parametrize("name", PROGRAMS)
    def test_numbers_are_those_of_one_process(self, name: str) -> None:
        want = PROGRAMS[name]()
        for _, got in self.run(PROGRAMS[name]):
            assert_near(got, want)

    @pytest.mark.parametrize("name", PROGRAMS)
    def test_with_shards_they_are_the_same_bits(self, name: str) -> None:
        (want,) = on_threads(1, PROGRAMS[name], 5)
        assert_near(want, PROGRAMS[name]())
        for _, got in self.run(PROGRAMS[name], 5):
            assert_equal(got, want)

    def test_an_empty_loader_and_single_samples(self) -> None:
        def program() -> list[Any]:
            model = built(mlp)
            empty = loader(normal(0, 8), classes(0), batch_size=4)
            seen = [len(empty), len(list(empty))]
            for x, y in loader(normal(3, 8), classes(3), batch_size=1):
                F.cross_entropy(model(x), y).backward()
            return seen + [p.grad.numpy() for p in model.parameters()]

        want = program()
        for shards in (None, 5):
            for _, got in self.run(program, shards):
                assert_near(got, want)

    def test_values_out(self) -> None:
        """Everything that looks at a cut batch sees all of it, on every rank."""

        def program() -> list[Any]:
            ((x, y),) = loader(normal(11, 3), torch.arange(11), batch_size=11)
            picked = [x[i].tolist() for i in (0, 3, 10, -1)]
            sliced = [x[2:7].tolist(), x[::3].tolist(), x[-2:].tolist(), x[:, 1].tolist()]
            listed = [x[[1, 9, 3]].tolist(), x[torch.tensor([4, 4, 0])].tolist(), x[5:5].shape]
            masked = [x[y % 2 == 0].tolist(), x[x > 0].tolist(), y[y > 100].tolist()]
            walked = [row.tolist() for row in x] + [(a[0].item(), int(b)) for a, b in zip(x, y)]
            parts = [t.tolist() for t in (*x.split(4), *x.chunk(3), *x.unbind(0))]
            joined = [torch.stack(list(x)).tolist(), torch.cat([x, x[:2]]).tolist()]
            asked = [len(x), x.shape, x.size(0), x.numel(), x.stride(), x.is_contiguous(), 3 in y]
            arrays = [x.numpy().tolist(), np.asarray(y).tolist(), np.max(x.numpy()), y.tolist()]
            texts = [f"{x} {y[3]} {y.max()}", repr(x[2]), f"{x[3, 1]:.3f}", format(y.max())]
            asks = [
                bool((y > 3).any()),
                list(range(y[4])),
                max(y).item(),
                (y == 5).nonzero().tolist(),
            ]
            x[3], x[:, 0], x[y > 6] = 7.0, 1.0, -1.0
            return [picked, sliced, listed, masked, walked, parts, joined, asked, arrays, texts,
                    asks, x.tolist()]  # fmt: skip

        want = repr(program())
        for shards in (None, 5):
            for _, got in self.run(program, shards):
                assert repr(got) == want
