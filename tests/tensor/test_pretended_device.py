"""Functions over the records, in-place writes, random numbers and training on the pretended CuPy.

Reference: the same call on the CPU. Run: pytest tests/tensor/test_pretended_device.py
"""

from __future__ import annotations

import copy
import io
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import isograd as torch
from isograd import nn
from isograd.nn import functional as F
from tests.tensor import pretend_cupy


@pytest.fixture(scope="module", autouse=True)
def _cuda() -> Iterator[None]:
    with pretend_cupy.pretended():
        yield


X = np.random.default_rng(3).normal(size=(4, 6)).astype(np.float32)
N = np.random.default_rng(4).integers(0, 5, (4, 6))
M = X > 0

CALLS: dict[str, Callable[..., Any]] = {
    "all any": lambda x, n, m: (m.all(1), m.any(0), m.all(), x.any()),
    "arg": lambda x, n, m: (x.argmax(), x.argmin(1), m.int().argmax(0), x.argsort(1)),
    "sort": lambda x, n, m: (*x.sort(0), *n.sort(1, stable=True), *x.sort(1, descending=True)),
    "topk": lambda x, n, m: (*x.topk(2), *x.topk(3, dim=0, largest=False)),
    "kth": lambda x, n, m: (*x.kthvalue(2), *x.median(1), *n.mode(1), x.median()),
    "cum": lambda x, n, m: (*x.cummax(1), *x.cummin(0), x.cumsum(0), n.cumprod(1)),
    "unique": lambda x, n, m: (
        torch.unique(n), *torch.unique(n, return_inverse=True, return_counts=True),
        torch.unique(n, dim=0), *torch.unique_consecutive(n.flatten(), return_counts=True),
    ),
    "count": lambda x, n, m: (
        torch.bincount(n.flatten(), minlength=7), torch.histc(x, 5, -2, 2), m.count_nonzero(0),
        torch.count_nonzero(x), *torch.histogram(x.cpu(), 4),
    ),
    "nonzero": lambda x, n, m: (m.nonzero(), *torch.nonzero(m, as_tuple=True), torch.argwhere(m)),
    "masks": lambda x, n, m: (x[m], x.masked_select(m), x.masked_fill(m, 2.0), x.where(m, -x)),
    "search": lambda x, n, m: (
        torch.searchsorted(x.sort(1)[0], x), torch.bucketize(x, x[0].sort()[0]),
        torch.isin(n, n[0, :2]), torch.isin(n, 3),
    ),
    "one hot": lambda x, n, m: (F.one_hot(n), F.one_hot(n, 9)),
    "index": lambda x, n, m: (
        x[1], x[:, -1], x[::2, 1:4], x[n[:, 0].clamp(max=3)], x[n[:2, 0] % 4, n[:2, 1]], x[[0, 2]],
        x[..., None, 2], x[n[0] % 4, :, None], x[m[:, 0]], x.take(n), x[torch.tensor([1, 2])],
        x[np.array([0, 3])], x[:, [1, 1]],
    ),
    "where": lambda x, n, m: (
        torch.where(m, x, 0.0), torch.where(m, 1, n), torch.where(x > 0, x, x * 2),
    ),
    "mixed": lambda x, n, m: (
        x + n, n + 1, n / 2, n * 2.5, x + True, 1 - x, 2 ** n, n**2, x // 0.3, x % 0.7, n // 2,
        n % 3, -n, ~m, ~n, m & (n > 2), n << 1, n >> 1, n ^ 3, x > 0, n == 2, 3 < n, m + m, m * x,
        abs(x), x**2, x**-1, x**0.5, x == x, divmod(n, 2)[0] if hasattr(n, "__divmod__") else n,
        x + np.float32(2), x * torch.tensor(2.0), torch.tensor(3.0, dtype=torch.float64) * x,
    ),
    "reduce": lambda x, n, m: (
        x.sum(), n.sum(0), m.sum(), x.mean((0, 1)), x.prod(1), x.var(0), x.std(), x.amax(1),
        *x.max(1), x.min(), x.norm(), x.norm(1, dim=0), x.logsumexp(1), n.max(), m.max(),
        x.half().sum(), x.bfloat16().sum(1), x.bfloat16().mean(), n.float().mean(), x.aminmax()[0],
        x.nansum(), x[:0].sum(0), x.quantile(0.3), x.quantile(0.5, dim=1),
    ),
    "shape": lambda x, n, m: (
        x.t(), x.reshape(2, 12), x.flatten(), x.expand(2, 4, 6), x.repeat(2, 1), x.roll(1, 0),
        x.flip(1), x.unfold(1, 3, 2), *x.split(2), *x.chunk(3, 1), torch.cat([x, x]), x.tril(),
        torch.stack([x, x], 1), x.diagonal(), x.diag_embed(), x[0].diag(), x.movedim(0, 1),
        x.repeat_interleave(2, 1), torch.repeat_interleave(x, n[:, 0], 0), x.unsqueeze(0),
        torch.meshgrid(x[0], x[1], indexing="ij")[0], x.as_strided((2, 3), (6, 1)), x.triu(1),
        torch.tril_indices(3, 3, device=x.device), torch.block_diag(x, x), x.rot90(),
    ),
    "scatter": lambda x, n, m: (
        x.gather(1, n), x.scatter(1, n, -x), x.scatter_add(1, n, x), x.index_select(0, n[0] % 4),
        x.index_add(0, n[0, :2] % 4, x[:2]), x.index_copy(0, n[0, :1] % 4, x[:1]),
        x.index_fill(1, n[0, :2], 7.0), x.scatter_reduce(1, n, x, "amax"),
        x.scatter_reduce(1, n, x, "mean"), x.index_put((n[0, :2] % 4,), x[:2], accumulate=True),
        x.masked_scatter(m, x * 2), x.take_along_dim(n, 1),
    ),
    "casts": lambda x, n, m: (
        x.half(), x.bfloat16(), x.bfloat16().float(), x.double(), x.long(), x.bool(), n.float(),
        n.bool(), m.float(), x.to(torch.complex64), x.bfloat16() * 2.0, x.bfloat16() + x,
        x.half() + 1, x.bfloat16() @ x.bfloat16().t(), x.bfloat16() > 0, -x.bfloat16(),
        torch.maximum(x.bfloat16(), x.bfloat16() * 0), x.bfloat16().exp(), x.half().softmax(1),
        x.view(torch.int32), x.bfloat16().clamp(-1, 1), x.bfloat16().sort(1)[0],
        x.bfloat16().argmax(1), x.bfloat16().cumsum(1), x.bfloat16()[m], x.bfloat16().max(1)[0],
        torch.where(m, x.bfloat16(), 0.0), x.bfloat16() == x.bfloat16(), x.bfloat16().isnan(),
        x.half().abs(), x.bfloat16().gather(1, n), x.bfloat16().floor(), x.bfloat16().topk(2)[0],
    ),
    "complex": lambda x, n, m: (
        torch.complex(x, x).abs(), torch.complex(x, -x).angle(), torch.view_as_real(x + 1j * x),
        (x + 2j * x).conj(), (x + 1j).real, (x * 1j).imag, torch.polar(x.abs(), x),
    ),
    "matrices": lambda x, n, m: (
        x @ x.t(), torch.einsum("ij,kj->ik", x, x), x.mv(x[0]), x[0].dot(x[1]),
        torch.outer(x[0], x[1]),
        torch.bmm(x[None], x.t()[None]), torch.addmm(x @ x.t(), x, x.t()), torch.cdist(x, x),
        torch.linalg.inv(x[:, :4]), torch.linalg.solve(x[:, :4], x[:, 4]), torch.det(x[:, :4]),
        torch.linalg.matrix_norm(x), x.trace() if x.shape[0] == x.shape[1] else x,
        torch.linalg.cholesky(x @ x.t() + torch.eye(4, device=x.device)), torch.kron(x, x),
    ),
    "functional": lambda x, n, m: (
        F.softmax(x, 1), F.log_softmax(x, 0), F.gelu(x), F.silu(x), F.cross_entropy(x, n[:, 0]),
        F.mse_loss(x, x * 2), F.layer_norm(x, (6,)), F.embedding(n, x.repeat(2, 1)),
        F.normalize(x), F.pad(x, (1, 2)), F.nll_loss(F.log_softmax(x, 1), n[:, 0]),
        F.binary_cross_entropy_with_logits(x, m.float()), F.smooth_l1_loss(x, -x), F.relu(x),
        F.conv1d(x[None], x[None, :, :3].permute(1, 0, 2).expand(4, 4, 3)),
        F.max_pool1d(x[None], 2), F.avg_pool1d(x[None], 3), F.interpolate(x[None], scale_factor=2),
        F.scaled_dot_product_attention(x[None], x[None], x[None]),
        F.kl_div(x, m.float(), reduction="batchmean"),
        F.cosine_similarity(x, -x), F.one_hot(n), F.softplus(x), F.elu(x), F.dropout(x, 0.5, False),
    ),
    "creation": lambda x, n, m: (
        torch.zeros(2, 3, device=x.device), torch.full((2,), 7, device=x.device),
        torch.arange(5, device=x.device), torch.linspace(0, 1, 4, device=x.device),
        torch.eye(3, device=x.device), torch.zeros_like(x), torch.ones_like(n), x.new_zeros(3),
        torch.tensor([1.5, 2], device=x.device), x.new_tensor([1, 2]), torch.full_like(x.t(), 2),
        torch.empty_like(x).fill_(1), x.new_full((2,), 3.5), torch.as_tensor([1], device=x.device),
    ),
    "numbers": lambda x, n, m: (
        torch.tensor([x.sum().item(), float(x[0, 0]), int(n[0, 0]), float(bool(m[0, 0]))]),
        torch.tensor(x.tolist()), torch.tensor(len(x)),
        torch.tensor([torch.allclose(x, x), torch.equal(n, n), x.isnan().any().item()]),
    ),
    "nan": lambda x, n, m: (
        (x / 0).nan_to_num(), (x / 0).isinf(), torch.nanmean(x), torch.fmax(x, x / 0 * 0),
        x.clamp(min=0), x.clamp(x[0], x[1].abs() + 5), x.sign(), x.signbit(),
        torch.lerp(x, -x, 0.3),
        torch.addcmul(x, x, x), torch.hypot(x, x), torch.atan2(x, x), x.frac(), x.round(decimals=1),
    ),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", CALLS)
def test_calls(name: str) -> None:
    call = CALLS[name]
    want = call(*(torch.tensor(v) for v in (X, N, M)))
    got = call(*(torch.tensor(v, device="cuda") for v in (X, N, M)))
    for k, (a, b) in enumerate(zip(want, got, strict=True)):
        assert a.dtype is b.dtype and a.shape == b.shape, k
        x, y = (t.float() if t.dtype in (torch.half, torch.bfloat16) else t for t in (a, b))
        np.testing.assert_allclose(y.cpu().numpy(), x.numpy(), 2e-5, 1e-5, err_msg=str(k))


WRITES: dict[str, Callable[[Any], Any]] = {
    "view": lambda x: x[1].add_(1),
    "slice": lambda x: x[:, 1:3].mul_(2),
    "item": lambda x: x.__setitem__((0, 1), 5.0),
    "row": lambda x: x.__setitem__(2, x[1] * 2),
    "mask": lambda x: x.__setitem__(x > 0, 0.5),
    "mask values": lambda x: x.__setitem__(x > 0, -x[x > 0]),
    "list": lambda x: x.__setitem__([0, 2], 1.0),
    "strided": lambda x: x.as_strided((3, 2), (6, 1)).fill_(9),
    "transposed": lambda x: x.t().copy_(torch.arange(24.0).reshape(6, 4).to(x.device)),
    "diagonal": lambda x: x.diagonal().zero_(),
    "unfolded": lambda x: x.unfold(1, 2, 2)[0].fill_(3),
    "expanded": lambda x: x.add_(x[:1].expand(4, 6)),
    "clamp": lambda x: x.clamp_(-0.5, 0.5).sub_(1).div_(3).neg_(),
    "index_add": lambda x: x.index_add_(0, torch.tensor([1, 1], device=x.device), x[:2].clone()),
    "scatter": lambda x: x.scatter_(1, torch.zeros(4, 1, dtype=torch.int64, device=x.device), 4.0),
    "masked_fill": lambda x: x.masked_fill_(x < 0, 0),
    "relu": lambda x: x.relu_(),
    "bfloat16": lambda x: x.bfloat16().add_(x).mul_(2).copy_(x),
    "host scalar": lambda x: x.add_(torch.tensor(2.0)),
}


@pytest.mark.parametrize("name", WRITES)
@pytest.mark.parametrize("graph", [False, True])
def test_writes_reach_the_memory_and_the_graph(name: str, graph: bool) -> None:
    results = []
    for where in ("cpu", "cuda"):
        leaf = torch.tensor(X, device=where).requires_grad_(graph)
        x = leaf * 1.0
        WRITES[name](x)
        if graph:
            (x * x).sum().backward()
        results.append([x.detach().cpu().numpy(), leaf.grad.cpu().numpy() if graph else None])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(b, a, 1e-5) if a is not None else None


def test_views_share_versions() -> None:
    """A view is known as one, also where CuPy does not say so (as_strided)."""
    x = torch.ones(4, 6, device="cuda")
    for view in (x[0], x.t(), x.as_strided((2, 2), (6, 1)), x.unfold(0, 2, 1), x.expand(2, 4, 6)):
        assert view._base is x
        before = x._version
        view._bump()
        assert x._version == before + 1
    assert x.clone()._base is None


OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "plain sgd": lambda p: torch.optim.SGD(p, 0.1),
    "adam": lambda p: torch.optim.Adam(p, 0.01),
    "amsgrad": lambda p: torch.optim.Adam(p, 0.01, amsgrad=True),
    "adamw": lambda p: torch.optim.AdamW(p, 0.01),
    "rmsprop": lambda p: torch.optim.RMSprop(p, 0.01, momentum=0.5, centered=True),
    "adagrad": lambda p: torch.optim.Adagrad(p, 0.1),
    "adadelta": lambda p: torch.optim.Adadelta(p),
    "adamax": lambda p: torch.optim.Adamax(p),
    "nadam": lambda p: torch.optim.NAdam(p),
    "radam": lambda p: torch.optim.RAdam(p),
    "rprop": lambda p: torch.optim.Rprop(p),
    "asgd": lambda p: torch.optim.ASGD(p),
    "lbfgs": lambda p: torch.optim.LBFGS(p),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_training(name: str, dtype: str) -> None:
    d = getattr(torch, dtype)
    torch.manual_seed(0)
    first = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3)).to(d)
    losses = []
    for where in ("cpu", "cuda"):
        model = copy.deepcopy(first).to(where)
        optimizer = OPTIMIZERS[name](model.parameters())
        x, y = torch.tensor(X, device=where).to(d), torch.tensor(N[:, 0] % 3, device=where)
        seen = []

        def closure(model: Any = model, optimizer: Any = optimizer, x: Any = x, y: Any = y) -> Any:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            return loss

        for _ in range(4):
            seen.append(optimizer.step(closure).item())
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        saved = io.BytesIO()
        if hasattr(torch, "save"):
            torch.save(model.state_dict(), saved)
        losses.append(seen)
    np.testing.assert_allclose(losses[1], losses[0], 1e-4 if dtype == "float32" else 1e-9)


def test_an_eager_step_never_waits() -> None:
    """Forward, backward and update of a small network ask nothing of the device."""
    model = nn.Sequential(nn.Linear(6, 8), nn.LayerNorm(8), nn.GELU(), nn.Linear(8, 5)).cuda()
    table = nn.Embedding(5, 6).cuda()
    optimizer = torch.optim.AdamW([*model.parameters(), *table.parameters()], 1e-3)
    n = torch.tensor(N[:, 0], device="cuda")
    pretend_cupy.waits.clear()
    for _ in range(2):
        optimizer.zero_grad()
        F.cross_entropy(model(table(n)), n).backward()
        optimizer.step()
    assert pretend_cupy.waits == []


def test_random_numbers() -> None:
    """Draws on the device: by shape, in range, the same for the same seed."""
    draws = []
    for _ in range(2):
        torch.manual_seed(5)
        x = torch.rand(100, device="cuda")
        z = torch.randn(3, 5, device="cuda", dtype=torch.float64)
        n = torch.randint(0, 9, (20,), device="cuda")
        p = torch.randperm(7, device="cuda")
        e = torch.empty(50, device="cuda").uniform_(-1, 1)
        g = torch.empty(4, 4, device="cuda").normal_()
        b = torch.bernoulli(torch.full((30,), 0.4, device="cuda"))
        m = torch.multinomial(torch.ones(6, device="cuda"), 3)
        k = F.dropout(torch.ones(64, device="cuda"), 0.5)
        listed = [x, z, n, p, e, g, b, m, k, torch.rand_like(x), torch.randn(2, 2, device="cuda")]
        assert all(t.is_cuda for t in listed)
        draws.append([t.cpu().numpy() for t in listed])
    for a, b in zip(*draws, strict=True):
        np.testing.assert_array_equal(a, b)
    assert 0 <= draws[0][0].min() and draws[0][0].max() < 1
    assert sorted(draws[0][3].tolist()) == list(range(7))


def test_text_and_moves() -> None:
    x = torch.ones(2, device="cuda")
    assert "device='cuda:0'" in repr(x)
    assert x.to("cpu").device.type == "cpu" and x.cpu().cuda().is_cuda
    assert x.to("cuda") is x and x.cuda() is x
    with pytest.raises(TypeError, match="cpu"):
        x.numpy()
    with pytest.raises(RuntimeError, match="same device"):
        x + torch.ones(2)
