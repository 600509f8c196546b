"""All ranks say the same, then rank 0 acts and all learn how it went.

Every message carries what is asked and the line that asks it, so that ranks which ask different
things all raise, with both lines. An act is announced before rank 0 performs it: a rank that is
still reading has read, and a script that diverges is stopped before a file is touched.
"""

import pickle
from collections.abc import Callable
from typing import Any

from isograd.data.view import current_view
from isograd.distributed.errors import CollectiveMismatchError
from isograd.launch.script.callers import alone, place_of_call

__all__ = ["Outcome", "agree", "answer_of_rank_0", "attempt", "deliver"]


class Outcome:
    """What came of an act: a value, or the exception it raised."""

    def __init__(self, value: Any = None, error: Exception | None = None) -> None:
        self.value, self.error = value, error

    def __reduce__(self) -> tuple[Any, tuple[Any, Any]]:
        return Outcome, (self.value, _portable(self.error))


def agree(what: str, value: Any = None) -> list[Any]:
    """Everybody's `value`, by rank, after checking that all ask for the same.

    Raises:
        CollectiveMismatchError: on all ranks when they do not.
    """
    view = current_view()
    if view is None:
        raise RuntimeError(f"{what}: there is no global view to ask")
    with alone():
        message = pickle.dumps((what, place_of_call(), value))
        answers = [pickle.loads(data) for data in view.exchange_bytes(message)]
    if any(answer[0] != what for answer in answers):
        asked = "\n".join(f"  rank {r}: {a[0]}  at {a[1]}" for r, a in enumerate(answers))
        raise CollectiveMismatchError(
            "the ranks ask for different things, so the script does not run the same way on all of "
            f"them (a branch on the rank, the time or unseeded randomness?):\n{asked}"
        )
    return [answer[2] for answer in answers]


def attempt(act: Callable[[], Any]) -> Outcome:
    """Perform an act on this rank alone."""
    try:
        with alone():
            return Outcome(act())
    except Exception as error:
        return Outcome(error=error)


def deliver(outcome: Outcome) -> Any:
    """The value, or raise what was raised."""
    if outcome.error is not None:
        raise outcome.error
    return outcome.value


def answer_of_rank_0(what: str, act: Callable[[], Any]) -> Any:
    """What `act()` gives on rank 0, on all ranks; other ranks do not perform it."""
    view = current_view()
    if view is None:
        raise RuntimeError(f"{what}: there is no global view to ask")
    mine = attempt(act) if view.rank == 0 else None
    answers = agree(what, mine)
    return deliver(answers[0] if mine is None else mine)


def _portable(error: Exception | None) -> Exception | None:
    """The same exception, or one that says as much, for another process."""
    try:
        return pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
