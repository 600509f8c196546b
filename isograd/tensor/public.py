"""The register of public functions: one decorator names a function and makes it a method.

``@public()`` on ``def exp(input)`` gives ``isograd.exp`` and ``Tensor.exp``; ``inplace=True`` also
gives ``Tensor.exp_``. `isograd/__init__.py` exports what is registered here, so that adding an
operation edits one source file.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from isograd.tensor.core import Tensor
from isograd.tensor.inplace import write_into, write_out

__all__ = ["FUNCTIONS", "inplace_form", "public"]

F = TypeVar("F", bound=Callable[..., Any])

FUNCTIONS: dict[str, Callable[..., Any]] = {}


def public(
    *names: str,
    method: bool = True,
    function: bool = True,
    inplace: bool = False,
    out: bool | str = False,
) -> Callable[[F], F]:
    """Register a function under its own name and under any further ``names``.

    Args:
        method: also make it a method of Tensor.
        function: export it as ``isograd.<name>``.
        inplace: also make the method ``<name>_``, which writes the result into its tensor.
        out: the exported function takes ``out=``; ``"strict"``: of exactly the result's dtype and
            apart from its inputs.
    """

    def register(fn: F) -> F:
        exported = _with_out(fn, out == "strict") if out else fn
        for name in (fn.__name__.rstrip("_") if not method else fn.__name__, *names):
            if function:
                FUNCTIONS[name] = exported
            if method:
                setattr(Tensor, name, fn)
            if inplace:
                setattr(Tensor, name + "_", inplace_form(fn, name + "_"))
        return fn

    return register


def inplace_form(fn: Callable[..., Any], name: str) -> Callable[..., Any]:
    """The method that computes ``fn(self, ...)`` and writes it into ``self``."""

    @wraps(fn)
    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return write_into(self, fn, args, kwargs, name)

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"In-place form of :func:`{fn.__name__}`."
    return method


def _with_out(fn: Callable[..., Any], strict: bool) -> Callable[..., Any]:
    @wraps(fn)
    def function(*args: Any, out: Any = None, **kwargs: Any) -> Any:
        result = fn(*args, **kwargs)
        if out is None:
            return result
        return write_out(fn.__name__, out, result, (*args, *kwargs.values()), strict)

    return function
