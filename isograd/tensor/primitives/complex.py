"""Complex numbers: parts, angle, and views of pairs of reals.

``real``, ``imag``, ``view_as_real`` and ``view_as_complex`` look into the same memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from isograd.tensor.core import Tensor
from isograd.tensor.cuts import Cut, elementwise
from isograd.tensor.door import apply
from isograd.tensor.primitive import Primitive
from isograd.tensor.primitives.elementwise import need_tensors, unary
from isograd.tensor.primitives.selection import where
from isograd.tensor.primitives.transcendental import cos, sin
from isograd.tensor.public import public

__all__ = ["angle", "complex", "imag", "polar", "real", "view_as_complex", "view_as_real"]


def _complex_sample(make: Any) -> Any:
    return make(3, 4) + 1j * make(3, 4)


def _to_complex(g: Tensor, real: bool) -> Tensor:
    zero = g * 0
    return complex(g, zero) if real else complex(zero, g)


_real = Primitive(
    "real", lambda xp, x: x.real, vjp={"x": lambda g: _to_complex(g, True)}, view=True,
    cuts=elementwise(sums=[(0,)]),
    samples=lambda make: [((_complex_sample(make),), {})], doc="The real part.",
)  # fmt: skip
_imag = Primitive(
    "imag", lambda xp, x: x.imag, vjp={"x": lambda g: _to_complex(g, False)}, view=True,
    cuts=elementwise(sums=[(0,)]),
    samples=lambda make: [((_complex_sample(make),), {})], doc="The imaginary part.",
)  # fmt: skip


@public(method=False)
def real(input: Tensor) -> Tensor:
    """A view of the real part; a real tensor itself."""
    return apply(_real, input) if input.is_complex() else input


@public(method=False)
def imag(input: Tensor) -> Tensor:
    """A view of the imaginary part.

    Raises:
        RuntimeError: for a real tensor.
    """
    if not input.is_complex():
        raise RuntimeError(
            f"imag is not implemented for tensors with non-complex dtypes, got {input.dtype}"
        )
    return apply(_imag, input)


def _assign(part: Any) -> Any:
    def assign(self: Tensor, value: Any) -> None:
        part(self)[...] = value

    return assign


Tensor.real = property(real, _assign(real))  # type: ignore[attr-defined]
Tensor.imag = property(imag, _assign(imag))  # type: ignore[attr-defined]


def _pair(xp: Any, x: Any, y: Any) -> Any:
    x, y = xp.broadcast_arrays(x, y)
    out = xp.empty(x.shape, np.complex64 if x.dtype.itemsize < 8 else np.complex128)
    out.real, out.imag = x, y
    return out


_complex = Primitive(
    "complex", _pair,
    vjp={"x": lambda g: real(g), "y": lambda g: _imag_or_zero(g)},
    cuts=elementwise(sums=[(0, 1)]),
    samples=lambda make: [((make(3, 4), make(4)), {})], doc="A complex number from its parts.",
)  # fmt: skip
_polar = Primitive(
    "polar", lambda xp, x, y: _pair(xp, x * xp.cos(y), x * xp.sin(y)),
    vjp={"x": lambda g, x, y: real(g) * cos(y) + _imag_or_zero(g) * sin(y),
         "y": lambda g, x, y: x * (_imag_or_zero(g) * cos(y) - real(g) * sin(y))},
    cuts=elementwise(sums=[(0,)]),
    samples=lambda make: [((make(3, 4, low=0.5), make(4)), {})],
    doc="A complex number from length and angle.",
)  # fmt: skip


def _imag_or_zero(g: Tensor) -> Tensor:
    return imag(g) if g.is_complex() else g * 0


def _check_parts(name: str, x: Tensor, y: Tensor) -> None:
    if x.dtype.category != 2 or y.dtype.category != 2 or min(x.itemsize, y.itemsize) < 4:
        raise RuntimeError(
            f"{name}: Expected both inputs to be Float or Double tensors but got {x.dtype} and "
            f"{y.dtype}"
        )
    if x.dtype is not y.dtype:
        raise RuntimeError(
            f"{name}: Expected object of scalar type {x.dtype} but got scalar type {y.dtype} for "
            "second argument"
        )


@public(method=False, out=True)
def complex(real: Tensor, imag: Tensor) -> Tensor:
    """``real + i * imag``.

    Raises:
        RuntimeError: unless both are float32 or both float64.
    """
    need_tensors("complex", real=real, imag=imag)
    _check_parts("complex", real, imag)
    return apply(_complex, real, imag)


@public(method=False, out=True)
def polar(abs: Tensor, angle: Tensor) -> Tensor:
    """``abs * (cos(angle) + i * sin(angle))``.

    Raises:
        RuntimeError: unless both are float32 or both float64.
    """
    need_tensors("polar", abs=abs, angle=angle)
    _check_parts("polar", abs, angle)
    return apply(_polar, abs, angle)


def _angle_forward(xp: Any, x: Any) -> Any:
    if x.dtype.kind == "c":
        return xp.angle(x)
    value = xp.where(xp.less(x, 0), np.pi, 0.0).astype(x.dtype)
    return xp.where(xp.isnan(x), x, value)


def _angle_vjp(g: Any, x: Any) -> Any:
    if not x.is_complex():
        return g * 0
    a, b = real(x), imag(x)
    square = a * a + b * b
    scale = where(square == 0, 0.0, g / where(square == 0, 1.0, square))
    return complex(-b * scale, a * scale)


angle = unary("angle", _angle_forward, _angle_vjp, "The angle of a complex number, in radians.",
              inplace=False)  # fmt: skip


def _as_pairs(x: Any) -> Any:
    """(...) complex -> (..., 2) real, in the same memory."""
    return x[..., None].view(x.real.dtype)


def _from_pairs(x: Any) -> Any:
    """(..., 2) real -> (...) complex, in the same memory if the pairs are neighbours."""
    if x.strides[-1] != x.itemsize:
        x = x.copy(order="C")
    return x.view(np.complex64 if x.dtype.itemsize == 4 else np.complex128)[..., 0]


def _without_last(params: Any, x: tuple[int, ...]) -> Iterator[Cut]:
    """Any dimension but that of the pairs."""
    yield from (Cut((d,), (d,)) for d in range(len(x) - 1))
    yield Cut(("sum",), ("sum",))


def _joined(g: Tensor) -> Tensor:
    return view_as_complex(g.contiguous())


def _separated(g: Tensor) -> Tensor:
    return view_as_real(g if g.is_complex() else complex(g, g * 0))


_view_as_real = Primitive(
    "view_as_real", lambda xp, x: _as_pairs(x), view=True,
    vjp={"x": lambda g: _joined(g)}, cuts=elementwise(sums=[(0,)]),
    samples=lambda make: [((_complex_sample(make),), {})],
    doc="A complex tensor seen as pairs of reals.",
)  # fmt: skip
_view_as_complex = Primitive(
    "view_as_complex", lambda xp, x: _from_pairs(x), view=True,
    vjp={"x": lambda g: _separated(g)}, cuts=_without_last,
    samples=lambda make: [((make(3, 4, 2),), {})], doc="Pairs of reals seen as complex numbers.",
)  # fmt: skip


@public(method=False)
def view_as_real(input: Tensor) -> Tensor:
    """A view with a last dimension of length 2: real and imaginary parts.

    Raises:
        RuntimeError: for a real tensor.
    """
    if not input.is_complex():
        raise RuntimeError(f"view_as_real is only supported for complex tensors, got {input.dtype}")
    return apply(_view_as_real, input)


@public(method=False)
def view_as_complex(input: Tensor) -> Tensor:
    """A complex view of a tensor whose last dimension holds real and imaginary parts.

    Raises:
        RuntimeError: for another dtype than float32 or float64, or a last dimension that is not
            two neighbouring numbers.
    """
    if input.dtype.category != 2 or input.itemsize < 4:
        raise RuntimeError(
            "view_as_complex is only supported for float and double tensors, but got a tensor of "
            f"scalar type {input.dtype}"
        )
    if input.ndim == 0 or input.shape[-1] != 2:
        raise RuntimeError(
            f"Tensor must have a last dimension of size 2, got shape {tuple(input.shape)}"
        )
    if input.stride(-1) != 1:
        raise RuntimeError("Tensor must have a last dimension with stride 1; use .contiguous()")
    return apply(_view_as_complex, input)
