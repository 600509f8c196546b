"""`import torch` means isograd, in scripts that cannot be edited; `--no-torch` leaves it alone.

A finder before all others answers for `torch` and everything below it with the isograd module of
the same path, the very same object, so both names may be mixed. Processes that a script spawns
(rather than forks) start without it.

A package that imports torch when it is itself imported (torchvision, timm, ...) was written for
PyTorch's internals and would fail far from the cause: its import raises ImportError here, which
packages that can do without torch expect. One that asks for torch later, in a function, looks at
what the script gave it, and gets isograd.
"""

import builtins
import importlib
import importlib.abc
import importlib.machinery
import os
import sys
from collections.abc import Mapping, Sequence
from types import ModuleType, TracebackType
from typing import Any

__all__ = ["alias_torch", "missing_name"]

_OURS = __name__.partition(".")[0]
_FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_HINT = "`isograd run --no-torch` runs the script with PyTorch itself, on every rank for itself"
_PACKAGES = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")


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
        builtins.__import__ = _guarded(builtins.__import__)


def missing_name(error: BaseException) -> str:
    """One line for an error that comes of a name isograd lacks; empty for any other."""
    name = ""
    if isinstance(error, AttributeError):
        owner = error.obj
        kind = owner if isinstance(owner, (type, ModuleType)) else type(owner)
        home = kind.__name__ if isinstance(kind, ModuleType) else kind.__module__
        if home.partition(".")[0] == _OURS and error.name and not _asked_inside(error):
            short = kind.__name__ if isinstance(kind, ModuleType) else f"{_OURS}.{kind.__name__}"
            name = f"{short}.{error.name}"
    elif isinstance(error, ModuleNotFoundError):
        name = error.name or ""
    elif isinstance(error, ImportError):
        wanted = error.msg.split("'")[1:2] if error.msg.startswith("cannot import name") else []
        name = f"{error.name}.{wanted[0]}" if wanted else ""
    root, dot, rest = name.partition(".")
    if root not in (_OURS, "torch") or not dot or "torch" not in sys.modules:
        return ""
    return f"isograd: torch.{rest} is not in isograd ({_last_line(error.__traceback__)}); {_HINT}\n"


def _asked_inside(error: AttributeError) -> bool:
    """Whether isograd's own code asked an object for the name: then it is no name of torch's."""
    inside, trace = False, error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if code.co_name != "__getattr__":
            inside = code.co_filename.startswith(_FOLDER)
        trace = trace.tb_next
    return inside


def _last_line(trace: TracebackType | None) -> str:
    """``file:line`` of the innermost frame outside of isograd and importlib."""
    place = "?"
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if not name.startswith((_FOLDER, "<frozen")):
            place = f"{name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place


def _guarded(real: Any) -> Any:
    def import_(
        name: str,
        globals: Mapping[str, Any] | None = None,
        locals: Mapping[str, Any] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> Any:
        if name[:5] == "torch" and level == 0 and name.partition(".")[0] == "torch":
            _refuse_packages(name, sys._getframe(1))
        return real(name, globals, locals, fromlist, level)

    return import_


def _refuse_packages(name: str, frame: Any) -> None:
    file = frame.f_code.co_filename
    at_import = frame.f_code.co_name == "<module>" and frame.f_globals["__name__"] != "__main__"
    if at_import and any(part in file for part in _PACKAGES):
        package = str(frame.f_globals["__name__"]).partition(".")[0]
        raise ImportError(
            f"{package} needs PyTorch itself, but under `isograd run` torch means isograd "
            f"({file}:{frame.f_lineno} imports {name}); {_HINT}",
            name=name,
        )


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
