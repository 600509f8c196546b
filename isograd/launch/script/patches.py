"""Replace attributes of modules and classes for the time of the script, and put them back."""

import importlib
import importlib.abc
import importlib.machinery
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

__all__ = ["Patches"]


class Patches(importlib.abc.MetaPathFinder):
    """What was replaced.

    Also a finder on `sys.meta_path` that lets a module be imported as ever and calls what waits
    for it.
    """

    def __init__(self) -> None:
        self._replaced: list[tuple[Any, str, Any]] = []
        self._waiting: dict[str, Callable[[ModuleType], None]] = {}

    def replace(self, owner: Any, name: str, make: Callable[[Any], Any]) -> None:
        """Put ``make(original)`` in the place of an attribute; nothing when there is none."""
        original = vars(owner).get(name)
        if original is None:
            if not hasattr(owner, name):
                return
            original = getattr(owner, name)  # inherited: put back all the same
        self._replaced.append((owner, name, original))
        setattr(owner, name, make(original))

    def when_imported(self, name: str, action: Callable[[ModuleType], None]) -> None:
        """Call ``action(module)`` now if the module is there, else once it is."""
        module = sys.modules.get(name)
        if module is not None:
            action(module)
            return
        self._waiting[name] = action
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)

    def undo(self) -> None:
        """Put everything back."""
        self._waiting.clear()
        if self in sys.meta_path:
            sys.meta_path.remove(self)
        while self._replaced:
            owner, name, original = self._replaced.pop()
            setattr(owner, name, original)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The others' answer, with a loader that tells us."""
        if fullname not in self._waiting:
            return None
        for finder in sys.meta_path:
            if finder is self or not hasattr(finder, "find_spec"):
                continue
            spec = finder.find_spec(fullname, path, target)
            if spec is not None and spec.loader is not None:
                self._follow(spec.loader, self._waiting.pop(fullname))
                return spec
        return None

    @staticmethod
    def _follow(loader: Any, action: Callable[[ModuleType], None]) -> None:
        execute = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            action(sys.modules.get(module.__name__, module))

        loader.exec_module = exec_module
