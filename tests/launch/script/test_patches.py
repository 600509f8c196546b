"""Attributes are replaced and put back, also in modules that are imported later.

Run: python -m pytest tests/launch/script/test_patches.py
"""

import importlib
import sys
from types import SimpleNamespace

from isograd.launch.script.patches import Patches


def test_replaced_and_put_back():
    class Parent:
        def name(self):
            return "parent"

    class Child(Parent):
        pass

    patches, place = Patches(), SimpleNamespace(f=len)
    patches.replace(place, "f", lambda real: lambda x: real(x) + 1)
    patches.replace(place, "f", lambda real: lambda x: real(x) * 10)
    patches.replace(Child, "name", lambda real: lambda self: "new " + real(self))
    patches.replace(place, "no_such_name", lambda real: 1 / 0)
    assert (place.f("abc"), Child().name(), Parent().name()) == (40, "new parent", "parent")
    patches.undo()
    assert (place.f, Child().name()) == (len, "parent")
    assert not hasattr(place, "no_such_name")


def test_modules_that_come_later(tmp_path, monkeypatch):
    (tmp_path / "comes_later.py").write_text("value = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    patches, seen = Patches(), []
    patches.when_imported("comes_later", lambda module: seen.append(module.value))
    patches.when_imported("never_comes", seen.append)
    patches.when_imported("sys", seen.append)
    assert seen == [sys]
    importlib.import_module("comes_later")
    assert seen == [sys, 1]
    patches.undo()
    assert patches not in sys.meta_path
    monkeypatch.delitem(sys.modules, "comes_later")
    importlib.import_module("comes_later")
    assert seen == [sys, 1]
