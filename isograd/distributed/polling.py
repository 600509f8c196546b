"""Waiting without burning a core: spin briefly, then yield, then sleep in proportion.

A rank usually waits microseconds, so the first tests are back to back. The sleep grows with the
time already waited (a sixteenth of it, at most 2 ms), so a late rank is seen with an added delay
of about 6 percent of the wait while an idle one costs nothing on a machine with few cores.
"""

import time
from collections.abc import Callable

__all__ = ["poll_until"]

_SPINS = 60
_LONGEST_SLEEP = 0.002  # seconds


def poll_until(
    test: Callable[[], bool],
    timeout: float | None,
    alarm: Callable[[], bool] | None = None,
) -> bool:
    """Call `test` until it is true.

    Args:
        test: the cheap question asked again and again.
        timeout: seconds to wait at most, None for ever.
        alarm: asked while sleeping; true ends the wait early.

    Returns:
        True when `test` came true, False on timeout or alarm.
    """
    for _ in range(_SPINS):
        if test():
            return True
    start = time.monotonic()
    while True:
        if test():
            return True
        waited = time.monotonic() - start
        if timeout is not None and waited >= timeout:
            return False
        if alarm is not None and alarm():
            return False
        time.sleep(min(waited / 16, _LONGEST_SLEEP))
