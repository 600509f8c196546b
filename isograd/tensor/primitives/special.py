"""Special functions: error function, gamma, zeta, Bessel and the functions built on them.

NumPy has none of them; on the CPU they come from `isograd.tensor.numerics`, on CUDA devices from
``cupyx.scipy.special``. ``isograd.special`` shows them under torch's names.
"""

from __future__ import annotations

import importlib
import math
from typing import Any

import numpy as np

from isograd.tensor.core import Tensor
from isograd.tensor.cuts import elementwise
from isograd.tensor.door import apply
from isograd.tensor.numerics import bessel, gamma
from isograd.tensor.numerics import erf as error
from isograd.tensor.primitive import Primitive, Sample
from isograd.tensor.primitives.arithmetic import square
from isograd.tensor.primitives.elementwise import Function, binary, unary
from isograd.tensor.primitives.rounding import round
from isograd.tensor.primitives.selection import where
from isograd.tensor.primitives.transcendental import cos, exp, exp2, expm1, log, log1p, sigmoid, sin
from isograd.tensor.public import FUNCTIONS, inplace_form, public

__all__ = [
    "digamma", "entr", "erf", "erfc", "erfcx", "erfinv", "gammainc", "gammaincc", "i0", "i0e",
    "i1", "i1e", "lgamma", "log_ndtr", "logit", "mvlgamma", "ndtr", "ndtri", "polygamma", "sinc",
    "xlog1py", "xlogy", "zeta",
]  # fmt: skip


def _device(name: str) -> Function:
    return getattr(importlib.import_module("cupyx.scipy.special"), name)


def _of(host: Function, device_name: str) -> Function:
    """A forward of one array: ``host`` for NumPy's, CuPy's SciPy function otherwise."""
    return lambda xp, x: host(x) if xp is np else _device(device_name)(x)


def _of_two(host: Function, device_name: str) -> Function:
    return lambda xp, x, y: host(x, y) if xp is np else _device(device_name)(x, y)


_TWO_OVER_ROOT_PI = 2 / math.sqrt(math.pi)
_ROOT_TWO_PI = math.sqrt(2 * math.pi)


# -- error function, normal distribution

erf = unary(
    "erf", _of(error.erf, "erf"), lambda g, x: g * _TWO_OVER_ROOT_PI * exp(-square(x)),
    "The error function.",
)  # fmt: skip
erfc = unary(
    "erfc", _of(error.erfc, "erfc"), lambda g, x: -g * _TWO_OVER_ROOT_PI * exp(-square(x)),
    "``1 - erf(input)``, exact where erf is near 1.",
)  # fmt: skip
erfinv = unary(
    "erfinv", _of(error.erfinv, "erfinv"),
    lambda g, out: g / _TWO_OVER_ROOT_PI * exp(square(out)),
    "The inverse of erf; nan outside [-1, 1].", domain=(-0.9, 0.9),
)  # fmt: skip


def _special(name: str, forward: Function, vjp: Function, doc: str, **kwargs: Any) -> Function:
    """A function that torch has in ``special`` only."""
    record_name = "special_" + name
    function = unary(record_name, forward, vjp, doc, register=False, **kwargs)
    return public(method=False)(function)


erfcx = _special(
    "erfcx", _of(error.erfcx, "erfcx"),
    lambda g, out, x: g * (2 * x * out - _TWO_OVER_ROOT_PI), "``exp(input ** 2) * erfc(input)``.",
)  # fmt: skip
ndtr = _special(
    "ndtr", _of(error.ndtr, "ndtr"),
    lambda g, x: g * exp(-0.5 * square(x)) / _ROOT_TWO_PI,
    "The area under the standard normal density below ``input``.",
)  # fmt: skip
ndtri = _special(
    "ndtri", _of(error.ndtri, "ndtri"),
    lambda g, out: g * exp(0.5 * square(out)) * _ROOT_TWO_PI,
    "The inverse of ndtr: the quantile of the standard normal distribution.", domain=(0.05, 0.95),
)  # fmt: skip
log_ndtr = _special(
    "log_ndtr", _of(error.log_ndtr, "log_ndtr"),
    lambda g, x: g * (_TWO_OVER_ROOT_PI * math.sqrt(0.5)) / erfcx(x * -math.sqrt(0.5)),
    "``log(ndtr(input))``, exact far below 0.",
)  # fmt: skip


# -- gamma and zeta

lgamma = unary(
    "lgamma", _of(gamma.lgamma, "gammaln"), lambda g, x: g * digamma(x),
    "Logarithm of the absolute value of the gamma function.", domain=(0.3, 4.0),
)  # fmt: skip
digamma: Function = unary(
    "digamma", _of(gamma.digamma, "digamma"), lambda g, x: g * polygamma(1, x),
    "The derivative of lgamma.", domain=(0.3, 4.0),
)  # fmt: skip


def _polygamma_forward(xp: Any, x: Any, *, n: int) -> Any:
    if xp is np:
        return gamma.polygamma(n, x)
    scale = (-1.0) ** (n + 1) * math.factorial(n)
    return _device("zeta")(x.dtype.type(n + 1), x) * x.dtype.type(scale)


_polygamma = Primitive(
    "polygamma", _polygamma_forward, vjp={"x": lambda g, x, n: g * polygamma(n + 1, x)},
    promotion="float", low_precision=True, cuts=elementwise(),
    doc="The n-th derivative of digamma.",
    samples=lambda make: [((make(3, 4, low=0.5, high=3.0),), {"n": n}) for n in (1, 3)],
)  # fmt: skip


def polygamma(n: int, input: Tensor) -> Tensor:
    """The n-th derivative of :func:`digamma`, n >= 0.

    Raises:
        RuntimeError: for a negative order.
    """
    if n < 0:
        raise RuntimeError(f"polygamma(n, x) does not support negative n, got {n}")
    if n == 0:
        return digamma(input)
    return apply(_polygamma, input, n=n)


public(method=False, out=True)(polygamma)


def _polygamma_method(self: Tensor, n: int) -> Tensor:
    """See :func:`polygamma`."""
    return polygamma(n, self)


Tensor.polygamma = _polygamma_method  # type: ignore[attr-defined]
Tensor.polygamma_ = inplace_form(_polygamma_method, "polygamma_")  # type: ignore[attr-defined]


@public(inplace=True, out=True)
def mvlgamma(input: Tensor, p: int) -> Tensor:
    """Logarithm of the multivariate gamma function of dimension ``p``.

    Raises:
        RuntimeError: if ``p`` < 1.
    """
    if p < 1:
        raise RuntimeError(f"mvlgamma: p has to be greater than or equal to 1, got {p}")
    total = lgamma(input)
    for k in range(1, p):
        total = total + lgamma(input - 0.5 * k)
    return total + p * (p - 1) / 4 * math.log(math.pi)


def _no_rule(what: str) -> Function:
    """A gradient that raises, where mathematics has no closed form for it (nor has torch)."""

    def rule(g: Any) -> Any:
        raise NotImplementedError(f"the derivative for '{what}' is not implemented; detach() it")

    return rule


def _with_integers(make: Function) -> list[Sample]:
    """The first input, which has no gradient, holds integers."""
    first = np.ceil(make(3, 4, low=1.0, high=4.0)).astype(np.int64)
    return [((first, make(3, 4, low=0.5, high=4.0)), {})]


zeta: Function = public(method=False)(
    binary(
        "special_zeta", _of_two(gamma.zeta, "zeta"),
        {"x": _no_rule("zeta: input"), "y": lambda g, x, y: g * -x * zeta(x + 1, y)},
        "Hurwitz's zeta function: the sum of ``(other + k) ** -input`` over k = 0, 1, ...",
        promotion="float", register=False, samples=_with_integers,
    )
)  # fmt: skip


def _density(g: Any, x: Any, y: Any) -> Any:
    return g * exp((x - 1) * log(y) - y - lgamma(x))


gammainc = binary(
    "igamma", _of_two(gamma.gammainc, "gammainc"), {"x": _no_rule("igamma: input"), "y": _density},
    "The regularised lower incomplete gamma function; differentiable in ``other``.",
    promotion="float", samples=_with_integers, numbers="none",
)  # fmt: skip
gammaincc = binary(
    "igammac", _of_two(gamma.gammaincc, "gammaincc"),
    {"x": _no_rule("igammac: input"), "y": lambda g, x, y: -_density(g, x, y)},
    "The regularised upper incomplete gamma function; differentiable in ``other``.",
    promotion="float", samples=_with_integers, numbers="none",
)  # fmt: skip


# -- modified Bessel functions

i0 = unary("i0", _of(bessel.i0, "i0"), lambda g, x: g * i1(x),
           "Modified Bessel function of the first kind of order 0.")  # fmt: skip
i0e = _special("i0e", _of(bessel.i0e, "i0e"), lambda g, out, x: g * (i1e(x) - x.sgn() * out),
               "``exp(-|input|) * i0(input)``.")  # fmt: skip
i1: Function = _special("i1", _of(bessel.i1, "i1"),
                        lambda g, out, x: g * (i0(x) - _over(out, x)),
                        "Modified Bessel function of the first kind of order 1.")  # fmt: skip
i1e: Function = _special("i1e", _of(bessel.i1e, "i1e"),
                         lambda g, out, x: g * (i0e(x) - x.sgn() * out - _over(out, x)),
                         "``exp(-|input|) * i1(input)``.")  # fmt: skip


def _over(out: Any, x: Any) -> Any:
    """``i1(x) / x``, whose limit at 0 is 1/2."""
    return where(x == 0, 0.5, out / where(x == 0, 1.0, x))


# -- logarithms of products


def _times_log(log_name: str, harmless: int) -> Function:
    """``x * log(y)``, 0 where x is 0 and y no nan; ``harmless``: a y whose logarithm is 0."""

    def forward(xp: Any, x: Any, y: Any) -> Any:
        safe = xp.where(xp.equal(x, 0) & ~xp.isnan(y), harmless, y)
        return (x * getattr(xp, log_name)(safe)).astype(x.dtype, copy=False)

    return forward


def _tensor(x: Any, like: Tensor) -> Tensor:
    return x if isinstance(x, Tensor) else like.new_full((), x)


def _slope(g: Tensor, x: Any, y: Any, zero: float, log_of: Function) -> Tensor:
    """The gradient by x, the logarithm; 0 at x = 0 where the logarithm does not exist."""
    y = _tensor(y, g)
    nowhere = (_tensor(x, g) == 0) & (y <= zero)
    return where(nowhere, 0.0, g * log_of(y))


xlogy = binary(
    "xlogy", _times_log("log", 1),
    {"x": lambda g, x, y: _slope(g, x, y, 0.0, log), "y": lambda g, x, y: g * x / y},
    "``input * log(other)``, 0 where ``input`` is 0.", promotion="float", domain=(0.5, 3.0),
)  # fmt: skip
xlog1py = public(method=False)(
    binary(
        "special_xlog1py", _times_log("log1p", 0),
        {"x": lambda g, x, y: _slope(g, x, y, -1.0, log1p), "y": lambda g, x, y: g * x / (y + 1)},
        "``input * log1p(other)``, 0 where ``input`` is 0.", promotion="float", domain=(0.2, 3.0),
        register=False,
    )
)  # fmt: skip


def _entr_forward(xp: Any, x: Any) -> Any:
    logarithm = xp.log(xp.where(xp.greater(x, 0), x, 1))
    value = xp.where(xp.less(x, 0), -np.inf, -x * logarithm)
    return xp.where(xp.isnan(x), x, value).astype(x.dtype, copy=False)


entr = _special("entr", _entr_forward, lambda g, x: -g * (log(x) + 1),
                "``-input * log(input)``: 0 at 0, -inf below.", domain=(0.3, 3.0))  # fmt: skip


def _sinc_forward(xp: Any, x: Any) -> Any:
    turn = math.pi * xp.where(xp.equal(x, 0), 1, x)
    return xp.where(xp.equal(x, 0), 1, xp.sin(turn) / turn).astype(x.dtype, copy=False)


def _sinc_vjp(g: Any, x: Any) -> Any:
    turn = where(x == 0, 1.0, x * math.pi)
    slope = where(x == 0, 0.0, (turn * cos(turn) - sin(turn)) / (turn * turn) * math.pi)
    return g * (slope.conj() if slope.is_complex() else slope)


sinc = unary("sinc", _sinc_forward, _sinc_vjp, "``sin(pi * input) / (pi * input)``, 1 at 0.",
             domain=(0.2, 2.0))  # fmt: skip


@public(inplace=True, out=True)
def logit(input: Tensor, eps: float | None = None) -> Tensor:
    """``log(input / (1 - input))``: the inverse of the sigmoid.

    Args:
        eps: first clamp the input to [eps, 1 - eps]; without it, nan outside [0, 1].
    """
    if eps is not None:
        input = input.clamp(eps, 1 - eps)
    return log(input / (1 - input))


_ALSO_SPECIAL: dict[str, Function] = {
    "digamma": digamma, "psi": digamma, "erf": erf, "erfc": erfc, "erfinv": erfinv, "exp2": exp2,
    "expit": sigmoid, "expm1": expm1, "gammainc": gammainc, "gammaincc": gammaincc,
    "gammaln": lgamma, "i0": i0, "log1p": log1p, "logit": logit, "multigammaln": mvlgamma,
    "polygamma": polygamma, "round": round, "sinc": sinc, "xlogy": xlogy,
}  # fmt: skip
for _name, _function in _ALSO_SPECIAL.items():
    FUNCTIONS["special_" + _name] = _function
