"""mpirun's notices are held back, everything else passes, however the pieces are cut.

Reference: notices as Open MPI 5.0.11 prints them. Run: python -m pytest tests/launch/test_noise.py
"""

import pytest

from isograd.launch.noise import NoiseFilter

RULE = b"-" * 74 + b"\n"
NOTICE = RULE + b"prterun noticed that process rank 1 with PID 7 on node h exited on\n"
NOTICE += b"signal 9 (Killed).\n" + RULE
OTHER = RULE + b"There are not enough slots available in the system\n" + RULE


def filtered(data: bytes, step: int) -> tuple[bytes, bytes]:
    """Output and held notices when `data` arrives `step` bytes at a time."""
    noise = NoiseFilter()
    out = b"".join(noise.feed(data[i : i + step]) for i in range(0, len(data), step))
    return out + noise.finish(), noise.held


@pytest.mark.parametrize("step", [1, 2, 7, 80, 10_000])
def test_notices_are_held_and_the_rest_passes(step):
    data = b"step 1\n" + NOTICE + b"--- a rule of mine\n" + OTHER + b"50%|##\rno end"
    assert filtered(data, step) == (data.replace(NOTICE, b""), NOTICE)


@pytest.mark.parametrize("step", [1, 100])
def test_an_unfinished_notice_is_given_back(step):
    data = NOTICE[:-40]
    assert filtered(data, step) == (data, b"")


def test_text_without_newline_passes_at_once():
    assert NoiseFilter().feed(b"loading... ") == b"loading... "


def test_a_notice_may_begin_with_a_zero_byte():
    lost = RULE + b"PRTE has lost communication with a remote daemon.\n\n" + RULE
    assert filtered(b"\0" + lost, 10_000) == (b"", b"\0" + lost)
