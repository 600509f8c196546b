"""Every public function and method on tensors that are cut, against the same on plain ones.

Functions are tried on many kinds of arguments; those that a plain call refuses are passed over.
Compared are results (shape, dtype, values) and what in-place functions leave in their arguments.
Run: pytest tests/distributed/tensor/test_functions.py
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest

import isograd as torch
from isograd.distributed.tensor import Shard, distribute_tensor, init_device_mesh
from isograd.tensor.core import Tensor
from isograd.tensor.public import FUNCTIONS

pytestmark = pytest.mark.filterwarnings("ignore")  # what functions warn of is tested elsewhere

POSITIONS = 3
KINDS: dict[str, Callable[[Any], Any]] = {
    "float": lambda rng: rng.uniform(0.2, 0.9, (4, 4)),
    "int": lambda rng: rng.integers(0, 4, (4, 4)),
    "bool": lambda rng: rng.uniform(size=(4, 4)) > 0.5,
    "complex": lambda rng: rng.uniform(0.2, 0.9, (4, 4)) + 1j * rng.uniform(0.2, 0.9, (4, 4)),
    "vector": lambda rng: np.sort(rng.uniform(0.2, 0.9, 4)),
    "index": lambda rng: rng.integers(0, 4, 4),
}
ARGUMENTS: list[tuple[Any, ...]] = [
    ("float",), ("vector",), ("int",), ("bool",), ("complex",),
    ("float", 0), ("float", 1), ("float", (1, 0)), ("float", (2, 8)), ("float", 0.5),
    ("float", 0, 1), ("float", 0, 1, 2),
    ("float", "float"), ("float", "vector"), ("int", "int"), ("bool", "bool"), ("float", "bool"),
    ("float", "int"), ("vector", "vector"), ("vector", "float"),
    ("bool", "float", "float"), ("float", "float", "float"), ("float", "bool", 2.0),
    ("float", 0, "index"), ("float", 1, "int"), ("float", 0, "index", "float"),
    ("float", 1, "int", "float"), ("float", "vector", 0, 1),
]  # fmt: skip
# Random numbers differ from those of a plain call, memory is uninitialized, there is no result, or
# (searchsorted) arguments must be sorted.
NOT_COMPARED = {
    "alpha_dropout", "bernoulli", "bernoulli_", "cauchy_", "cuda", "data_ptr", "dropout", "empty",
    "empty_like", "exponential_", "feature_alpha_dropout", "geometric_", "gumbel_softmax", "load",
    "log_normal_", "multinomial", "new_empty", "normal", "normal_", "pca_lowrank", "pin_memory",
    "poisson", "rand_like", "randint_like", "randn_like", "random_", "register_hook", "resize_",
    "rrelu", "rrelu_", "save", "searchsorted", "set_", "share_memory_", "svd_lowrank", "uniform_",
}  # fmt: skip
# A part of the tensor that is gathered cannot be written to: an error, which says so.
REFUSED = {"diagonal_scatter"}
# Numbers are taken for parameters, not tensors.
NUMBERS_ONLY = {"hardshrink", "threshold", "threshold_"}


def functions() -> Iterator[tuple[str, Callable[..., Any]]]:
    places = [(FUNCTIONS, ""), (vars(Tensor), "Tensor.")]
    for name in ("nn.functional", "linalg", "fft", "special"):
        module: Any = torch
        for part in name.split("."):
            module = getattr(module, part)
        places.append(({n: getattr(module, n) for n in dir(module)}, name + "."))
    seen: set[int] = set()
    for found, prefix in places:
        for name, function in found.items():
            if name.startswith("_") or not callable(function) or isinstance(function, type):
                continue
            if name not in NOT_COMPARED and id(function) not in seen:
                seen.add(id(function))
                yield prefix + name, function


CASES = dict(functions())


def values(result: Any) -> list[Any]:
    if isinstance(result, (tuple, list)):
        return [v for r in result for v in values(r)]
    return [result]


def called(function: Callable[..., Any], arguments: Sequence[Any]) -> list[Any]:
    """The results, and the tensors that were given."""
    torch.manual_seed(0)
    results = values(function(*arguments))
    return [*results, *(a for a in arguments if isinstance(a, Tensor))]


def placings(arguments: Sequence[Any]) -> Iterator[dict[int, int]]:
    """Which arguments are cut along which dimension: all of them, or one."""
    tensors = [i for i, a in enumerate(arguments) if isinstance(a, Tensor)]
    for some in [tensors, *([i] for i in tensors if len(tensors) > 1)]:
        for d in (0, 1):
            placing = {i: d for i in some if arguments[i].ndim > d}
            if placing:
                yield placing


def compare(got: Any, want: Any) -> None:
    if isinstance(want, Tensor):
        a, b = np.asarray(got.full_tensor()._array), np.asarray(want._array)
        assert a.shape == b.shape and a.dtype == b.dtype, (a.shape, a.dtype, b.shape, b.dtype)
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6)
    elif isinstance(want, (bool, int, float, str)):
        assert got == want


@pytest.mark.parametrize("name", CASES)
def test_is_the_same_on_cut_tensors(name: str) -> None:
    mesh = init_device_mesh("cpu", (POSITIONS,))
    last = name.split(".")[-1]
    tried = 0
    for kinds in ARGUMENTS:
        if last in NUMBERS_ONLY and sum(isinstance(k, str) for k in kinds) > 1:
            continue
        rng = np.random.default_rng(0)
        plain = [torch.tensor(KINDS[k](rng)) if isinstance(k, str) else k for k in kinds]

        def copies(placing: dict[int, int], given: list[Any] = plain) -> list[Any]:
            own = [a.clone() if isinstance(a, Tensor) else a for a in given]
            return [
                distribute_tensor(a, mesh, [Shard(placing[i])]) if i in placing else a
                for i, a in enumerate(own)
            ]

        try:
            want = called(CASES[name], copies({}))
        except Exception:
            continue
        for placing in placings(plain):
            tried += 1
            try:
                got = called(CASES[name], copies(placing))
                assert len(got) == len(want)
                for a, b in zip(got, want, strict=True):
                    compare(a, b)
            except Exception as error:
                if last in REFUSED and "cannot be written to" in str(error):
                    continue
                raise AssertionError(f"{name}{kinds} cut as {placing}: {error!r}") from error
    if not tried:
        pytest.skip("takes none of these arguments")
