"""Anomaly mode: failing gradients name the forward line that made them."""

from __future__ import annotations

from isograd.autograd.recorder import state

__all__ = ["detect_anomaly", "is_anomaly_enabled", "set_detect_anomaly"]


class set_detect_anomaly:
    """Switch anomaly mode at once, as a function; used with ``with``, the old mode comes back.

    Inside, each operation keeps the stack of the line that called it (slow), an error in the
    backward pass carries it as a note, and a gradient with nan in it raises.

    Args:
        check_nan: raise where a gradient has nan in it.
    """

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self._before = (state.anomaly, state.check_nan)
        state.anomaly, state.check_nan = mode, check_nan

    def __enter__(self) -> None:
        return

    def __exit__(self, *exc: object) -> None:
        state.anomaly, state.check_nan = self._before


class detect_anomaly(set_detect_anomaly):
    """``with detect_anomaly():`` anomaly mode inside the block."""

    def __init__(self, check_nan: bool = True) -> None:
        self._check = check_nan
        self._before = (state.anomaly, state.check_nan)

    def __enter__(self) -> None:
        super().__init__(True, self._check)


def is_anomaly_enabled() -> bool:
    """Whether anomaly mode is on in this thread."""
    return state.anomaly
