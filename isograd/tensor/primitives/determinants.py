"""Determinants, and their logarithms."""

from __future__ import annotations

from typing import Any

import numpy as np

from isograd.tensor.core import Tensor
from isograd.tensor.door import apply
from isograd.tensor.primitive import Primitive
from isograd.tensor.primitives.elementwise import conj
from isograd.tensor.primitives.factorizations import linalg_svd
from isograd.tensor.primitives.matrices import (
    LinAlgError,
    eye_like,
    matrix_cuts,
    need_square,
    transposed,
)
from isograd.tensor.primitives.products import matmul
from isograd.tensor.primitives.selection import where
from isograd.tensor.primitives.shape import unsqueeze
from isograd.tensor.primitives.solving import solve_system
from isograd.tensor.public import public
from isograd.tensor.return_types import named_result

__all__ = ["linalg_det", "linalg_slogdet", "logdet"]


def _as_matrix(x: Tensor) -> Tensor:
    """(...) -> (..., 1, 1)."""
    return unsqueeze(unsqueeze(x, -1), -1)


def _det_vjp(g: Tensor, out: Tensor, x: Tensor) -> Tensor:
    """g times the conjugate of the matrix of cofactors, which is det(A) A^-T where A is regular."""
    if bool((out.detach().abs() > 0).all()):
        try:
            return solve_system(transposed(x), _as_matrix(g * conj(out)) * eye_like(x))
        except LinAlgError:  # underflow inside the solver
            pass
    return _as_matrix(g) * conj(_cofactors(x))


def _cofactors(x: Tensor) -> Tensor:
    """The matrix of cofactors, also of singular matrices: conj(det(U) det(Vh) U S' Vh).

    S' holds, for every singular value, the product of all others.
    """
    n = x.shape[-1]
    u, s, vh = linalg_svd(x)
    others = unsqueeze(s, -2).expand(*s.shape, n)
    hide = eye_like(s).bool()
    products = where(hide, 1.0, others).prod(-1)
    phase = linalg_det(u) * linalg_det(vh)
    made = matmul(u * unsqueeze(products, -2).to(u.dtype), vh)
    return _as_matrix(phase) * conj(made)


_det = Primitive(
    "linalg_det",
    lambda xp, x: xp.asarray(xp.linalg.det(x)).astype(x.dtype, copy=False),
    vjp={"x": _det_vjp},
    samples=lambda make: [((make(2, 3, 3) + 2 * np.eye(3),), {})],
    cuts=matrix_cuts(),
    doc="Determinant of a square matrix.",
)


@public("det", method=False, out=True)
def linalg_det(A: Tensor) -> Tensor:
    """The determinant of square matrices."""
    need_square("linalg.det", A)
    return apply(_det, A)


Tensor.det = linalg_det  # type: ignore[attr-defined]


def _slogdet_vjp(gs: Any, out0: Any, x: Tensor) -> Tensor:
    """(g_log - i Im(conj(g_sign) sign)) A^-H."""
    (g_sign, g_log), sign = gs, out0
    scale = sign * 0 if g_log is None else g_log.to(sign.dtype)
    if g_sign is not None and sign.is_complex():
        scale = scale - 1j * (conj(g_sign) * sign).imag
    return solve_system(transposed(x), _as_matrix(scale) * eye_like(x))


def _slogdet_forward(xp: Any, x: Any) -> Any:
    sign, logarithm = xp.linalg.slogdet(x)
    kind = x.real.dtype
    return xp.asarray(sign).astype(x.dtype, copy=False), xp.asarray(logarithm).astype(
        kind, copy=False
    )


_slogdet = Primitive(
    "linalg_slogdet",
    _slogdet_forward,
    vjp_all=lambda gs, out0, x: (_slogdet_vjp(gs, out0, x),),
    outputs=2,
    samples=lambda make: [((make(2, 3, 3) + 3 * np.eye(3),), {})],
    cuts=matrix_cuts(2),
    doc="Sign, and logarithm of the absolute value, of a determinant.",
)


@public(method=False, out=True)
def linalg_slogdet(A: Tensor) -> Any:
    """Sign (phase) of the determinant, and logarithm of its absolute value."""
    need_square("linalg.slogdet", A)
    return named_result("linalg_slogdet", ("sign", "logabsdet"), apply(_slogdet, A))


@public(out=True)
def slogdet(input: Tensor) -> Any:
    """`linalg.slogdet` under its former name."""
    return named_result("slogdet", ("sign", "logabsdet"), linalg_slogdet(input))


@public()
def logdet(input: Tensor) -> Tensor:
    """Logarithm of the determinant; nan where it is negative."""
    need_square("logdet", input)
    sign, logarithm = apply(_slogdet, input)
    if input.is_complex():
        return sign.log() + logarithm
    return where(sign == -1, float("nan"), logarithm)
