"""--shards and --digest: checked, told to the ranks, and what they pin.

Run: python -m pytest tests/launch/test_options.py
"""

import pytest

from isograd.launch.machine import THREAD_VARIABLES
from isograd.launch.options import Choices, check_shards, overruled_threads, process_settings

ONES = dict.fromkeys(THREAD_VARIABLES, "1")


def test_choices_travel_by_environment():
    choices = Choices(shards=8, digest=True)
    assert Choices().or_told(choices.environment()) == choices
    assert Choices(shards=4).or_told(choices.environment()).shards == 4
    assert Choices().environment() == {}
    with pytest.raises(ValueError, match="ISOGRAD_SHARDS: expected a whole number"):
        Choices().or_told({"ISOGRAD_SHARDS": "many"})


def test_every_rank_needs_a_shard():
    check_shards(None, 8)
    check_shards(8, 8)
    with pytest.raises(ValueError, match=r"--shards 2 for 4 ranks.*--shards 4 or more, or -n 2"):
        check_shards(2, 4)


def test_shards_pin_threads_and_hashes_at_every_number_of_ranks():
    pinned = ONES | {"PYTHONHASHSEED": "0"}
    for size in (1, 4):
        assert process_settings(Choices(shards=8), {}, size, size, 64) == pinned
    assert process_settings(Choices(shards=8), pinned, 1, 1, 64) == {}
    user = pinned | {"OMP_NUM_THREADS": "4"}
    assert process_settings(Choices(shards=8), user, 1, 1, 64) == {"OMP_NUM_THREADS": "1"}
    assert "OMP_NUM_THREADS=4" in overruled_threads(Choices(shards=8), user)
    assert overruled_threads(Choices(), user) == ""


def test_hashes_agree_on_several_ranks_and_the_users_choice_is_kept():
    assert process_settings(Choices(), ONES, 2, 2, 4) == {"PYTHONHASHSEED": "0"}
    assert process_settings(Choices(), ONES | {"PYTHONHASHSEED": "7"}, 2, 2, 4) == {}
    assert process_settings(Choices(), ONES, 1, 1, 4) == {}
    assert process_settings(Choices(), {}, 2, 2, 4)["OMP_NUM_THREADS"] == "2"


def test_command_line(launch, script):
    names = ("OMP_NUM_THREADS", "PYTHONHASHSEED", "RANK")
    path = script(f"import os\nprint(*(os.environ[k] for k in {names}))\n")
    code, out, err = launch("-n", 1, "--shards", 4, path, OMP_NUM_THREADS="3")
    assert (code, out.split()) == (0, ["1", "0", "0"]), err
    assert "OMP_NUM_THREADS=3 given" in err
    code, _, err = launch("-n", 4, "--shards", 2, path)
    assert code == 2
    assert "a rank needs a shard of its own" in err
    for wrong in ("0", "-1", "x"):
        code, _, err = launch("--shards", wrong, path)
        assert code == 2
        assert "expected a whole number of at least 1" in err
