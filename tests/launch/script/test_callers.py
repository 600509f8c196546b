"""Who asks: the script, a library, the loader, a thread.

Run: python -m pytest tests/launch/script/test_callers.py
"""

import logging
import sys
import sysconfig
import threading
from pathlib import Path

import isograd.data
from isograd.launch.script.callers import active_view, alone, asked_by_script


def frame_from(*files):
    """The frame of a call that passed through code of these files, outermost first."""
    call = lambda: sys._getframe(0).f_back  # noqa: E731
    for name in reversed(files):
        space = {"inner": call, "__name__": "x"}
        exec(compile("def passes_on():\n    return inner()\n", str(name), "exec"), space)
        call = space["passes_on"]
    return call()


STDLIB = Path(sysconfig.get_path("stdlib"))
SITE = STDLIB / "site-packages" / "a_package" / "__init__.py"
LOADER = Path(isograd.data.__file__).parent / "fetch.py"
SCRIPT = "/home/me/train.py"


def test_only_the_script_and_what_passes_its_calls_on(solo_view):
    assert asked_by_script(frame_from(SCRIPT))
    assert asked_by_script(frame_from(SCRIPT, STDLIB / "pathlib.py"))
    assert asked_by_script(frame_from(SCRIPT, logging.__file__))
    assert asked_by_script(frame_from(SITE, SCRIPT))  # a package that calls the script's main
    assert not asked_by_script(frame_from(SCRIPT, SITE))
    assert not asked_by_script(frame_from(SCRIPT, STDLIB / "tempfile.py"))
    assert not asked_by_script(frame_from(SCRIPT, SITE, STDLIB / "pathlib.py"))
    assert asked_by_script(frame_from(SCRIPT, SITE), through_libraries=True)


def test_code_that_the_loader_calls_acts_for_its_rank(solo_view):
    assert not asked_by_script(frame_from(SCRIPT, LOADER, SCRIPT))
    assert not asked_by_script(frame_from(SCRIPT, LOADER, SITE), through_libraries=True)


def test_finalizers_run_when_they_like(solo_view):
    class Dropped:
        def __del__(self):
            seen.append(asked_by_script(sys._getframe(0)))

    seen = []
    Dropped()
    assert seen == [False]


def test_not_alone_and_not_in_a_thread(solo_view):
    assert active_view() is solo_view
    with alone():
        assert active_view() is None
        assert not asked_by_script(frame_from(SCRIPT))
    seen = []
    thread = threading.Thread(target=lambda: seen.append(asked_by_script(frame_from(SCRIPT))))
    thread.start()
    thread.join()
    assert seen == [False]


def test_nobody_asks_without_a_view():
    assert not asked_by_script(frame_from(SCRIPT))
