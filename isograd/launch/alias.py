"""`isograd run --torch`: let `import torch` mean isograd, in scripts that cannot be edited.

A finder before all others answers for `torch` and everything below it with the isograd module of
the same path, the very same object, so both names may be mixed. Processes that a script spawns
(rather than forks) start without it.
"""

import importlib
import importlib.abc
import importlib.machinery
import sys
from collections.abc import Sequence
from types import ModuleType

__all__ = ["alias_torch"]

_OURS = __name__.partition(".")[0]


def alias_torch() -> None:
    """Install the alias.

    Raises:
        RuntimeError: when a module named torch has been imported already.
    """
    if "torch" in sys.modules and sys.modules["torch"] is not sys.modules.get(_OURS):
        where = getattr(sys.modules["torch"], "__file__", "?")
        raise RuntimeError(f"isograd run --torch: expected no torch in memory, got {where}")
    if not any(isinstance(finder, _Alias) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Alias())


class _Alias(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != "torch" and not fullname.startswith("torch."):
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def exec_module(self, module: ModuleType) -> None:
        name = module.__name__
        ours = _OURS + name.removeprefix("torch")
        try:
            sys.modules[name] = importlib.import_module(ours)  # importlib takes it from here
        except ModuleNotFoundError as error:
            if error.name != ours:
                raise
            message = f"No module named {name!r}: isograd has no {ours!r}"
            raise ModuleNotFoundError(message, name=name) from None
