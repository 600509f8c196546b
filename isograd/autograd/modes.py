"""Grad modes: whether operations are recorded. Each is a context manager and a decorator."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from isograd.tensor.door import mode

__all__ = [
    "enable_grad",
    "inference_mode",
    "is_grad_enabled",
    "is_inference_mode_enabled",
    "no_grad",
    "set_grad_enabled",
]

F = TypeVar("F", bound=Callable[..., Any])


class _GradMode:
    """Sets the mode on entry and puts the old one back on exit; may be nested and re-entered."""

    def __init__(self, grad: bool, inference: bool | None = None) -> None:
        self._wanted = (grad, inference)
        self._before: list[tuple[bool, bool]] = []

    def __enter__(self) -> None:
        self._before.append((mode.grad, mode.inference))
        mode.grad = self._wanted[0]
        if self._wanted[1] is not None:
            mode.inference = self._wanted[1]

    def __exit__(self, *exc: object) -> None:
        mode.grad, mode.inference = self._before.pop()

    def __call__(self, fn: F) -> F:
        if inspect.isgeneratorfunction(fn):
            return _wrap_generator(self, fn)

        @wraps(fn)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with _GradMode(*self._wanted):
                return fn(*args, **kwargs)

        return wrapped  # type: ignore[return-value]


def _wrap_generator(owner: _GradMode, fn: Any) -> Any:
    """Between two values the caller's mode holds, inside the generator ours."""

    @wraps(fn)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        generator = fn(*args, **kwargs)
        resume, sent = generator.send, None
        while True:
            with _GradMode(*owner._wanted):
                try:
                    value = resume(sent)
                except StopIteration as end:
                    return end.value
            try:
                sent = yield value
                resume = generator.send
            except GeneratorExit:
                with _GradMode(*owner._wanted):
                    generator.close()
                raise
            except BaseException as error:
                resume, sent = generator.throw, error

    return wrapped


class no_grad(_GradMode):
    """Nothing inside is recorded. ``with no_grad():`` or ``@no_grad()`` (or ``@no_grad``)."""

    def __new__(cls, fn: Any = None) -> Any:
        self = object.__new__(cls)
        if fn is None:
            return self
        self.__init__()  # type: ignore[misc]
        return self(fn)

    def __init__(self, fn: Any = None) -> None:
        super().__init__(False)


class enable_grad(_GradMode):
    """Recording is on inside, whatever was set outside."""

    def __new__(cls, fn: Any = None) -> Any:
        self = object.__new__(cls)
        if fn is None:
            return self
        self.__init__()  # type: ignore[misc]
        return self(fn)

    def __init__(self, fn: Any = None) -> None:
        super().__init__(True)


class inference_mode(_GradMode):
    """As `no_grad`; results are made without any bookkeeping."""

    def __init__(self, mode: bool = True) -> None:
        super().__init__(not mode, mode)

    def __new__(cls, mode: Any = True) -> Any:
        self = object.__new__(cls)
        if isinstance(mode, bool):
            return self
        self.__init__()  # type: ignore[misc]
        return self(mode)


class set_grad_enabled(_GradMode):
    """Set the mode at once, as a function; used with ``with``, the old mode comes back."""

    def __init__(self, mode: bool) -> None:
        super().__init__(bool(mode))
        self._before.append(_swap(bool(mode)))

    def __enter__(self) -> None:
        return

    def __call__(self, fn: F) -> F:
        self.__exit__()  # as a decorator it sets the mode inside the function only
        return super().__call__(fn)


def _swap(grad: bool) -> tuple[bool, bool]:
    before = (mode.grad, mode.inference)
    mode.grad = grad
    return before


def is_grad_enabled() -> bool:
    """Whether operations are recorded now, in this thread."""
    return mode.grad


def is_inference_mode_enabled() -> bool:
    """Whether `inference_mode` is on now, in this thread."""
    return mode.inference
