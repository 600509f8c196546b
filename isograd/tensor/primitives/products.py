"""Matrix products: matmul and its special cases, and what is built on them.

One primitive, `matmul`, multiplies stacks of matrices that broadcast. float16 and bfloat16 are
multiplied in float32 on the CPU and rounded once; on the GPU they go to cuBLAS, which accumulates
in float32.
"""

from __future__ import annotations

import builtins
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from isograd.tensor.core import Tensor
from isograd.tensor.cuts import Cut
from isograd.tensor.door import apply
from isograd.tensor.dtypes import is_low_precision
from isograd.tensor.primitive import Primitive, Sample
from isograd.tensor.primitives.elementwise import conj
from isograd.tensor.primitives.shape import expand, permute, reshape, transpose, unsqueeze, wrap_dim
from isograd.tensor.public import public

__all__ = ["bmm", "contract", "matmul", "mm"]


def _matmul_forward(xp: Any, x: Any, y: Any) -> Any:
    """(..., n, k) @ (..., k, m) -> (..., n, m)."""
    if xp is not np:
        return _device_matmul(xp, x, y)
    if is_low_precision(x.dtype):
        return np.matmul(x.astype(np.float32), y.astype(np.float32)).astype(x.dtype)
    if x.ndim > 2 and y.ndim == 2 and x.flags.c_contiguous:  # one product instead of many
        return (x.reshape(math.prod(x.shape[:-1]), x.shape[-1]) @ y).reshape(
            *x.shape[:-1], y.shape[-1]
        )
    return np.matmul(x, y)


def _device_matmul(xp: Any, x: Any, y: Any) -> Any:
    from isograd.kernels.cublas import matmul as cublas_matmul

    return cublas_matmul(x, y)


def _samples(make: Any) -> list[Sample]:
    return [
        ((make(3, 4), make(4, 2)), {}),
        ((make(2, 3, 4), make(4, 2)), {}),
        ((make(2, 1, 3, 4), make(3, 4, 2)), {}),
    ]


_matmul = Primitive(
    "matmul",
    _matmul_forward,
    vjp={"x": lambda g, y, x_shape: _grad_left(g, y, x_shape),
         "y": lambda g, x, y_shape: _grad_right(g, x, y_shape)},
    cuts=lambda params, x, y: _matmul_cuts(params, x, y),
    samples=_samples,
    doc="Stacks of matrix products.",
)  # fmt: skip


def _grad_left(g: Tensor, y: Tensor, x_shape: Any) -> Tensor:
    return apply(_matmul, g, conj(transpose(y, -2, -1)))


def _grad_right(g: Tensor, x: Tensor, y_shape: Any) -> Tensor:
    if len(y_shape) == 2 and x.ndim > 2:  # sum over the stack inside one product
        return contract(conj(x), g)
    return apply(_matmul, conj(transpose(x, -2, -1)), g)


def _matmul_cuts(params: Any, x: Any, y: Any) -> list[Cut]:
    if len(x) < 2 or len(y) < 2 or x[-1] != y[-2]:
        return []
    rank = builtins.max(len(x), len(y))
    n, m = len(x), len(y)
    cuts = [Cut((n - 2, None), (rank - 2,)), Cut((None, m - 1), (rank - 1,)),
            Cut((n - 1, m - 2), ("sum",)), Cut(("sum", None), ("sum",)),
            Cut((None, "sum"), ("sum",))]  # fmt: skip
    for d in range(rank - 2):
        i, j = d - rank + n, d - rank + m
        size = builtins.max(x[i] if i >= 0 else 1, y[j] if j >= 0 else 1)
        ins = [
            at if at >= 0 and shape[at] == size else None for at, shape in ((i, x), (j, y))
        ]  # fmt: skip
        cuts.append(Cut(tuple(ins), (d,)))
    return cuts


def _same_dtype(name: str, a: Tensor, b: Tensor) -> None:
    if a._array.dtype != b._array.dtype:
        raise RuntimeError(
            f"{name}: expected m1 and m2 to have the same dtype, but got: {a.dtype.name} != "
            f"{b.dtype.name}"
        )


@public("__matmul__", out=True)
def matmul(input: Tensor, other: Tensor) -> Tensor:
    """Matrix product; leading dimensions broadcast, vectors are rows or columns as needed.

    Raises:
        RuntimeError: if the shapes do not fit or the dtypes differ.
    """
    if not isinstance(other, Tensor):
        raise TypeError(f"matmul(): argument 'other' must be Tensor, not {type(other).__name__}")
    a, b = input._array.shape, other._array.shape
    if not a or not b:
        raise RuntimeError(
            f"both arguments to matmul need to be at least 1D, but they are {len(a)}D and {len(b)}D"
        )
    _same_dtype("matmul", input, other)
    if a[-1] != b[-2 if len(b) > 1 else 0]:
        raise RuntimeError(
            f"matmul: mat1 and mat2 shapes cannot be multiplied ({'x'.join(map(str, a))} and "
            f"{'x'.join(map(str, b))})"
        )
    if len(a) > 1 and len(b) > 1:
        if len(a) > 2 and len(b) > 2:
            _check_batch(a[:-2], b[:-2])
        return apply(_matmul, input, other)
    x = unsqueeze(input, 0) if len(a) == 1 else input
    y = unsqueeze(other, 1) if len(b) == 1 else other
    out = apply(_matmul, x, y)
    shape = list(out._array.shape)
    if len(b) == 1:
        del shape[-1]
    if len(a) == 1:
        del shape[-1 if len(b) == 1 else -2]
    return reshape(out, shape)


def _contract_forward(xp: Any, a: Any, b: Any) -> Any:
    """(..., n), (..., m) -> (n, m)."""
    rows = math.prod(a.shape[:-1])
    return _matmul_forward(xp, a.reshape(rows, a.shape[-1]).T, b.reshape(rows, b.shape[-1]))


def _contract_cuts(params: Any, a: Any, b: Any) -> list[Cut]:
    last = len(a) - 1
    return [*(Cut((d, d), ("sum",)) for d in range(last)),
            Cut((last, None), (0,)), Cut((None, last), (1,)),
            Cut(("sum", None), ("sum",)), Cut((None, "sum"), ("sum",))]  # fmt: skip


_contract: Primitive = Primitive(
    "contract",
    _contract_forward,
    vjp={
        "a": lambda g, b: matmul(conj(b), transpose(g, 0, 1)),
        "b": lambda g, a: matmul(conj(a), g),
    },
    cuts=_contract_cuts,
    samples=lambda make: [((make(3, 2), make(3, 4)), {}), ((make(2, 3, 2), make(2, 3, 4)), {})],
    doc="Sums of outer products over all leading dimensions: ``a.T @ b`` of the rows of both.",
)


def contract(a: Tensor, b: Tensor) -> Tensor:
    """``a.T @ b`` with all but the last dimensions taken as rows; (..., n), (..., m) -> (n, m)."""
    return apply(_contract, a, b)


def _check_batch(a: Sequence[int], b: Sequence[int]) -> None:
    for x, y in zip(reversed(a), reversed(b), strict=False):
        if x != y and 1 not in (x, y):
            raise RuntimeError(
                f"The size of tensor a ({x}) must match the size of tensor b ({y}) in the batch "
                f"dimensions {list(a)} and {list(b)}"
            )


Tensor.__rmatmul__ = lambda self, other: matmul(other, self)


def _needs(name: str, x: Tensor, ndim: int) -> None:
    if x.ndim != ndim:
        kind = {1: "1D tensor", 2: "a matrix", 3: "a 3D tensor"}[ndim]
        raise RuntimeError(f"{name}: expected {kind}, got {x.ndim}D of shape {list(x.shape)}")


@public(out=True)
def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """Product of two matrices."""
    _needs("mm", input, 2)
    _needs("mm", mat2, 2)
    return matmul(input, mat2)


@public(out=True)
def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """Products of two stacks of matrices, (b, n, k) and (b, k, m)."""
    _needs("bmm", input, 3)
    _needs("bmm", mat2, 3)
    if input.shape[0] != mat2.shape[0]:
        raise RuntimeError(
            f"bmm: expected equal batches, got {list(input.shape)} and {list(mat2.shape)}"
        )
    return matmul(input, mat2)


@public(out=True)
def mv(input: Tensor, vec: Tensor) -> Tensor:
    """Product of a matrix and a vector."""
    _needs("mv", input, 2)
    _needs("mv", vec, 1)
    return matmul(input, vec)


@public(out=True)
def dot(input: Tensor, other: Tensor) -> Tensor:
    """Sum of the products of two vectors."""
    _needs("dot", input, 1)
    _needs("dot", other, 1)
    if input.numel() != other.numel():
        raise RuntimeError(
            f"inconsistent tensor size, expected tensor [{input.numel()}] and src "
            f"[{other.numel()}] to have the same number of elements, but got different numbers"
        )
    return matmul(input, other)


@public(out=True)
def vdot(input: Tensor, other: Tensor) -> Tensor:
    """`dot` with the first vector conjugated."""
    return dot(conj(input), other)


@public(out=True)
def inner(input: Tensor, other: Tensor) -> Tensor:
    """Sum of products over the last dimensions of both."""
    if input.ndim == 0 or other.ndim == 0:
        return input * other
    if input.shape[-1] != other.shape[-1]:
        raise RuntimeError(
            f"inner() the last dimension must match on both input tensors but got shapes "
            f"{list(input.shape)} and {list(other.shape)}"
        )
    return tensordot(input, other, ([-1], [-1]))


@public("ger", out=True)
def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """The matrix of products of two vectors' elements."""
    _needs("outer", input, 1)
    _needs("outer", vec2, 1)
    return unsqueeze(input, 1) * vec2


def _blend(input: Tensor, product: Tensor, beta: Any, alpha: Any) -> Tensor:
    scaled = product if alpha == 1 else product * alpha
    if beta == 0:
        return expand(scaled, scaled.shape)
    return (input if beta == 1 else input * beta) + scaled


@public(inplace=True, out=True)
def addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """``beta * input + alpha * (mat1 @ mat2)``."""
    return _blend(input, mm(mat1, mat2), beta, alpha)


@public(inplace=True, out=True)
def addmv(input: Tensor, mat: Tensor, vec: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """``beta * input + alpha * (mat @ vec)``."""
    return _blend(input, mv(mat, vec), beta, alpha)


@public(inplace=True, out=True)
def addr(input: Tensor, vec1: Tensor, vec2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """``beta * input + alpha * outer(vec1, vec2)``."""
    return _blend(input, outer(vec1, vec2), beta, alpha)


@public(inplace=True, out=True)
def baddbmm(
    input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Any = 1, alpha: Any = 1
) -> Tensor:
    """``beta * input + alpha * (batch1 @ batch2)`` for stacks of matrices."""
    return _blend(input, bmm(batch1, batch2), beta, alpha)


@public(inplace=True, out=True)
def addbmm(
    input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Any = 1, alpha: Any = 1
) -> Tensor:
    """``beta * input + alpha * sum over the stack of (batch1 @ batch2)``."""
    return _blend(input, bmm(batch1, batch2).sum(0), beta, alpha)


@public(method=False, out=True)
def tensordot(a: Tensor, b: Tensor, dims: Any = 2) -> Tensor:
    """Sum of products over pairs of dimensions: the last and first ``dims``, or two lists.

    Raises:
        RuntimeError: if the paired lengths differ.
    """
    if isinstance(dims, Tensor):
        dims = dims.tolist()
    if isinstance(dims, int):
        if dims < 0:
            raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
        left, right = list(range(a.ndim - dims, a.ndim)), list(range(dims))
    else:
        left, right = ([d] if isinstance(d, int) else list(d) for d in dims)
    if len(left) != len(right):
        raise RuntimeError("both dimension lists should have same length")
    left = [wrap_dim(d, a.ndim, "tensordot") for d in left]
    right = [wrap_dim(d, b.ndim, "tensordot") for d in right]
    for i, j in zip(left, right, strict=True):  # a length 1 stands for as many as the other has
        if a.shape[i] == 1 != b.shape[j]:
            b = b.sum(j, keepdim=True)
        elif b.shape[j] == 1 != a.shape[i]:
            a = a.sum(i, keepdim=True)
    for i, j in zip(left, right, strict=True):
        if a.shape[i] != b.shape[j]:
            raise RuntimeError(
                f"contracted dimensions need to match, but first has size {a.shape[i]} in dim {i} "
                f"and second has size {b.shape[j]} in dim {j}"
            )
    keep_a = [d for d in range(a.ndim) if d not in left]
    keep_b = [d for d in range(b.ndim) if d not in right]
    shape = [a.shape[d] for d in keep_a] + [b.shape[d] for d in keep_b]
    inner_size = math.prod(a.shape[d] for d in left)
    x = reshape(
        permute(a, keep_a + left),
        (-1 if inner_size else math.prod(shape[: len(keep_a)]), inner_size),
    )
    y = reshape(
        permute(b, right + keep_b),
        (inner_size, -1 if inner_size else math.prod(shape[len(keep_a) :])),
    )
    return reshape(matmul(x, y), shape)


@public(method=False)
def chain_matmul(*matrices: Tensor) -> Tensor:
    """Product of several matrices, in the cheapest order (dynamic programming over the sizes)."""
    n = len(matrices)
    sides = [matrices[0].shape[0], *[m.shape[1] for m in matrices]]
    cost: dict[tuple[int, int], tuple[int, int]] = {(i, i): (0, i) for i in range(n)}
    for span in range(1, n):
        for i in range(n - span):
            j = i + span
            cost[i, j] = builtins.min(
                (cost[i, k][0] + cost[k + 1, j][0] + sides[i] * sides[k + 1] * sides[j + 1], k)
                for k in range(i, j)
            )

    def product(i: int, j: int) -> Tensor:
        if i == j:
            return matrices[i]
        k = cost[i, j][1]
        return mm(product(i, k), product(k + 1, j))

    return product(0, n - 1)


@public(method=False)
def kron(input: Tensor, other: Tensor) -> Tensor:
    """Kronecker product."""
    n = builtins.max(input.ndim, other.ndim)
    a = (1,) * (n - input.ndim) + tuple(input.shape)
    b = (1,) * (n - other.ndim) + tuple(other.shape)
    x = reshape(input, [v for s in a for v in (s, 1)])
    y = reshape(other, [v for s in b for v in (1, s)])
    return reshape(x * y, [s * t for s, t in zip(a, b, strict=True)])


Tensor.kron = kron  # type: ignore[attr-defined]
