"""The lines that random programs are made of, family by family (see `program_draws`)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tests.distributed.tensor.program_draws import Draw, line

__all__: list[str] = []


# -- elements

UNARY = [
    "torch.tanh({x})", "{x}.sin()", "torch.sigmoid({x})", "{x}.abs()", "-{x}", "{x} ** 2",
    "F.softplus({x})", "F.gelu({x})", "F.relu({x})", "F.leaky_relu({x}, 0.1)", "torch.erf({x})",
    "1 / (1 + {x} * {x})", "({x} * {x} + 1).sqrt()", "torch.log({x} * {x} + 0.5)", "{x}.cos()",
    "(-{x}.abs()).exp()", "{x}.float().double()", "{x}.clone()", "1.5 - {x}", "2 * {x} + 1",
    "{x}.clamp(-0.5, 0.75)", "{x}.detach()", "F.silu({x})", "{x}.contiguous() * 1",
    "torch.zeros_like({x})", "torch.ones_like({x}) * {x}", "{x}.new_zeros({x}.shape) + {x}",
    "F.elu({x})", "{x}.round()", "torch.nan_to_num({x})", "{x}.pow(3)", "F.hardtanh({x})",
]  # fmt: skip
BINARY = [
    "{a} + {b}", "{a} - {b}", "{a} * {b}", "{a} / ({b} * {b} + 1)", "{b} - {a}", "{b} * {a}",
    "torch.add({a}, {b}, alpha=2)", "{a}.lerp({a} + 1, 0.3) + {b}",
    "torch.where({a} > 0, {a}, {b})",
    "torch.where({a} > {b}, {a}, 0.0)", "{a}.masked_fill({a} < 0, 0.25) * {b}",
]  # fmt: skip
PAIRS = [
    "torch.maximum({a}, {b})", "torch.minimum({a}, {b})", "torch.hypot({a}, {b})",
    "torch.atan2({a}, {b} * {b} + 1)", "torch.addcmul({a}, {b}, {a}, value=0.5)",
    "F.mse_loss({a}, ({b}).expand_as({a}))", "torch.broadcast_tensors({a}, {b})[0]",
]  # fmt: skip


@line(3)
def unary(d: Draw) -> str:
    return str(d.pick(UNARY)).format(x=d.var())


@line(4)
def binary(d: Draw) -> str | None:
    a = d.var()
    b = d.beside(a)
    if not b[-1].isdigit() or b[0].isalpha():
        return str(d.pick(BINARY + PAIRS)).format(a=a, b=b)
    return str(d.pick(BINARY)).format(a=a, b=b)


@line()
def logic(d: Draw) -> str:
    a = d.var()
    return str(
        d.pick([
            f"{a} > 0.1", f"{a} <= 0", f"({a} > 0) & ({a} < 1)", f"~({a} > 0)",
            f"({a} != 0).double() * {a}", f"({a} * 3).long()", f"torch.isfinite({a})",
        ])
    )  # fmt: skip


@line(0.5)
def of_integers(d: Draw) -> str:
    a = d.var(kinds="iub")
    return str(
        d.pick([
            f"{a}.double()", f"{a}.sum()", f"({a} == 1).sum()", f"{a}.long() * 2 - 1",
            f"({a} > 0).double().mean()", f"{a}.long() % 3",
        ])
    )  # fmt: skip


# -- reductions


@line(3)
def reduction(d: Draw) -> str:
    x = d.full(1)
    name = d.pick(["sum", "mean", "amax", "amin", "logsumexp", "var", "std", "sum", "mean"])
    shape = d.shape(x)
    if name == "logsumexp" or d.chance(0.7):
        dims = d.dims(x)
        if name in ("var", "std") and math.prod(
            shape[i] for i in np.atleast_1d(eval(dims)).tolist()
        ) < 2:  # fmt: skip
            return f"{x}.sum({dims})"
        return f"{x}.{name}({dims}, keepdim={d.chance()})"
    return f"{x}.{name}()" if math.prod(shape) > 1 else f"{x}.sum()"


@line()
def extremes(d: Draw) -> str:
    x = d.full()
    name = d.pick(["max", "min", "argmax", "argmin", "median"])
    if name == "median":
        return f"{x}.median({d.dim(x)}).values"
    if name.startswith("arg"):
        return d.pick([f"{x}.{name}()", f"{x}.{name}({d.dim(x)}, keepdim={d.chance()})"])
    return d.pick([f"{x}.{name}()", f"{x}.{name}({d.dim(x)}, keepdim={d.chance()}).values"])


@line()
def other_reductions(d: Draw) -> str:
    x = d.full()
    return str(
        d.pick([
            f"{x}.prod({d.dim(x)})", f"({x} + 2).norm()", f"({x} + 2).norm(2, {d.dim(x)})",
            f"({x} > 0).all({d.dim(x)})", f"({x} > 0).any()", f"({x} > 0).sum({d.dim(x)})",
            f"torch.count_nonzero({x} > 0)", f"{x}.sum_to_size({x}.shape)", f"{x}.trace()"
            if len(d.shape(x)) == 2 else f"{x}.sum()",
            f"torch.linalg.vector_norm({x} + 2, dim={d.dim(x)})",
        ])
    )  # fmt: skip


@line(0.7)
def numbers_out(d: Draw) -> str:
    """A number that the script looks at, and computes with."""
    x, y = d.full(), d.var()
    return str(
        d.pick([
            f"{y} * {x}.mean().item()", f"{y} + float({x}.sum())",
            f"{y} * int(({x} > 0).sum())", f"{y} / {x}.size(0)", f"{y} + len({x})",
            f"{y} * ({x}.detach().numpy().mean() > 0.0371)",
            f"{y} * 2 if bool(({x} > 0).any()) else {y} - 1",
        ])
    )  # fmt: skip


# -- shapes


@line(2)
def reshape(d: Draw) -> str | None:
    x = d.var(0, 4)
    shape = list(d.shape(x))
    if shape and 0 in shape:
        return f"{x}.reshape(-1)" if shape.count(0) == 1 and len(shape) == 1 else f"{x}.flatten()"
    if not d.env[x].is_contiguous():  # whether the result is a view would be left open
        x = f"{x}.clone()"
    n, new = math.prod(shape), []
    for _ in range(d.number(0, 3)):
        some = d.pick([k for k in range(1, n + 1) if n % k == 0])
        new.append(some)
        n //= some
    new.append(n)
    d.rng.shuffle(new)
    if d.chance(0.3) and 0 not in new:
        new[d.number(0, len(new) - 1)] = -1
    if d.chance(0.4) and len(shape) > 1:  # merge two neighbours
        i = d.number(0, len(shape) - 2)
        return f"{x}.flatten({i}, {i + 1})"
    if d.chance(0.3):
        return f"{x}.clone().view({', '.join(map(str, new))})"
    return f"{x}.reshape({', '.join(map(str, new))})"


@line(3)
def rearrange(d: Draw) -> str | None:
    x = d.var(1)
    shape = d.shape(x)
    rank = len(shape)
    order = [int(i) for i in d.rng.permutation(rank)]
    ones = [i for i, n in enumerate(shape) if n == 1]
    at, other = d.dim(x), d.dim(x)
    options = [
        f"{x}.permute({', '.join(map(str, order))})", f"{x}.transpose({at}, {other})",
        f"{x}.unsqueeze({d.number(-rank - 1, rank)})", f"{x}.squeeze()", f"{x}.flip({at})",
        f"torch.roll({x}, {d.number(-2, 3)}, {at})", f"{x}[None].expand({d.number(1, 3)}, "
        f"{', '.join(['-1'] * rank)})", f"{x}.movedim({at}, {other})", f"{x}.mT" if rank > 1
        else f"{x}.view(-1)", f"torch.diff({x}, dim={at})", f"{x}.repeat({d.number(1, 2)}, "
        f"{', '.join(['1'] * rank)})", f"{x}.unfold({at}, 1, 1)",
        f"{x}.repeat_interleave(2, {at})", f"F.pad({x}, (1, {d.number(0, 2)}))",
        f"torch.tile({x}, (2,))", f"{x}.swapaxes({at}, {other})",
    ]  # fmt: skip
    if ones:
        options.append(f"{x}.squeeze({d.pick(ones)})")
        new = [d.number(1, 3) if n == 1 else -1 for n in shape]
        options.append(f"{x}.expand({', '.join(map(str, new))})")
    if rank > 1:
        options += [f"{x}.tril()", f"{x}.triu(1)", f"{x}.diagonal()"]
    return str(d.pick(options))


@line(1.5)
def pieces(d: Draw) -> str:
    x = d.var(1)
    at = d.dim(x)
    n = d.shape(x)[at]
    count = d.number(1, 3)
    options = [
        f"torch.cat([{x}, {x} * 2], {at})",
        f"torch.stack([{x}, {x} + 1], {at})",
        f"torch.cat([{x}, {d.given(d.shape(x))}], {at})",
        f"torch.cat([*{x}.chunk({count}, {at})][::-1], {at})",
        f"torch.stack([{d.given(d.shape(x))}, {x}])",
        f"torch.cat([{x}.flatten(), {d.var(1)}.flatten()])",
        f"torch.cat([{x}.flatten() for _ in range(2)] + [{d.var(0)}.flatten()])",
    ]
    if n:
        options += [
            f"{x}.chunk({count}, {at})[-1]",
            f"{x}.split({count}, {at})[-1]",
            f"torch.stack({x}.unbind({at}), -1)",
            f"{x}.narrow({at}, {n // 2}, {n - n // 2})",
            f"{x}.select({at}, {d.number(-n, n - 1)})",
            f"torch.stack(list({x}))",
            f"sum({x}.unbind({at}))",
            f"{x}.tensor_split({count}, {at})[0]",
            f"torch.hstack([{x}, {x}])",
            f"torch.vstack([{x}, {x}])",
        ]
    return str(d.pick(options))


# -- products


@line(2)
def products(d: Draw) -> str | None:
    x = d.var(1, 4)
    *_, n = shape = d.shape(x)
    m = d.number(1, 4)
    options = [
        f"F.linear({x}, {d.param(m, n)}, {d.param(m)})",
        f"{x} @ {d.given((n, m))}",
        f"F.linear({x}, {d.given((m, n))})",
        f"{x} @ {d.given((n,))}",
    ]
    if len(shape) == 2:
        options += [
            f"{x} @ {x}.T", f"{x}.T @ {x}", f"torch.einsum('ij,kj->ki', {x}, {d.given((m, n))})",
            f"torch.einsum('ij,ij->j', {x}, {x})", f"torch.mm({d.given((m, shape[0]))}, {x})",
            f"torch.addmm({d.param(m)}, {x}, {d.param(n, m)})", f"torch.outer({x}[:, 0], {x}[:, 0])"
            if n else f"{x} @ {x}.T", f"torch.cdist({x}, {d.given((m, n))} + 3)",
        ]  # fmt: skip
    if len(shape) == 3:
        options += [
            f"{x} @ {x}.mT", f"torch.bmm({x}.mT, {x})",
            f"torch.bmm({x}, {d.given((shape[0], n, m))})",
            f"torch.einsum('bij,bkj->bik', {x}, {x})", f"torch.einsum('bij,b->ij', {x}, "
            f"{d.given(shape[:1])})", f"F.scaled_dot_product_attention({x}, {x}, {x})"
            if 0 not in shape else f"{x} @ {x}.mT", f"torch.einsum('bij,jk->bk', {x}, "
            f"{d.given((n, m))})",
        ]  # fmt: skip
    if len(shape) == 1:
        options += [f"torch.dot({x}, {x})", f"torch.outer({x}, {x})"]
    return str(d.pick(options))


# -- layers and losses


@line(2)
def within(d: Draw) -> str:
    x = d.full(1)
    at = d.dim(x)
    return str(
        d.pick([
            f"F.softmax({x}, {at})", f"F.log_softmax({x}, {at})", f"{x}.cumsum({at})",
            f"{x}.cumprod({at})", f"F.normalize({x} + 2, dim={at})",
            f"torch.logcumsumexp({x}, {at})", f"F.layer_norm({x}, {d.shape(x)[-1:]})",
            f"F.layer_norm({x}, {d.shape(x)[-1:]}, {d.param(d.shape(x)[-1])}, "
            f"{d.param(d.shape(x)[-1])})", f"F.glu(torch.cat([{x}, {x}], {at}), {at})",
            f"{x}.cummax({at}).values",
        ])
    )  # fmt: skip


@line(1.5)
def norms(d: Draw) -> str | None:
    x = d.full(2)
    n, c, *rest = d.shape(x)
    if n * math.prod(rest) < 2:
        return None
    affine = f"weight={d.param(c)}, bias={d.param(c)}"
    options = [
        f"F.batch_norm({x}, None, None, training=True, {affine})",
        f"F.batch_norm({x}, None, None, training=True)",
        f"F.batch_norm({x}, torch.zeros({c}).double(), torch.ones({c}).double(), {affine})",
    ]
    if math.prod(rest) > 1:
        options += [f"F.group_norm({x}, {c}, {affine})", f"F.instance_norm({x})"]
    if c % 2 == 0:
        options.append(f"F.group_norm({x}, 2, {affine})")
    return str(d.pick(options))


@line(2)
def classes(d: Draw) -> str | None:
    x = d.full(2, 3)
    n, c, *rest = d.shape(x)
    target = d.ints(c, (n, *rest))
    options = f"reduction={d.pick(['mean', 'sum', 'none', 'mean'])!r}"
    if d.chance(0.4):
        options += f", ignore_index={d.number(0, c - 1)}"
    if d.chance(0.4):
        options += f", weight=whole({d.fresh()}, {c}).abs() + 0.5"
    if d.chance(0.5):
        return f"F.nll_loss(F.log_softmax({x}, 1), {target}, {options})"
    if d.chance(0.2):
        options += ", label_smoothing=0.1"
    return f"F.cross_entropy({x}, {target}, {options})"


@line()
def losses(d: Draw) -> str:
    x = d.full(1)
    other = d.given(d.shape(x))
    name = d.pick(["mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"])
    how = f"reduction={d.pick(['mean', 'sum', 'none'])!r}"
    return str(
        d.pick([
            f"F.{name}({x}, {other}, {how})",
            f"F.binary_cross_entropy_with_logits({x}, torch.sigmoid({other}), {how})",
            f"F.kl_div(F.log_softmax({x}, -1), F.softmax({other}, -1), {how})",
            f"F.kl_div(F.log_softmax({x}, -1), F.softmax({other}, -1), reduction='batchmean')",
            f"F.cosine_similarity({x} + 2, {other}, dim=0)",
        ])
    )  # fmt: skip


@line()
def windows(d: Draw) -> str | None:
    x = d.full(3, 4)
    n, c, *rest = d.shape(x)
    k = d.number(1, min(2, *rest))
    o = d.number(1, 3)
    size, dims = ", ".join([str(k)] * len(rest)), len(rest)
    pad = d.number(0, 1)
    return str(
        d.pick([
            f"F.conv{dims}d({x}, {d.param(o, c, *[k] * dims)}, {d.param(o)}, padding={pad})",
            f"F.conv{dims}d({x}, {d.given((o, c, *[k] * dims))}, stride={d.number(1, 2)})",
            f"F.conv{dims}d({x}, {d.param(c, 1, *[k] * dims)}, groups={c})",
            f"F.conv_transpose{dims}d({x}, {d.param(c, o, *[k] * dims)})",
            f"F.max_pool{dims}d({x}, {k})", f"F.avg_pool{dims}d({x}, {k}, stride=1)",
            f"F.adaptive_avg_pool{dims}d({x}, ({size},))", f"F.interpolate({x}, scale_factor=2)",
        ])
    )  # fmt: skip


@line()
def tables(d: Draw) -> str:
    rows, wide = d.number(2, 5), d.number(1, 3)
    shape = tuple(d.number(1, 5) for _ in range(d.number(1, 2)))
    table = d.given((rows, wide))
    pad = f", padding_idx={d.number(0, rows - 1)}" if d.chance(0.3) else ""
    return str(
        d.pick([
            f"F.embedding({d.ints(rows, shape)}, {table}{pad})",
            f"F.embedding({d.ints(rows, shape)}, {d.param(rows, wide)}{pad})",
            f"F.one_hot({d.ints(rows, shape)}, {rows}).double() @ {table}",
            f"F.embedding_bag({d.ints(rows, (d.number(1, 4), 3))}, {table}, mode='mean')",
        ])
    )  # fmt: skip


@line()
def drawn(d: Draw) -> str:
    x = d.var(1)
    return str(
        d.pick([
            f"(torch.manual_seed({d.fresh()}), F.dropout({x}, 0.4))[1]",
            f"(torch.manual_seed({d.fresh()}), {x} + torch.randn_like({x}))[1]",
            f"(torch.manual_seed({d.fresh()}), {x} * torch.rand({x}.shape).double())[1]",
            f"(torch.manual_seed({d.fresh()}), torch.bernoulli(torch.sigmoid({x})))[1]",
        ])
    )  # fmt: skip


# -- indexing


@line(3)
def basic_index(d: Draw) -> str:
    x = d.var(1)
    return f"{x}[{d.key(x)}]"


@line(2)
def picked(d: Draw) -> str | None:
    x = d.full(1)
    shape = d.shape(x)
    at = d.number(0, len(shape) - 1)
    n, count = shape[at], d.number(0, 4)
    before = ":, " * at
    same = (*shape[:at], d.number(1, n), *shape[at + 1 :])
    options = [
        f"{x}[{before}{d.ints(n, (count,))}]", f"{x}[{before}{d.mask((n,))}]",
        f"{x}[{x} > 0]", f"{x}[{d.mask(shape)}]", f"{x}.masked_select({x} > 0.2)",
        f"torch.gather({x}, {at}, {d.ints(n, same)})", f"{x}.index_select({at}, "
        f"{d.ints(n, (count,))})", f"{x}.take_along_dim({d.ints(n, same)}, {at})",
        f"torch.nonzero({x} > 0)", f"{x}[{d.ints(shape[0], (count,))}, ..., -1]"
        if len(shape) > 1 else f"{x}[-1]", f"{x}[{d.mask(shape[:1])}]",
        f"{x}[torch.arange({shape[0]}), {d.ints(shape[1], shape[:1])}]" if len(shape) > 1
        else f"{x}[::2]", f"{x}[torch.randperm({shape[0]})]", f"torch.where({x} > 0)[0]",
        f"{x}[{d.ints(n, (2, 2))}]" if at == 0 else f"{x}[[0, -1]]",
    ]  # fmt: skip
    return str(d.pick(options))


@line(1.5)
def ordered(d: Draw) -> str:
    x = d.full(1)
    at = d.dim(x)
    k = d.number(1, d.shape(x)[at])
    return str(
        d.pick([
            f"{x}.sort({at}).values", f"{x}.sort({at}, descending=True).indices",
            f"{x}.topk({k}, {at}).values", f"{x}.topk({k}, {at}, largest=False).indices",
            f"{x}.argsort({at})", f"{x}.kthvalue({k}, {at}).values",
            f"torch.bucketize({x}, torch.tensor([-1.0, 0.0, 1.0]).double())",
            f"torch.unique({x} > 0)", f"torch.bincount(({x} > 0).long().flatten(), minlength=3)",
        ])
    )  # fmt: skip


@line(1.2)
def scattered(d: Draw) -> str:
    x = d.full(1)
    shape = d.shape(x)
    at = d.number(0, len(shape) - 1)
    n = shape[at]
    wide = (*shape[:at], n + 1, *shape[at + 1 :])
    return str(
        d.pick([
            f"torch.zeros({wide}).double().scatter_add({at}, {d.ints(n + 1, shape)}, {x})",
            f"{x}.scatter_add({at}, {d.ints(n, shape)}, {d.given(shape)})",
            f"{x}.index_add({at}, {d.ints(n, (n,))}, {d.given(shape)})",
            f"{x}.scatter({at}, {d.ints(n, (*shape[:at], 1, *shape[at + 1 :]))}, 0.5)",
            f"{x}.index_fill({at}, {d.ints(n, (1,))}, -0.5)",
            f"torch.zeros({wide}).double().index_add({at}, {d.ints(n + 1, (n,))}, {x})",
            f"{x}.masked_scatter({x} > 0, {d.given((math.prod(shape),))})",
        ])
    )  # fmt: skip


# -- in place


@line(5)
def in_place(d: Draw) -> str:
    x = d.var(0, 4, "f", lambda s: True)
    shape = d.shape(x)
    start = f"{x} = {x}.clone(); " if _leaf(d, x) else ""
    options = [
        f"{x}.mul_(0.5)", f"{x}.add_(1, alpha=2)", f"{x}.clamp_(-1, 1)", f"{x}.zero_()",
        f"{x} += {_within(d, x)}", f"{x} *= {_within(d, x)}", f"{x}.tanh_()",
        f"{x}.masked_fill_({d.mask(shape)}, 0.5)", f"{x}[{x} > 0] = 0.25",
        f"{x}[{x} > 0] *= 2", f"{x}.fill_(1.5)", f"{x}.copy_({_within(d, x)})",
        f"{x}.sub_({_within(d, x)}).mul_(2)", f"F.relu({x}, inplace=True)",
    ]  # fmt: skip
    if shape:
        n = shape[0]
        options += [
            f"{x}[{d.key(x)}] = 0.75", f"{x}[{d.key(x)}] *= 2", f"{x}[{d.key(x)}] += 1",
            f"w = {x}[{d.index(n)}]; w.add_(1)", f"w = {x}.view(-1) if {x}.is_contiguous() else "
            f"{x}; w.mul_(2)", f"w = {x}.transpose(0, -1); w.mul_(0.5)",
            f"w = {x}.detach(); w.mul_(0.5)" if d.chance(0.2) else f"{x}.neg_()",
            f"w = {x}[{d.key(x)}]; w *= 2; w = w + {x}.sum()", f"{x}[{d.mask(shape[:1])}] = 2.0",
            f"w = {x}.unsqueeze(0); w[0] = {x} * 2",
        ]  # fmt: skip
        if 0 not in shape:
            options += [
                f"{x}[{d.ints(n, (2,))}] = 0.5", f"{x}.index_add_(0, {d.ints(n, (1,))}, "
                f"{d.given((1, *shape[1:]))})", f"{x}[{d.number(-n, n - 1)}] = "
                f"{d.given(shape[1:])}", f"{x}[1:] = {x}[:-1].clone()", f"{x}[:, -1] = "
                f"{d.given(shape[:1])}" if len(shape) == 2 else f"{x}[-1] += 1",
                f"{x}[{d.mask(shape[:1])}] = {d.given(shape[1:])}",
                f"{x}.scatter_(0, {d.ints(n, (1, *shape[1:]))}, -1.0)",
                f"{x}[::2] = {x}[::2].flip(0)",
                f"w = {x}.chunk(2)[-1]; w.sub_(3)",
            ]  # fmt: skip
    return start + str(d.pick(options))


def _leaf(d: Draw, name: str) -> bool:
    t = d.env[name]
    return (t.requires_grad and t.grad_fn is None) or bool(d.chance(0.3))


def _within(d: Draw, x: str) -> str:
    """Something that broadcasts to a variable's shape."""
    shape = d.shape(x)
    found = d.names("f", lambda s: len(s) <= len(shape) and _broadcasts_to(s, shape))
    if found and d.chance(0.6):
        return str(d.pick(found))
    return d.given(shape[d.number(0, len(shape)) :])


def _broadcasts_to(a: Sequence[int], b: Sequence[int]) -> bool:
    return all(m in (n, 1) for m, n in zip(a[::-1], b[::-1], strict=False))
