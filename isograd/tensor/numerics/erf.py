"""The error function, its complement and its inverse.

float64: Cody's method, rational functions in three ranges (W. J. Cody, "Rational Chebyshev
approximations for the error function", Math. Comp. 23, 1969), with the coefficients of Moshier's
Cephes library. float32 ``erf``, which GELU needs fast: one rational function on the whole range,
fitted by weighted least squares; largest relative error 4e-7. Inverse: M. J. Wichura, "Algorithm
AS 241: The percentage points of the normal distribution", Applied Statistics 37, 1988.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from isograd.tensor.numerics.evaluation import blocked, horner, in_float64

__all__ = ["erf", "erfc", "erfcx", "erfinv", "log_ndtr", "ndtr", "ndtri"]

# float32: erf(x) / x = P(x^2) / Q(x^2) for |x| <= 3.92, beyond which erf rounds to 1
_REACH = np.float32(3.92)
_P32 = (
    1.1283791065216064, 0.19037489593029022, 0.052744582295417786, 0.0037642857059836388,
    0.0002848565054591745, 2.0503669020399684e-06,
)  # fmt: skip
_Q32 = (
    1.0, 0.5020480751991272, 0.11409609764814377, 0.014966531656682491, 0.0011622208403423429,
    3.809327245107852e-05,
)  # fmt: skip

# float64: erf(x) = x T(x^2) / U(x^2) for |x| < 1
_T = (
    5.55923013010394962768e4, 7.00332514112805075473e3, 2.23200534594684319226e3,
    9.00260197203842689217e1, 9.60497373987051638749e0,
)  # fmt: skip
_U = (
    4.92673942608635921086e4, 2.26290000613890934246e4, 4.59432382970980127987e3,
    5.21357949780152679795e2, 3.35617141647503099647e1, 1.0,
)  # fmt: skip
# erfc(x) exp(x^2) = P(x) / Q(x) for 1 <= x < 8, R(x) / S(x) beyond
_P = (
    5.57535335369399327526e2, 1.02755188689515710272e3, 9.34528527171957607540e2,
    5.26445194995477358631e2, 1.96520832956077098242e2, 4.86371970985681366614e1,
    7.46321056442269912687e0, 5.64189564831068821977e-1, 2.46196981473530512524e-10,
)  # fmt: skip
_Q = (
    5.57535340817727675546e2, 1.65666309194161350182e3, 2.24633760818710981792e3,
    1.82390916687909736289e3, 9.75708501743205489753e2, 3.54937778887819891062e2,
    8.67072140885989742329e1, 1.32281951154744992508e1, 1.0,
)  # fmt: skip
_R = (
    2.97886665372100240670e0, 7.40974269950448939160e0, 6.16021097993053585195e0,
    5.01905042251180477414e0, 1.27536670759978104416e0, 5.64189583547755073984e-1,
)  # fmt: skip
_S = (
    3.36907645100081516050e0, 9.60896809063285878198e0, 1.70814450747565897222e1,
    1.20489539808096656605e1, 9.39603524938001434673e0, 2.26052863220117276590e0, 1.0,
)  # fmt: skip

# AS 241: the normal quantile at q = p - 1/2, near the middle (A, B) and in the tails
_A = (
    3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3,
    1.3731693765509461125e4, 4.5921953931549871457e4, 6.7265770927008700853e4,
    3.3430575583588128105e4, 2.5090809287301226727e3,
)  # fmt: skip
_B = (
    1.0, 4.2313330701600911252e1, 6.8718700749205790830e2, 5.3941960214247511077e3,
    2.1213794301586595867e4, 3.9307895800092710610e4, 2.8729085735721942674e4,
    5.2264952788528545610e3,
)  # fmt: skip
_C = (
    1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0,
    3.64784832476320460504e0, 1.27045825245236838258e0, 2.41780725177450611770e-1,
    2.27238449892691845833e-2, 7.74545014278341407640e-4,
)  # fmt: skip
_D = (
    1.0, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1,
    1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4,
    1.05075007164441684324e-9,
)  # fmt: skip
_E = (
    6.65790464350110377720e0, 5.46378491116411436990e0, 1.78482653991729133580e0,
    2.96560571828504891230e-1, 2.65321895265761230930e-2, 1.24266094738807843860e-3,
    2.71155556874348757815e-5, 2.01033439929228813265e-7,
)  # fmt: skip
_F = (
    1.0, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2,
    7.86869131145613259100e-4, 1.84631831751005468180e-5, 1.42151175831644588870e-7,
    2.04426310338993978564e-15,
)  # fmt: skip

_SQRT_HALF = math.sqrt(0.5)


@blocked
def erf(x: Any) -> Any:
    """``2 / sqrt(pi)`` times the integral of ``exp(-t**2)`` from 0 to x."""
    return _erf64(x) if x.dtype == np.float64 else _erf32(x)


def _erf32(x: Any) -> Any:
    x = np.minimum(np.maximum(x, -_REACH), _REACH)
    t = x * x
    x *= horner(t, _P32)
    x /= horner(t, _Q32)
    return np.minimum(np.maximum(x, np.float32(-1)), np.float32(1))


def _erf64(x: Any) -> Any:
    size = np.abs(x)
    small = np.minimum(size, 1.0)
    t = small * small
    inner = small * horner(t, _T) / horner(t, _U)
    if not np.any(size > 1):
        return np.copysign(inner, x)
    with np.errstate(invalid="ignore", under="ignore"):
        outer = 1.0 - _tail(np.clip(size, 1.0, 7.0)) * np.exp(-(np.minimum(size, 7.0) ** 2))
    return np.copysign(np.where(size > 1, outer, inner), x)


def _tail(x: Any) -> Any:
    """erfc(x) exp(x^2) for x >= 1."""
    near = np.minimum(x, 8.0)
    result = horner(near, _P) / horner(near, _Q)
    if np.any(x >= 8):
        far = np.minimum(np.maximum(x, 8.0), 1e50)
        result = np.where(x >= 8, horner(far, _R) / horner(far, _S), result)
        result = np.where(x > 1e50, 1 / (x * math.sqrt(math.pi)), result)
    return result


def _exp_minus_square(x: Any) -> Any:
    """exp(-x^2) without the error of rounding x^2: x is split into 26 leading bits and a rest."""
    head = np.round(x * 64.0) / 64.0
    rest = x - head
    return np.exp(-head * head) * np.exp(-rest * (x + head))


@blocked
@in_float64
def erfc(x: Any) -> Any:
    """``1 - erf(x)``, exact where erf is near 1."""
    size = np.abs(x)
    tail = _tail(np.maximum(size, 1.0)) * _exp_minus_square(np.clip(size, 1.0, 28.0))
    tail = np.where(size > 28, 0.0, tail)
    return np.where(size <= 1, 1.0 - _erf64(x), np.where(x < 0, 2.0 - tail, tail))


@blocked
@in_float64
def erfcx(x: Any) -> Any:
    """``exp(x**2) * erfc(x)``."""
    size = np.abs(x)
    tail = np.where(
        size <= 1, np.exp(size * size) * (1.0 - _erf64(size)), _tail(np.maximum(size, 1.0))
    )
    return np.where(x < 0, 2.0 / _exp_minus_square(np.minimum(size, 30.0)) - tail, tail)


def _middle(q: Any) -> Any:
    r = 0.180625 - q * q
    return q * horner(r, _A) / horner(r, _B)


def _tails(p: Any) -> Any:
    """The quantile's magnitude for a probability 0 <= p < 0.075 beyond it."""
    r = np.sqrt(-np.log(np.maximum(p, 5e-324)))
    near, far = np.minimum(r, 5.0) - 1.6, np.maximum(r, 5.0) - 5.0
    value = np.where(r <= 5, horner(near, _C) / horner(near, _D), horner(far, _E) / horner(far, _F))
    return np.where(p == 0, np.inf, value)


@blocked
@in_float64
def ndtri(p: Any) -> Any:
    """The inverse of `ndtr`; nan outside [0, 1]."""
    q = p - 0.5
    inside = (p >= 0) & (p <= 1)
    beyond = np.clip(np.minimum(p, 1.0 - p), 0.0, 0.5)
    value = np.where(np.abs(q) <= 0.425, _middle(np.clip(q, -0.425, 0.425)),
                     np.copysign(_tails(beyond), q))  # fmt: skip
    return np.where(inside, value, np.nan)


@blocked
@in_float64
def erfinv(y: Any) -> Any:
    """The inverse of `erf`; nan outside [-1, 1]."""
    size = np.abs(y)
    middle = _middle(np.clip(0.5 * y, -0.425, 0.425))
    tails = np.copysign(_tails(np.clip(0.5 * (1.0 - size), 0.0, 0.5)), y)
    return np.where(size > 1, np.nan, np.where(size <= 0.85, middle, tails) * _SQRT_HALF)


@in_float64
def ndtr(x: Any) -> Any:
    """The area under the standard normal density below x."""
    return 0.5 * erfc(-x * _SQRT_HALF)


@in_float64
def log_ndtr(x: Any) -> Any:
    """``log(ndtr(x))``, also far below 0."""
    low = np.log(0.5 * erfcx(-np.minimum(x, -1.0) * _SQRT_HALF)) - 0.5 * x * x
    high = np.log1p(-0.5 * erfc(np.maximum(x, -1.0) * _SQRT_HALF))
    return np.where(x < -1, low, high)
