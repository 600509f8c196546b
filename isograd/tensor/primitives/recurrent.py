"""One step of the recurrent cells behind their matrix products, each as one operation.

Source: Hochreiter and Schmidhuber 1997 (LSTM), Cho et al. 2014 (GRU), in torch's order of gates.
"""

from __future__ import annotations

from typing import Any

from isograd.tensor.core import Tensor
from isograd.tensor.cuts import Cut
from isograd.tensor.door import apply
from isograd.tensor.primitive import PRIMITIVES, Primitive
from isograd.tensor.primitives.shape import cat
from isograd.tensor.primitives.transcendental import sigmoid, tanh

__all__ = ["gru_step", "lstm_step", "steps"]

_sigmoid = PRIMITIVES["sigmoid"].forward


def _cut(xp: Any, x: Any, *, sizes: list[int]) -> tuple[Any, ...]:
    out, start = [], 0
    for n in sizes:
        out.append(x[start : start + n])
        start += n
    return tuple(out)


def _rejoin(gs: Any, x_shape: Any, sizes: list[int]) -> tuple[Tensor]:
    like = next(g for g in gs if g is not None)
    parts = [
        like.new_zeros((n, *x_shape[1:])) if g is None else g
        for g, n in zip(gs, sizes, strict=True)
    ]
    return (cat(parts),)


_steps = Primitive(
    "steps",
    _cut,
    vjp_all=_rejoin,
    outputs=0,
    cuts=lambda params, x: [
        *(Cut((d,), (d,) * len(params["sizes"])) for d in range(1, len(x))),
        Cut(("sum",), ("sum",) * len(params["sizes"])),
    ],
    samples=lambda make: [((make(5, 3),), {"sizes": [2, 2, 1]})],
    doc="Runs of rows; their gradients are joined in one piece instead of added as padded ones.",
)


def steps(x: Tensor, sizes: list[int]) -> tuple[Tensor, ...]:
    """The rows of ``x`` in runs of the given sizes, to be read only (they share its memory)."""
    out: tuple[Tensor, ...] = apply(_steps, x, sizes=sizes)
    return out


def _quarters(z: Any) -> tuple[Any, Any, Any, Any]:
    n = z.shape[-1] // 4
    return z[..., :n], z[..., n : 2 * n], z[..., 2 * n : 3 * n], z[..., 3 * n :]


def _thirds(z: Any) -> tuple[Any, Any, Any]:
    n = z.shape[-1] // 3
    return z[..., :n], z[..., n : 2 * n], z[..., 2 * n :]


# -- LSTM: z = (i, f, g, o), c' = sigmoid(f) c + sigmoid(i) tanh(g), h' = sigmoid(o) tanh(c')


def _lstm_parts(xp: Any, z: Any) -> tuple[Any, Any, Any, Any]:
    i, f, g, o = _quarters(z)
    return _sigmoid(xp, i), _sigmoid(xp, f), xp.tanh(g), _sigmoid(xp, o)


def _lstm_forward(xp: Any, z: Any, c: Any) -> Any:
    i, f, g, o = _lstm_parts(xp, z)
    new = f * c
    new += i * g
    h = xp.tanh(new)
    h *= o
    return h, new


def _lstm_backward_forward(xp: Any, dh: Any, dc: Any, z: Any, c: Any) -> Any:
    i, f, g, o = _lstm_parts(xp, z)
    t = xp.tanh(f * c + i * g)
    dc = dc + dh * o * (1 - t * t)
    dz = xp.empty_like(z)
    di, df, dg, do = _quarters(dz)
    di[...] = dc * g * i * (1 - i)
    df[...] = dc * c * f * (1 - f)
    dg[...] = dc * i * (1 - g * g)
    do[...] = dh * t * o * (1 - o)
    return dz, dc * f


def _lstm_gradient(dh: Tensor, dc: Tensor, z: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """`_lstm_backward_forward` in Tensor operations."""
    i, f, g, o = _quarters(z)
    i, f, g, o = sigmoid(i), sigmoid(f), tanh(g), sigmoid(o)
    t = tanh(f * c + i * g)
    dc = dc + dh * o * (1 - t * t)
    parts = [dc * g * i * (1 - i), dc * c * f * (1 - f), dc * i * (1 - g * g), dh * t * o * (1 - o)]
    return cat(parts, -1), dc * f


def _lstm_second(gs: Any, dh: Tensor, dc: Tensor, z: Tensor, c: Tensor) -> Any:
    """Gradients of ``a . dz + b . dc_before``, found by hand from the formulas above."""
    a, b = gs
    like = dh * 0
    ai, af, ag, ao = _quarters(a) if a is not None else (like,) * 4
    b = like if b is None else b
    i, f, g, o = _quarters(z)
    i, f, g, o = sigmoid(i), sigmoid(f), tanh(g), sigmoid(o)
    t = tanh(f * c + i * g)
    si, sf, sg, so, st = i * (1 - i), f * (1 - f), 1 - g * g, o * (1 - o), 1 - t * t
    total = dc + dh * o * st  # the gradient of c'
    u = ai * g * si + af * c * sf + ag * i * sg + b * f  # what multiplies it
    v = ao * so  # what multiplies dh * t
    # dependence on c' = f c + i g through t
    dt = dh * v - 2 * u * dh * o * t
    dnew = dt * st
    gi = total * (ai * g * si * (1 - 2 * i) + ag * sg * si) + dnew * g * si
    gf = total * (af * c * sf * (1 - 2 * f) + b * sf) + dnew * c * sf
    gg = total * (ai * si * sg - 2 * ag * i * g * sg) + dnew * i * sg
    go = u * dh * st * so + dh * t * ao * so * (1 - 2 * o)
    return u * o * st + v * t, u, cat([gi, gf, gg, go], -1), total * af * sf + dnew * f


def _cell_cuts(outputs: int) -> Any:
    """All dimensions of equal ranks but the last, in which the gates lie side by side."""
    return lambda params, *xs: [
        Cut((d,) * len(xs), (d,) * outputs)
        for d in range(len(xs[0]) - 1)
        if all(len(x) == len(xs[0]) for x in xs)
    ]


def _cell_samples(make: Any) -> Any:
    return [((make(2, 3), make(2, 3), make(2, 12), make(2, 3)), {})]


_lstm_backward: Primitive = Primitive(
    "lstm_step_backward",
    _lstm_backward_forward,
    vjp_all=_lstm_second,
    outputs=2,
    low_precision=True,
    cuts=_cell_cuts(2),
    samples=_cell_samples,
    doc="The gradients of one LSTM step.",
)


def _lstm_vjp(gs: Any, z: Tensor, c: Tensor) -> Any:
    dh, dc = gs
    dh = c.new_zeros(c.shape) if dh is None else dh
    dc = c.new_zeros(c.shape) if dc is None else dc
    return apply(_lstm_backward, dh, dc, z, c)


_lstm: Primitive = Primitive(
    "lstm_step",
    _lstm_forward,
    vjp_all=_lstm_vjp,
    outputs=2,
    low_precision=True,
    cuts=_cell_cuts(2),
    samples=lambda make: [((make(2, 12), make(2, 3)), {})],
    doc="Hidden and cell state after one LSTM step, from gates and cell state.",
)


def lstm_step(gates: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    """The next ``(h, c)`` from the sum of the four gates' products (B, 4 H) and ``c`` (B, H)."""
    return apply(_lstm, gates, cell)


# -- GRU: r, u from x + h, n = tanh(xn + r hn), h' = n + u (h - n)


def _gru_forward(xp: Any, x: Any, z: Any, h: Any) -> Any:
    xr, xu, xn = _thirds(x)
    hr, hu, hn = _thirds(z)
    n = xp.tanh(xn + _sigmoid(xp, xr + hr) * hn)
    out = h - n
    out *= _sigmoid(xp, xu + hu)
    out += n
    return out


def _gru_gradient(g: Tensor, x: Tensor, z: Tensor, h: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    xr, xu, xn = _thirds(x)
    hr, hu, hn = _thirds(z)
    r, u = sigmoid(xr + hr), sigmoid(xu + hu)
    n = tanh(xn + r * hn)
    dn = g * (1 - u) * (1 - n * n)
    du = g * (h - n) * u * (1 - u)
    dr = dn * hn * r * (1 - r)
    return cat([dr, du, dn], -1), cat([dr, du, dn * r], -1), g * u


_gru: Primitive = Primitive(
    "gru_step",
    _gru_forward,
    vjp_all=_gru_gradient,
    low_precision=True,
    cuts=_cell_cuts(1),
    samples=lambda make: [((make(2, 9), make(2, 9), make(2, 3)), {})],
    doc="Hidden state after one GRU step, from the products of input and hidden state.",
)


def gru_step(from_input: Tensor, from_hidden: Tensor, hidden: Tensor) -> Tensor:
    """The next hidden state from both products (B, 3 H), in the order r, z, n, and the last one."""
    return apply(_gru, from_input, from_hidden, hidden)
