"""What happens to a sample after it was read: steps that can be sent to worker processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["MapTuple", "ToTuple", "identity"]


def identity(value: Any) -> Any:
    """The value itself."""
    return value


class ToTuple:
    """A dict's entries as a tuple.

    Args:
        names: one per entry; alternatives are divided by ``;`` or spaces, the first that is there
            is taken.
        missing_is_error: else a missing entry is None.
    """

    def __init__(self, names: Sequence[str], missing_is_error: bool) -> None:
        self._choices = [name.replace(";", " ").split() for name in names]
        self._strict = missing_is_error

    def __call__(self, sample: Any) -> tuple[Any, ...]:
        if not isinstance(sample, dict):
            raise TypeError(f"to_tuple: expected the dict of a sample, got {type(sample).__name__}")
        return tuple([self._entry(sample, choice) for choice in self._choices])

    def _entry(self, sample: dict[str, Any], choice: list[str]) -> Any:
        for name in choice:
            if name in sample:
                return sample[name]
        if not self._strict:
            return None
        has = ", ".join(name for name in sample if not name.startswith("__"))
        raise ValueError(
            f"to_tuple: expected {' or '.join(choice)} in sample {sample.get('__key__')!r} of "
            f"{sample.get('__url__')}, which has {has}"
        )


class MapTuple:
    """The i-th function of the i-th entry; entries without a function stay."""

    def __init__(self, functions: Sequence[Callable[[Any], Any]]) -> None:
        self._functions = functions

    def __call__(self, sample: Any) -> tuple[Any, ...]:
        if not isinstance(sample, tuple | list) or len(sample) < len(self._functions):
            raise TypeError(
                f"map_tuple: expected a tuple of at least {len(self._functions)} entries, got "
                f"{type(sample).__name__}; use to_tuple before it"
            )
        rest = sample[len(self._functions) :]
        return (*(f(entry) for f, entry in zip(self._functions, sample)), *rest)
