"""Cores, threads per rank and devices, read without loading a library.

Run: python -m pytest tests/launch/test_machine.py
"""

import os

import pytest

from isograd.launch.machine import THREAD_VARIABLES, core_count, device_count, thread_settings


def test_core_count_is_within_the_machine():
    assert 1 <= core_count() <= (os.cpu_count() or 1)


@pytest.mark.parametrize(("ranks", "threads"), [(1, "8"), (3, "2"), (8, "1"), (9, "1")])
def test_ranks_share_the_cores(ranks, threads):
    assert thread_settings({}, ranks, 8) == dict.fromkeys(THREAD_VARIABLES, threads)


def test_threads_the_user_has_chosen_are_kept():
    assert thread_settings({"OMP_NUM_THREADS": "4"}, 2, 8) == {}


@pytest.mark.parametrize(
    ("visible", "count"),
    [
        (None, 3),
        ("0,2", 2),
        ("", 0),
        ("-1", 0),
        ("1,-1,2", 1),
        ("0,1,2,3", 3),
        ("GPU-1f,GPU-2e", 2),
    ],
)
def test_devices_are_counted_from_their_files(tmp_path, visible, count):
    for name in ("nvidia0", "nvidia1", "nvidia2", "nvidiactl", "nvidia-uvm", "null"):
        (tmp_path / name).touch()
    environ = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    assert device_count(environ, tmp_path) == count


def test_no_device_files(tmp_path):
    assert device_count({"CUDA_VISIBLE_DEVICES": "0"}, tmp_path) == 0
    assert device_count({}, tmp_path / "nowhere") == 0
