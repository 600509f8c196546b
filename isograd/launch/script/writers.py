"""What libraries write for the script, rank 0 writes: `torch.save`, `np.save`, figures, events.

Values are completed on all ranks first, because a tensor that is cut over the ranks needs all of
them; then rank 0 writes. TensorBoard's writer exists on every rank and converts what it is given,
but only rank 0's has a file.
"""

import sys
from collections.abc import Callable
from functools import wraps
from types import ModuleType
from typing import Any

import numpy as np

from isograd.launch.script.callers import active_view, asked_by_script
from isograd.launch.script.exchange import Outcome, agree, deliver
from isograd.launch.script.operations import on_rank_0, perform
from isograd.launch.script.patches import Patches
from isograd.launch.script.paths import Names, is_path
from isograd.launch.script.sinks import Sink
from isograd.serialization import files
from isograd.tensor.core import Tensor

__all__ = ["install_writers"]

_NUMPY = ("save", "savez", "savez_compressed", "savetxt")
_FRAME = ("to_csv", "to_json", "to_pickle", "to_excel", "to_parquet", "to_feather", "to_html",
          "to_latex", "to_hdf")  # fmt: skip


def install_writers(patches: Patches, names: Names) -> None:
    """Replace the writers that are there, and the others as they are imported."""
    for owner in (sys.modules["isograd.serialization"], files):
        patches.replace(owner, "save", _saved(names))
    if "save" in vars(sys.modules["isograd"]):  # used before: kept there
        patches.replace(sys.modules["isograd"], "save", _saved(names))
    for name in _NUMPY:
        patches.replace(np, name, _converted(names, f"numpy.{name}"))

    def methods(owner_name: str, *functions: str, position: int = 1) -> Callable[[Any], None]:
        def patch(module: ModuleType) -> None:
            owner = getattr(module, owner_name) if owner_name else module
            for function in functions:
                what = f"{owner.__name__}.{function}"
                patches.replace(owner, function, on_rank_0(names, what, position))

        return patch

    patches.when_imported("matplotlib.figure", methods("Figure", "savefig"))

    def images(module: ModuleType) -> None:
        patches.replace(module, "imsave", _converted(names, "matplotlib.imsave"))

    patches.when_imported("matplotlib.image", images)
    patches.when_imported("PIL.Image", methods("Image", "save"))
    patches.when_imported("pandas.core.generic", methods("NDFrame", *_FRAME))
    patches.when_imported("pandas.core.frame", methods("DataFrame", *_FRAME))

    def pyplot(module: ModuleType) -> None:
        methods("", "savefig", position=0)(module)
        images(module)
        patches.replace(module, "show", _only_on_rank_0)

    patches.when_imported("matplotlib.pyplot", pyplot)

    def tensorboard(module: ModuleType) -> None:
        patches.replace(module.SummaryWriter, "__init__", _without_disk)

    patches.when_imported("tensorboardX", tensorboard)


def _saved(names: Names) -> Callable[[Any], Any]:
    def make(real: Any) -> Any:
        @wraps(real)
        def save(obj: Any, f: Any, *args: Any, **kwargs: Any) -> None:
            view = active_view()
            if view is None or not is_path(f) or not asked_by_script(sys._getframe(1)):
                return real(obj, f, *args, **kwargs)
            if names.is_private(f):
                return real(obj, f, *args, **kwargs)
            names.learn(f, agree("torch.save", names.full(f)), view.rank)
            target = f if view.rank == 0 else Sink(f)  # its form is computed on all ranks
            mine = _together(lambda: real(obj, target, *args, **kwargs))
            first = agree("torch.save: done", mine)[0]
            deliver(mine)
            deliver(first)
            return None

        return save

    return make


def _converted(names: Names, what: str) -> Callable[[Any], Any]:
    """NumPy's writers, given tensors as arrays."""

    def make(real: Any) -> Any:
        @wraps(real)
        def write(file: Any, *args: Any, **kwargs: Any) -> None:
            private = not is_path(file) or names.is_private(file)
            if private or not asked_by_script(sys._getframe(1)):
                return real(file, *args, **kwargs)
            args = tuple(_as_array(value) for value in args)
            kwargs = {key: _as_array(value) for key, value in kwargs.items()}
            perform(names, what, file, lambda: real(file, *args, **kwargs))
            return None

        return write

    return make


def _as_array(value: Any) -> Any:
    return np.asarray(value.detach().cpu()) if isinstance(value, Tensor) else value


def _only_on_rank_0(real: Any) -> Any:
    @wraps(real)
    def shown(*args: Any, **kwargs: Any) -> Any:
        view = active_view()
        return real(*args, **kwargs) if view is None or view.rank == 0 else None

    return shown


def _without_disk(real: Any) -> Any:
    @wraps(real)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        view = active_view()
        if view is not None and view.rank != 0:
            kwargs["write_to_disk"] = False
        real(self, *args, **kwargs)

    return init


def _together(act: Callable[[], Any]) -> Outcome:
    """As `attempt`, but what the act asks of the other ranks is asked."""
    try:
        return Outcome(act())
    except Exception as error:
        return Outcome(error=error)
