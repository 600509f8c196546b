"""``torch.testing``: `assert_close`, with a tolerance per dtype and an error that shows the worst.

Source: torch.testing's documentation (tolerances, what counts as close:
``|actual - expected| <= atol + rtol * |expected|``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from isograd.tensor import dtypes
from isograd.tensor.core import Tensor
from isograd.tensor.dtypes import dtype

__all__ = ["assert_allclose", "assert_close"]

_TOLERANCES = {  # relative, absolute; 0 for the others
    dtypes.float16: (1e-3, 1e-5),
    dtypes.bfloat16: (1.6e-2, 1e-5),
    dtypes.float32: (1.3e-6, 1e-5),
    dtypes.float64: (1e-7, 1e-7),
    dtypes.complex64: (1.3e-6, 1e-5),
    dtypes.complex128: (1e-7, 1e-7),
}

Message = str | Callable[[str], str] | None


class _Rules(NamedTuple):
    rtol: float | None
    atol: float | None
    equal_nan: bool
    check_device: bool
    check_dtype: bool
    check_stride: bool
    msg: Message


class _Difference(Exception):
    """What differs; `assert_close` adds where and raises an AssertionError."""


def assert_close(
    actual: Any,
    expected: Any,
    *,
    allow_subclasses: bool = True,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_device: bool = True,
    check_dtype: bool = True,
    check_layout: bool = True,
    check_stride: bool = False,
    msg: Message = None,
) -> None:
    """Raise unless ``actual`` is as good as ``expected``.

    Args:
        actual, expected: tensors, NumPy arrays or numbers, or sequences and mappings of them.
        allow_subclasses: whether a Parameter may stand for a Tensor.
        rtol, atol: both or neither; the dtype's by default, the wider of two dtypes'.
        equal_nan: whether nan equals nan.
        check_layout: there is one layout, so this changes nothing.
        msg: the error's text, or a function of the text it would have.

    Raises:
        AssertionError: for another shape, dtype, device, stride, length, key, or value.
        TypeError: for things that cannot be compared.
        ValueError: if one of ``rtol`` and ``atol`` is given without the other.
    """
    if (rtol is None) != (atol is None):
        missing = "rtol" if rtol is None else "atol"
        raise ValueError(
            f"Both 'rtol' and 'atol' must be either specified or omitted, but got no {missing}."
        )
    if not allow_subclasses and type(actual) is not type(expected):
        raise TypeError(_no_pair(actual, expected))
    rules = _Rules(rtol, atol, equal_nan, check_device, check_dtype, check_stride, msg)
    _compare(actual, expected, rules, ())


def assert_allclose(
    actual: Any,
    expected: Any,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = True,
    msg: str = "",
) -> None:
    """`assert_close` in its former shape: dtypes and devices may differ, nan equals nan."""
    actual, expected = _array(actual), _array(expected)
    if rtol is None and atol is None:
        wanted = _dtype(actual), _dtype(expected)
        rtol, atol = (max(pair) for pair in zip(*map(_tolerance, wanted), strict=True))
    assert_close(actual, expected, rtol=rtol, atol=atol, equal_nan=equal_nan, check_dtype=False,
                 check_device=False, msg=msg or None)  # fmt: skip


def _compare(actual: Any, expected: Any, rules: _Rules, path: tuple[Any, ...]) -> None:
    try:
        if isinstance(actual, Mapping) and isinstance(expected, Mapping):
            _same_keys(actual, expected)
            for key in actual:
                _compare(actual[key], expected[key], rules, (*path, key))
        elif _is_sequence(actual) and _is_sequence(expected):
            if len(actual) != len(expected):
                raise _Difference(
                    f"The length of the sequences mismatch: {len(actual)} != {len(expected)}"
                )
            for i, (a, e) in enumerate(zip(actual, expected, strict=True)):
                _compare(a, e, rules, (*path, i))
        else:
            _leaves(actual, expected, rules)
    except _Difference as found:
        text = str(found)
        if path:
            text += "\n\nThe failure occurred for item " + "".join(f"[{p!r}]" for p in path)
        shown = rules.msg(text) if callable(rules.msg) else rules.msg or text
        raise AssertionError(shown) from None


def _is_sequence(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))


def _same_keys(actual: Mapping[Any, Any], expected: Mapping[Any, Any]) -> None:
    missing = [k for k in expected if k not in actual]
    further = [k for k in actual if k not in expected]
    if missing or further:
        raise _Difference(
            "The keys of the mappings do not match:\n"
            f"Missing keys in the actual mapping: {missing}\n"
            f"Additional keys in the actual mapping: {further}"
        )


def _leaves(actual: Any, expected: Any, rules: _Rules) -> None:
    tensors = [isinstance(v, Tensor) for v in (actual, expected)]
    arrays = [isinstance(v, np.ndarray) for v in (actual, expected)]
    numbers = [isinstance(v, (bool, int, float, complex, np.number)) for v in (actual, expected)]
    if actual is None and expected is None:
        return
    if not (all(tensors) or all(arrays) or all(numbers)):
        raise TypeError(_no_pair(actual, expected))
    if all(numbers):
        _numbers(actual, expected, rules)
        return
    _same_attributes(actual, expected, rules)
    _values(_array(actual), _array(expected), rules)


def _no_pair(actual: Any, expected: Any) -> str:
    return (
        f"assert_close: expected two tensors, two numbers, two sequences or two mappings, got "
        f"{type(actual).__name__} and {type(expected).__name__}"
    )


def _same_attributes(actual: Any, expected: Any, rules: _Rules) -> None:
    names = ["shape"]
    both = isinstance(actual, Tensor) and isinstance(expected, Tensor)
    names += ["device"] * (rules.check_device and both) + ["dtype"] * rules.check_dtype
    for name in names:
        a, e = getattr(actual, name), getattr(expected, name)
        if a != e:
            raise _Difference(f"The values for attribute '{name}' do not match: {a} != {e}.")
    if rules.check_stride and both and actual.stride() != expected.stride():
        raise _Difference(
            f"The values for attribute 'stride()' do not match: {actual.stride()} != "
            f"{expected.stride()}."
        )


def _array(value: Any) -> Any:
    return value.detach().cpu().numpy() if isinstance(value, Tensor) else np.asarray(value)


def _dtype(array: Any) -> dtype:
    return dtypes.from_numpy(array.dtype)


def _tolerance(d: dtype) -> tuple[float, float]:
    return _TOLERANCES.get(d, (0.0, 0.0))


def _allowed(rules: _Rules, *kinds: dtype) -> tuple[float, float]:
    if rules.rtol is not None and rules.atol is not None:
        return rules.rtol, rules.atol
    of_kinds = [_tolerance(d) for d in kinds]
    return max(r for r, _ in of_kinds), max(a for _, a in of_kinds)


def _wide(array: Any) -> Any:
    if array.dtype.kind in "biu":
        exact = array.dtype != np.uint64 or not array.size or array.max() < 2**63
        return array.astype(np.int64 if exact else np.float64)
    return array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)


def _values(actual: Any, expected: Any, rules: _Rules) -> None:
    rtol, atol = _allowed(rules, _dtype(actual), _dtype(expected))
    a, e = _wide(actual), _wide(expected)
    with np.errstate(all="ignore"):
        apart = np.abs(a - e)
        close = (a == e) | (np.isfinite(apart) & (apart <= atol + rtol * np.abs(e)))
        if rules.equal_nan:
            close |= np.isnan(a) & np.isnan(e)
        if close.all():
            return
        relative = apart / np.abs(e)
    exact = rtol == 0 and atol == 0
    if not close.ndim:
        raise _Difference(_scalar_text(actual, expected, apart, relative, (atol, rtol), exact))
    wrong = int((~close).sum())
    lines = [
        f"Tensor-likes are not {'equal' if exact else 'close'}!\n",
        f"Mismatched elements: {wrong} / {close.size} ({wrong / close.size:.1%})",
        _greatest("absolute", apart, close, atol, exact),
        _greatest("relative", relative, close, rtol, exact),
    ]
    raise _Difference("\n".join(lines))


def _greatest(kind: str, apart: Any, close: Any, allowed: float, exact: bool) -> str:
    """The line about the greatest difference among those that are too great; nan is greatest."""
    among = np.where(close, 0, np.where(np.isnan(apart), np.inf, apart))
    at = np.unravel_index(int(among.argmax()), among.shape)
    where = f" at index {tuple(int(i) for i in at)}"
    bound = "" if exact else f" (up to {allowed} allowed)"
    return f"Greatest {kind} difference: {apart[at]}{where}{bound}"


def _numbers(actual: Any, expected: Any, rules: _Rules) -> None:
    if rules.check_dtype and type(actual) is not type(expected):
        raise _Difference(f"The (d)types do not match: {type(actual)} != {type(expected)}.")
    kinds = [dtypes.from_numpy(np.asarray(v).dtype) for v in (actual, expected)]
    rtol, atol = _allowed(rules, *kinds)
    if actual == expected or (rules.equal_nan and actual != actual and expected != expected):
        return
    apart = abs(actual - expected)
    if apart <= atol + rtol * abs(expected) and apart != float("inf"):
        return
    relative = apart / abs(expected) if expected else float("inf")
    exact = rtol == 0 and atol == 0
    raise _Difference(_scalar_text(actual, expected, apart, relative, (atol, rtol), exact))


def _scalar_text(
    actual: Any, expected: Any, apart: Any, relative: Any, allowed: tuple[float, float], exact: bool
) -> str:
    bounds = ["" if exact else f" (up to {bound} allowed)" for bound in allowed]
    return (
        f"Scalars are not {'equal' if exact else 'close'}!\n\n"
        f"Expected {expected} but got {actual}.\n"
        f"Absolute difference: {apart}{bounds[0]}\nRelative difference: {relative}{bounds[1]}"
    )
