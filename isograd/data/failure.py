"""An exception on its way from a worker to the main process.

Tracebacks do not travel between processes, so the worker writes its own down and the exception
that the main process raises, of the same class, carries that text.
"""

from __future__ import annotations

import sys
import traceback
from typing import NoReturn

__all__ = ["ExceptionWrapper"]


class _KeyErrorText(str):
    """Shown as it is: a ``KeyError`` shows its argument's ``repr``."""

    def __repr__(self) -> str:
        return str(self)


class ExceptionWrapper:
    """The exception being handled, as text, with its class and where it happened.

    Args:
        where: the end of the sentence "Caught ValueError ...".

    Example:
        >>> try:
        ...     int("x")
        ... except ValueError:
        ...     wrapped = ExceptionWrapper("in DataLoader worker process 0")
        >>> wrapped.exc_type.__name__
        'ValueError'
    """

    def __init__(self, where: str = "in background") -> None:
        kind, value, trace = sys.exc_info()
        self.exc_type: type[BaseException] = RuntimeError if kind is None else kind
        self.exc_msg = "".join(traceback.format_exception(kind, value, trace))
        self.where = where

    def reraise(self) -> NoReturn:
        """Raise the exception again, here.

        Raises:
            RuntimeError: with the same text, for a class that one message cannot make.
        """
        text = f"Caught {self.exc_type.__name__} {self.where}.\nOriginal {self.exc_msg}"
        if issubclass(self.exc_type, KeyError):
            raise self.exc_type(_KeyErrorText(text))
        try:
            error = self.exc_type(text)
        except Exception:  # its constructor wants something else
            raise RuntimeError(text) from None
        raise error
