"""Rules no other tool knows: what is public is documented, importing is light, errors are ours.

pytest tests/test_surface.py
"""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys

import pytest

import isograd
from isograd.tensor.core import Tensor
from isograd.tensor.primitive import PRIMITIVES
from isograd.tensor.public import FUNCTIONS

HEAVY = (
    "cupy", "mpi4py", "matplotlib", "sklearn", "torch", "tensorboard", "tensorboardX",
    "numpy.random", "multiprocessing", "isograd.compiler", "isograd.distributed",
    "isograd.distributions",
)  # fmt: skip


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout.strip()


def test_import_brings_nothing_heavy() -> None:
    code = f"import isograd, sys; print([m for m in {HEAVY!r} if m in sys.modules])"
    assert run(code) == "[]"


def test_submodules_are_found_without_their_own_import() -> None:
    code = (
        "import isograd as torch; print(torch.nn.Linear.__name__, torch.optim.SGD.__name__, "
        "torch.utils.data.DataLoader.__name__, torch.distributed.is_available(), "
        "torch.nn.parallel.DistributedDataParallel.__name__)"
    )
    assert run(code) == "Linear SGD DataLoader True DistributedDataParallel"


def test_unknown_names_raise_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        isograd.nonsense  # noqa: B018
    with pytest.raises(AttributeError, match="nonsense"):
        isograd.ones(1).nonsense  # noqa: B018


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_public_function_is_exported_and_documented(name: str) -> None:
    function = FUNCTIONS[name]
    assert getattr(isograd, name) is not None
    assert (function.__doc__ or "").strip(), f"{name} has no docstring"


def test_tensor_methods_are_documented() -> None:
    bare = [
        name
        for name in dir(Tensor)
        if not name.startswith("_")
        and callable(getattr(Tensor, name))
        and not (getattr(Tensor, name).__doc__ or "").strip()
    ]
    assert bare == []


def modules() -> list[str]:
    found = []
    for info in pkgutil.walk_packages(isograd.__path__, "isograd."):
        if not info.name.endswith("__main__"):
            found.append(info.name)
    return found


NEEDS_CUPY = {"isograd.kernels.cublas", "isograd.tensor.backends.cupy_backend"}


@pytest.mark.parametrize("name", modules())
def test_module_imports_alone_and_is_documented(name: str) -> None:
    if name in NEEDS_CUPY:
        pytest.importorskip("cupy", exc_type=ImportError)
    module = importlib.import_module(name)
    assert (module.__doc__ or "").strip(), f"{name} has no docstring"
    for exported in getattr(module, "__all__", []):
        assert hasattr(module, exported), f"{name}.__all__ names {exported}, which is not there"


def test_primitives_are_named_once() -> None:
    assert all(name == record.name for name, record in PRIMITIVES.items())
