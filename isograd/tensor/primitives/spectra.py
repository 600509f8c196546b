"""Discrete Fourier transforms in one or more dimensions, with torch's norm modes.

Three primitives: complex to complex over several dimensions, real to (half of) complex and back
over one. A transform's adjoint is the opposite transform with the opposite scaling, so gradients
are transforms too.
"""

from __future__ import annotations

from typing import Any

from isograd.tensor.backends import backend_of
from isograd.tensor.core import Tensor, wrap
from isograd.tensor.creation import arange
from isograd.tensor.cuts import along
from isograd.tensor.door import apply
from isograd.tensor.dtypes import dtype as DType
from isograd.tensor.dtypes import get_default_dtype
from isograd.tensor.primitive import Primitive
from isograd.tensor.primitives.elementwise import conj
from isograd.tensor.primitives.shape import cat, narrow, roll, wrap_dim
from isograd.tensor.public import public

__all__ = [
    "fft_fft", "fft_fft2", "fft_fftfreq", "fft_fftn", "fft_fftshift", "fft_hfft", "fft_hfft2",
    "fft_hfftn", "fft_ifft", "fft_ifft2", "fft_ifftn", "fft_ifftshift", "fft_ihfft", "fft_ihfft2",
    "fft_ihfftn", "fft_irfft", "fft_irfft2", "fft_irfftn", "fft_rfft", "fft_rfft2",
    "fft_rfftfreq", "fft_rfftn",
]  # fmt: skip

_OPPOSITE = {"backward": "forward", "forward": "backward", "ortho": "ortho"}

# -- primitives

_c2c: Primitive = Primitive(
    "fft_c2c",
    lambda xp, x, *, dims, norm, inverse: (xp.fft.ifftn if inverse else xp.fft.fftn)(
        x, axes=dims, norm=norm),
    vjp={"x": lambda g, dims, norm, inverse: apply(
        _c2c, g, dims=dims, norm=_OPPOSITE[norm], inverse=not inverse)},
    samples=lambda make: [
        ((make(3, 4) + 1j * make(3, 4),), {"dims": (0, 1), "norm": "backward", "inverse": False}),
        ((make(3, 4) + 1j * make(3, 4),), {"dims": (1,), "norm": "ortho", "inverse": True}),
    ],
    cuts=along("dims", sums=True),
    doc="Complex Fourier transform over dimensions.",
)  # fmt: skip


def _r2c_vjp(g: Tensor, x_shape: Any, dim: int, norm: str) -> Tensor:
    """The missing half is 0: the real part of the full inverse transform."""
    full = _fitted(g, dim, x_shape[dim])
    back = apply(_c2c, full, dims=(dim,), norm=_OPPOSITE[norm], inverse=True)
    return back.real


_r2c = Primitive(
    "fft_r2c",
    lambda xp, x, *, dim, norm: xp.fft.rfft(x, axis=dim, norm=norm),
    vjp={"x": _r2c_vjp},
    samples=lambda make: [
        ((make(3, 5),), {"dim": 1, "norm": "ortho"}),
        ((make(4, 3),), {"dim": 0, "norm": "backward"}),
    ],
    cuts=along("dim", sums=True),
    doc="Fourier transform of real numbers along one dimension: its half without redundancy.",
)


def _c2r_vjp(g: Tensor, dim: int, n: int, norm: str) -> Tensor:
    """Every frequency but 0 and n / 2 stands for two."""
    half = apply(_r2c, g, dim=dim, norm=_OPPOSITE[norm])
    xp = backend_of(half._array).xp
    weights = xp.full(n // 2 + 1, 2, g._array.dtype.type(0).real.dtype)
    weights[0] = 1
    if n % 2 == 0:
        weights[-1] = 1
    return half * wrap(weights.reshape([-1 if d == dim else 1 for d in range(half.ndim)]))


_c2r = Primitive(
    "fft_c2r",
    lambda xp, x, *, dim, n, norm: xp.fft.irfft(x, n, axis=dim, norm=norm),
    vjp={"x": _c2r_vjp},
    samples=lambda make: [
        ((make(3, 4) + 1j * make(3, 4),), {"dim": 1, "n": 6, "norm": "backward"}),
        ((make(3, 4) + 1j * make(3, 4),), {"dim": 1, "n": 7, "norm": "ortho"}),
    ],
    cuts=along("dim", sums=True),
    doc="Real numbers from the half of their Fourier transform, along one dimension.",
)

# -- arguments


def _norm(name: str, norm: str | None) -> str:
    mode = "backward" if norm is None else norm
    if mode not in _OPPOSITE:
        raise RuntimeError(f"Invalid normalization mode: \"{norm}\" ({name}: expected 'backward', "
                           "'forward' or 'ortho')")  # fmt: skip
    return mode


def _floating(name: str, x: Tensor, want: str) -> Tensor:
    """``x`` as floating, and for ``want="complex"`` complex, numbers."""
    d = x.dtype
    if d.category == 2 and d.itemsize < 4:
        raise RuntimeError(f"{name}: Unsupported dtype {d}: use float32 or float64")
    if want == "real" and d.category == 3:
        raise RuntimeError(f"{name} expects a real input tensor, but got {d}")
    if d.category < 2:
        d = get_default_dtype()
    if want == "complex" and d.category == 2:
        d = d.to_complex()
    return x if d is x.dtype else x.to(d)


def _fitted(x: Tensor, dim: int, n: int) -> Tensor:
    """Cut or padded with zeros to length ``n`` along ``dim``."""
    have = x.shape[dim]
    if have == n:
        return x
    if have > n:
        return narrow(x, dim, 0, n)
    shape = [n - have if d == dim else s for d, s in enumerate(x.shape)]
    return cat([x, x.new_zeros(shape)], dim)


def _check_length(n: int) -> None:
    if n < 1:
        raise RuntimeError(f"Invalid number of data points ({n}) specified")


def _one(name: str, x: Tensor, dim: int) -> int:
    if x.ndim == 0:
        raise RuntimeError(f"{name}: Dimension specified as {dim} but tensor has no dimensions")
    return wrap_dim(dim, x.ndim, name)


def _several(name: str, x: Tensor, s: Any, dim: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Dimensions and their lengths (-1 keeps a length)."""
    if isinstance(dim, int):
        dim = (dim,)
    if isinstance(s, int):
        s = (s,)
    if dim is None:
        count = x.ndim if s is None else len(s)
        if count > x.ndim:
            raise RuntimeError(
                f"{name}: Got shape with {count} values but input tensor only has {x.ndim} "
                "dimensions."
            )
        dims = tuple(range(x.ndim - count, x.ndim))
    else:
        dims = tuple(wrap_dim(d, x.ndim, name) for d in dim)
        if len(set(dims)) != len(dims):
            raise RuntimeError("FFT dims must be unique")
        if s is not None and len(s) != len(dims):
            raise RuntimeError(
                f"When given, dim and shape arguments must have the same length ({name})"
            )
    lengths = tuple(x.shape[d] for d in dims) if s is None else tuple(
        x.shape[d] if n == -1 else n for d, n in zip(dims, s, strict=True)
    )  # fmt: skip
    return dims, lengths


# -- over one dimension


def _complex_along(
    name: str, x: Tensor, n: int | None, dim: int, norm: Any, inverse: bool
) -> Tensor:
    mode = _norm(name, norm)
    x = _floating(name, x, "complex")
    dim = _one(name, x, dim)
    length = x.shape[dim] if n is None else n
    _check_length(length)
    return apply(_c2c, _fitted(x, dim, length), dims=(dim,), norm=mode, inverse=inverse)


@public(method=False, out=True)
def fft_fft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """Fourier transform along ``dim``, of ``n`` points (cut, or padded with zeros).

    Args:
        norm: ``"backward"`` scales the inverse by 1/n (default), ``"forward"`` this one,
            ``"ortho"`` both by 1/sqrt(n).
    """
    return _complex_along("fft", input, n, dim, norm, False)


@public(method=False, out=True)
def fft_ifft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """Inverse of `fft`."""
    return _complex_along("ifft", input, n, dim, norm, True)


@public(method=False, out=True)
def fft_rfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """`fft` of real numbers: the n // 2 + 1 frequencies without redundancy."""
    mode = _norm("rfft", norm)
    x = _floating("rfft", input, "real")
    dim = _one("rfft", x, dim)
    length = x.shape[dim] if n is None else n
    _check_length(length)
    return apply(_r2c, _fitted(x, dim, length), dim=dim, norm=mode)


@public(method=False, out=True)
def fft_irfft(
    input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None
) -> Tensor:
    """Inverse of `rfft`: ``n`` real numbers (by default an even number of them)."""
    mode = _norm("irfft", norm)
    x = _floating("irfft", input, "complex")
    dim = _one("irfft", x, dim)
    length = 2 * (x.shape[dim] - 1) if n is None else n
    _check_length(length)
    return apply(_c2r, _fitted(x, dim, length // 2 + 1), dim=dim, n=length, norm=mode)


@public(method=False, out=True)
def fft_hfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """`fft` of a signal of which one half is given, the other being its conjugate."""
    return fft_irfft(conj(_floating("hfft", input, "any")), n, dim, _OPPOSITE[_norm("hfft", norm)])


@public(method=False, out=True)
def fft_ihfft(
    input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None
) -> Tensor:
    """Inverse of `hfft`."""
    return conj(fft_rfft(input, n, dim, _OPPOSITE[_norm("ihfft", norm)]))


# -- over several dimensions


def _complex_over(name: str, x: Tensor, s: Any, dim: Any, norm: Any, inverse: bool) -> Tensor:
    mode = _norm(name, norm)
    x = _floating(name, x, "complex")
    dims, lengths = _several(name, x, s, dim)
    for d, n in zip(dims, lengths, strict=True):
        _check_length(n)
        x = _fitted(x, d, n)
    return apply(_c2c, x, dims=dims, norm=mode, inverse=inverse) if dims else x.clone()


def _rfftn(name: str, x: Tensor, s: Any, dim: Any, norm: Any) -> Tensor:
    mode = _norm(name, norm)
    x = _floating(name, x, "real")
    dims, lengths = _several(name, x, s, dim)
    if not dims:
        raise RuntimeError(f"{name} must transform at least one axis")
    for d, n in zip(dims, lengths, strict=True):
        _check_length(n)
        x = _fitted(x, d, n)
    half = apply(_r2c, x, dim=dims[-1], norm=mode)
    return apply(_c2c, half, dims=dims[:-1], norm=mode, inverse=False) if dims[1:] else half


def _irfftn(name: str, x: Tensor, s: Any, dim: Any, norm: Any) -> Tensor:
    mode = _norm(name, norm)
    x = _floating(name, x, "complex")
    dims, lengths = _several(name, x, s, dim)
    if not dims:
        raise RuntimeError(f"{name} must transform at least one axis")
    keeps = s is None or (s if isinstance(s, int) else tuple(s)[-1]) == -1
    last = 2 * (x.shape[dims[-1]] - 1) if keeps else lengths[-1]
    _check_length(last)
    for d, n in zip(dims, (*lengths[:-1], last // 2 + 1), strict=True):
        _check_length(n)
        x = _fitted(x, d, n)
    if dims[1:]:
        x = apply(_c2c, x, dims=dims[:-1], norm=mode, inverse=True)
    return apply(_c2r, x, dim=dims[-1], n=last, norm=mode)


@public(method=False, out=True)
def fft_fftn(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None) -> Tensor:
    """`fft` over all dimensions, or over ``dim`` with lengths ``s``."""
    return _complex_over("fftn", input, s, dim, norm, False)


@public(method=False, out=True)
def fft_ifftn(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None) -> Tensor:
    """Inverse of `fftn`."""
    return _complex_over("ifftn", input, s, dim, norm, True)


@public(method=False, out=True)
def fft_rfftn(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None) -> Tensor:
    """`fftn` of real numbers; the last dimension holds its half without redundancy."""
    return _rfftn("rfftn", input, s, dim, norm)


@public(method=False, out=True)
def fft_irfftn(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None) -> Tensor:
    """Inverse of `rfftn`."""
    return _irfftn("irfftn", input, s, dim, norm)


@public(method=False, out=True)
def fft_hfftn(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None) -> Tensor:
    """`fftn` of a signal of which half of the last dimension is given."""
    opposite = _OPPOSITE[_norm("hfftn", norm)]
    return _irfftn("hfftn", conj(_floating("hfftn", input, "any")), s, dim, opposite)


@public(method=False, out=True)
def fft_ihfftn(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None) -> Tensor:
    """Inverse of `hfftn`."""
    return conj(_rfftn("ihfftn", input, s, dim, _OPPOSITE[_norm("ihfftn", norm)]))


def _two(name: str, over: Any) -> Any:
    def function(
        input: Tensor, s: Any = None, dim: Any = (-2, -1), norm: str | None = None
    ) -> Tensor:
        out: Tensor = over(input, s, dim, norm)
        return out

    function.__name__ = f"fft_{name}2"
    function.__doc__ = f"`{name}n` over the last two dimensions."
    return public(method=False, out=True)(function)


fft_fft2, fft_ifft2 = _two("fft", fft_fftn), _two("ifft", fft_ifftn)
fft_rfft2, fft_irfft2 = _two("rfft", fft_rfftn), _two("irfft", fft_irfftn)
fft_hfft2, fft_ihfft2 = _two("hfft", fft_hfftn), _two("ihfft", fft_ihfftn)

# -- frequencies and their order


@public(method=False, out=True)
def fft_fftfreq(n: int, d: float = 1.0, *, dtype: DType | None = None, device: Any = None,
                requires_grad: bool = False, **options: Any) -> Tensor:  # fmt: skip
    """The frequencies of `fft` of ``n`` points spaced ``d`` apart: 0, 1, ..., -2, -1 over n d."""
    kind = dtype or get_default_dtype()
    order = arange(n, dtype=kind, device=device, **options)
    made = (order - n * (order >= (n + 1) // 2).to(kind)) * (1.0 / (n * d))
    return made.requires_grad_(requires_grad)


@public(method=False, out=True)
def fft_rfftfreq(n: int, d: float = 1.0, *, dtype: DType | None = None, device: Any = None,
                 requires_grad: bool = False, **options: Any) -> Tensor:  # fmt: skip
    """The frequencies of `rfft` of ``n`` points spaced ``d`` apart: 0 ... n // 2 over n d."""
    made = arange(n // 2 + 1, dtype=dtype or get_default_dtype(), device=device, **options)
    return (made * (1.0 / (n * d))).requires_grad_(requires_grad)


def _shift(name: str, sign: int, doc: str) -> Any:
    def function(input: Tensor, dim: Any = None) -> Tensor:
        dims = tuple(range(input.ndim)) if dim is None else (dim,) if isinstance(dim, int) else dim
        by = tuple(sign * (input.shape[d] // 2) for d in dims)
        return roll(input, by, tuple(dims)) if dims else input.clone()

    function.__name__, function.__doc__ = f"fft_{name}", doc
    return public(method=False)(function)


fft_fftshift = _shift("fftshift", 1, "The frequency 0 moved to the middle.")
fft_ifftshift = _shift("ifftshift", -1, "Inverse of `fftshift`.")
