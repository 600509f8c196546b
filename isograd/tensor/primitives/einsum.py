"""``einsum``: sums of products named by letters, each pair one batched matrix product."""

from __future__ import annotations

import builtins
import math
from typing import Any

from isograd.tensor.core import Tensor
from isograd.tensor.primitives.products import matmul
from isograd.tensor.primitives.shape import expand, permute, reshape
from isograd.tensor.public import public

__all__ = ["einsum"]


@public(method=False)
def einsum(equation: Any, *operands: Any) -> Tensor:
    """Sum of products named by letters: ``einsum("bij,bjk->bik", x, y)``; ``...`` broadcasts.

    Contracts from left to right, each pair by one batched matrix product.

    Raises:
        RuntimeError: if the equation does not fit the operands.
    """
    if not isinstance(equation, str):
        equation, operands = _from_lists((equation, *operands))
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = tuple(operands[0])
    terms, result = _parse(equation, operands)
    tensors = [_take_diagonals(x, term) for x, term in zip(operands, terms, strict=True)]
    x, names = tensors[0]
    for i, (y, other) in enumerate(tensors[1:], 1):
        later = set(result).union(*[t for _, t in tensors[i + 1 :]])
        x, names = _contract(x, names, y, other, later)
    gone = [i for i, n in enumerate(names) if n not in result]
    if gone:
        x = x.sum(gone)
        names = [n for n in names if n in result]
    return permute(x, [names.index(n) for n in result])


def _from_lists(values: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
    """The sublist format: operand, list of ints, ..., and maybe the result's list."""

    def letters(listed: Any) -> str:
        return "".join(
            "..." if v is Ellipsis else chr(97 + v if v < 26 else 39 + v) for v in listed
        )

    pairs, rest = values[: len(values) // 2 * 2], values[len(values) // 2 * 2 :]
    text = ",".join(letters(v) for v in pairs[1::2])
    return text + (f"->{letters(rest[0])}" if rest else ""), pairs[0::2]


def _parse(equation: str, operands: tuple[Any, ...]) -> tuple[list[list[str]], list[str]]:
    text = equation.replace(" ", "")
    left, arrow, right = text.partition("->")
    parts = left.split(",")
    if len(parts) != len(operands):
        raise RuntimeError(
            f"einsum(): the number of operands specified in the equation ({len(parts)}) does not "
            f"match the number of operands provided ({len(operands)})"
        )
    widest = 0
    for part, x in zip(parts, operands, strict=True):
        named = len(part.replace("...", ""))
        if "..." in part:
            widest = builtins.max(widest, x.ndim - named)
        if named > x.ndim or ("..." not in part and named != x.ndim):
            raise RuntimeError(
                f"einsum(): the number of subscripts in the equation ({named}) does not match the "
                f"number of dimensions ({x.ndim}) for operand '{part}'"
            )
    dots = [f".{i}" for i in range(widest)]
    terms = []
    for part, x in zip(parts, operands, strict=True):
        before, _, after = part.partition("...")
        hidden = x.ndim - len(before) - len(after)
        middle = dots[widest - hidden :] if "..." in part else []
        terms.append([*before, *middle, *after])
    everything = [n for term in terms for n in term]
    if not all(n.isalpha() or n.startswith(".") for n in everything):
        raise RuntimeError(f"einsum(): subscripts must be letters, got {equation!r}")
    if arrow:
        before, _, after = right.partition("...")
        result = [*before, *(dots if "..." in right else []), *after]
        for n in result:
            if n not in everything and not n.startswith("."):
                raise RuntimeError(
                    f"einsum(): output subscript {n} does not appear in the equation for any input "
                    "operand"
                )
        if len(set(result)) != len(result):
            raise RuntimeError(f"einsum(): output subscript appears more than once in {right!r}")
    else:
        result = dots + sorted(
            n for n in set(everything) if everything.count(n) == 1 and n[0] != "."
        )
    return terms, result


def _take_diagonals(x: Tensor, term: list[str]) -> tuple[Tensor, list[str]]:
    names = list(term)
    for n in dict.fromkeys(term):
        while names.count(n) > 1:
            i = names.index(n)
            j = names.index(n, i + 1)
            if x.shape[i] != x.shape[j]:
                raise RuntimeError(
                    f"einsum(): subscript {n} is repeated for an operand but the sizes don't "
                    f"match, {x.shape[j]} != {x.shape[i]}"
                )
            x = x.diagonal(0, i, j)
            names = [m for k, m in enumerate(names) if k not in (i, j)] + [n]
    return x, names


def _contract(
    x: Tensor, xs: list[str], y: Tensor, ys: list[str], later: set[str]
) -> tuple[Tensor, list[str]]:
    """One product: batch names (in both and wanted later), left, right, and summed names."""
    sizes = _joint_sizes(x, xs, y, ys)
    x, xs = _sum_alone(x, xs, ys, later)
    y, ys = _sum_alone(y, ys, xs, later)
    both = [n for n in xs if n in ys]
    batch = [n for n in both if n in later]
    summed = [n for n in both if n not in later]
    left = [n for n in xs if n not in ys]
    right = [n for n in ys if n not in xs]
    x = expand(permute(x, [xs.index(n) for n in batch + left + summed]),
               [sizes[n] for n in batch + left + summed])  # fmt: skip
    y = expand(permute(y, [ys.index(n) for n in batch + summed + right]),
               [sizes[n] for n in batch + summed + right])  # fmt: skip
    b, n, k, m = (math.prod(sizes[v] for v in group) for group in (batch, left, summed, right))
    product = matmul(reshape(x, (b, n, k)), reshape(y, (b, k, m)))
    names = batch + left + right
    return reshape(product, [sizes[v] for v in names]), names


def _joint_sizes(x: Tensor, xs: list[str], y: Tensor, ys: list[str]) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for t, names in ((x, xs), (y, ys)):
        for n, s in zip(names, t.shape, strict=True):
            have = sizes.get(n, 1)
            if have != s and have != 1 and s != 1:
                raise RuntimeError(
                    f"einsum(): operands do not broadcast with remapped shapes: subscript {n} has "
                    f"size {s} which does not broadcast with previously seen size {have}"
                )
            sizes[n] = builtins.max(have, s) if s != 0 and have != 0 else 0
    return sizes


def _sum_alone(
    x: Tensor, names: list[str], other: list[str], later: set[str]
) -> tuple[Tensor, list[str]]:
    gone = [i for i, n in enumerate(names) if n not in other and n not in later]
    if not gone:
        return x, names
    return x.sum(gone), [n for i, n in enumerate(names) if i not in gone]
