"""Waiting: ends when the answer comes, when time is up, or on an alarm; and sleeps meanwhile.

python -m pytest tests/distributed/test_polling.py
"""

import threading
import time

from isograd.distributed.polling import poll_until


def test_answer_comes() -> None:
    come = threading.Event()
    threading.Timer(0.05, come.set).start()
    start = time.monotonic()
    assert poll_until(come.is_set, 10)
    assert 0.03 < time.monotonic() - start < 5


def test_time_is_up() -> None:
    start = time.monotonic()
    assert not poll_until(lambda: False, 0.1)
    assert 0.1 <= time.monotonic() - start < 5


def test_alarm_ends_the_wait() -> None:
    alarms: list[int] = []

    def alarm() -> bool:
        alarms.append(1)
        return len(alarms) == 3

    assert not poll_until(lambda: False, None, alarm)


def test_waiting_does_not_burn_a_core() -> None:
    used = time.thread_time()
    assert not poll_until(lambda: False, 0.5)
    assert time.thread_time() - used < 0.25
