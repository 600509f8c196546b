"""Print arrays exactly as torch prints tensors.

All numbers of a tensor share one style, chosen from the finite nonzero values: whole numbers
(``1.``), fixed point (``0.5000``) or scientific (``1.0000e-05``, when the magnitudes span more
than 1000, exceed 1e8 or fall below 1e-4). Long tensors show the first and last ``edgeitems`` of
each dimension. Source: torch's documentation of ``set_printoptions``, and its printed output.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from isograd.tensor.dtypes import dtype

__all__ = ["default_dtypes_shown", "format_array", "set_printoptions", "tensor_text"]

_PREFIX = "tensor("


@dataclass(frozen=True)
class _Options:
    precision: int = 4  # digits after the point
    threshold: float = 1000  # elements above which only the edges are shown
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None  # None: decided per tensor


_PROFILES = {
    "default": _Options(),
    "short": _Options(precision=2, edgeitems=2),
    "full": _Options(threshold=math.inf),
}
_options = [_PROFILES["default"]]


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Set how tensors are printed; what is not given stays as it is.

    Args:
        precision: digits after the decimal point.
        threshold: number of elements above which a tensor is summarised.
        edgeitems: items shown at both ends of each summarised dimension.
        linewidth: characters per line.
        profile: ``"default"``, ``"short"`` or ``"full"``, applied before the other arguments.
        sci_mode: always (True) or never (False) scientific notation; None decides per tensor.

    Raises:
        ValueError: for an unknown profile.
    """
    options = _options[0]
    if profile is not None:
        if profile not in _PROFILES:
            raise ValueError(
                f"set_printoptions: profile must be one of {sorted(_PROFILES)}, got {profile!r}"
            )
        options = replace(_PROFILES[profile], linewidth=80, sci_mode=options.sci_mode)
    given = {
        "precision": precision,
        "threshold": threshold,
        "edgeitems": edgeitems,
        "linewidth": linewidth,
    }
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    _options[0] = replace(options, **changes, sci_mode=sci_mode)


def format_array(host: Any, d: dtype, default: dtype) -> str:
    """The text between ``tensor(`` and the suffixes.

    Args:
        host: a NumPy array.
        d: its dtype.
        default: the default dtype (the text does not depend on it; the suffix does).
    """
    if host.size == 0:
        return "[]"
    if d.category == 2 and d.itemsize == 2:
        host = host.astype(np.float32)
    options = _options[0]
    short = host.size > options.threshold
    if short and options.edgeitems == 0:
        return "[...]"
    shown = _edges(host, options.edgeitems) if short else host
    style = _style_complex(shown, options) if d.category == 3 else _style(shown, options)
    return _nested(host, len(_PREFIX), short, style, options)


def default_dtypes_shown(d: dtype, default: dtype) -> bool:
    """Whether a nonempty tensor of ``d`` is printed without ``dtype=``."""
    return d is default or d.name in ("int64", "bool") or d is default.to_complex()


def tensor_text(text: str, suffixes: Sequence[str], prefix: str = _PREFIX) -> str:
    """``tensor(text, suffix, ...)``; a suffix that does not fit starts a line of its own."""
    out = prefix + text
    used = len(out) - out.rfind("\n") + 1
    for suffix in suffixes:
        if used + len(suffix) + 2 > _options[0].linewidth:
            out += ",\n" + " " * len(prefix) + suffix
            used = len(prefix) + len(suffix)
        else:
            out += ", " + suffix
            used += len(suffix) + 2
    return out + ")"


class _Style:
    """How to write one number, and how wide it may get."""

    write: Callable[[Any], str]

    def __init__(self, width: int, write: Callable[[Any], str]) -> None:
        self.width = width
        self.write = write

    def padded(self, value: Any) -> str:
        text = self.write(value)
        return text.rjust(self.width)


def _style(values: Any, options: _Options) -> _Style:
    if values.dtype.kind != "f":
        return _Style(max((len(str(v)) for v in values.ravel().tolist()), default=1), str)
    wide = values.astype(np.float64).ravel()
    wide = wide[np.isfinite(wide) & (wide != 0)]
    if wide.size == 0:
        return _Style(1, _whole)
    largest, smallest = np.abs(wide).max(), np.abs(wide).min()
    whole = bool((wide == np.ceil(wide)).all())
    with np.errstate(over="ignore"):
        scientific = bool(largest / smallest > 1000.0 or largest > 1.0e8)
    scientific = scientific or (not whole and bool(smallest < 1.0e-4))
    if options.sci_mode is not None:
        scientific = options.sci_mode
    if scientific:
        write: Callable[[Any], str] = f"{{:.{options.precision}e}}".format
    else:
        write = _whole if whole else f"{{:.{options.precision}f}}".format
    return _Style(max(len(write(v)) for v in wide.tolist()), write)


def _whole(value: float) -> str:
    return f"{value:.0f}." if math.isfinite(value) else f"{value:.0f}"


def _style_complex(values: Any, options: _Options) -> _Style:
    real, imag = _style(values.real, options), _style(values.imag, options)

    def write(value: complex) -> str:
        second = (imag.padded(value.imag) + "j").lstrip()
        sign = "" if second[0] in "+-" else "+"
        return real.padded(value.real) + sign + second

    return _Style(real.width + imag.width + 1, write)


def _edges(host: Any, count: int) -> Any:
    """The values that a summary shows."""
    for axis, n in enumerate(host.shape):
        if n > 2 * count:
            keep = [*range(count), *range(n - count, n)]
            host = host.take(keep, axis=axis)
    return host


def _nested(host: Any, indent: int, short: bool, style: _Style, options: _Options) -> str:
    if host.ndim == 0:
        number: Any = host.item()
        return style.padded(number)
    if host.ndim == 1:
        return _row(host, indent, short, style, options)
    edge = options.edgeitems
    if short and len(host) > 2 * edge:
        first = [_nested(a, indent + 1, short, style, options) for a in host[:edge]]
        last = [_nested(a, indent + 1, short, style, options) for a in host[len(host) - edge :]]
        parts = [*first, "...", *last]
    else:
        parts = [_nested(a, indent + 1, short, style, options) for a in host]
    return "[" + ("," + "\n" * (int(host.ndim) - 1) + " " * (indent + 1)).join(parts) + "]"


def _row(host: Any, indent: int, short: bool, style: _Style, options: _Options) -> str:
    per_line = max(1, (options.linewidth - indent) // (style.width + 2))
    edge = options.edgeitems
    if short and len(host) > 2 * edge:
        first = [style.padded(v) for v in host[:edge].tolist()]
        last = [style.padded(v) for v in host[len(host) - edge :].tolist()]
        items = [*first, " ...", *last]
    else:
        items = [style.padded(v) for v in host.tolist()]
    lines = [", ".join(items[i : i + per_line]) for i in range(0, len(items), per_line)]
    return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"
