"""Random programs on tensors in parts against the same programs on plain tensors.

Every program starts from leaves that are placed at random (cut along any dimensions into parts of
any lengths, also none; parts of sums; copies; plain) on a random mesh that one process plays, and
runs lines that `program_draws` draws. Values of all variables, gradients of all leaves and
parameters, and second-order gradients for a share must be those of plain tensors, to rounding.

Some run on several threads or processes that share the positions, too.

Run: pytest tests/distributed/tensor/test_programs.py; more with ISOGRAD_PROGRAMS=20000;
tools/mpi_test.sh 3 tests/distributed/tensor/test_programs.py. A program
that fails is cut down to the lines that matter and printed as code that fails again.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest

import isograd as torch
import isograd.distributed as dist
import isograd.nn.functional as F
from isograd.distributed.tensor import Partial, Replicate, Shard, init_device_mesh, moves
from isograd.distributed.tensor.layout import Layout
from isograd.distributed.tensor.sharded import ShardedArray
from isograd.tensor.core import Tensor, wrap
from tests.distributed.tensor import program_lines  # noqa: F401  the lines register themselves
from tests.distributed.tensor.program_draws import LINES, Draw

PROGRAMS = int(os.environ.get("ISOGRAD_PROGRAMS", "320"))
FIRST = int(os.environ.get("ISOGRAD_FIRST_PROGRAM", "0"))
CHUNKS = 8
MESHES = [(1,), (2,), (3,), (4,), (5,), (6,), (7,), (8,), (2, 2), (2, 3)]


class Plain:
    """A world in which every tensor is plain; the functions that programs call for new tensors."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.leaves: dict[int, Tensor] = {}

    def leaf(self, k: int, *shape: int) -> Tensor:
        """A leaf that wants a gradient, placed somehow."""
        return self._leaf(k, self.place(k, self._numbers(k, shape)))

    def param(self, k: int, *shape: int) -> Tensor:
        """A leaf that wants a gradient, plain in every world."""
        return self._leaf(k, self._numbers(k, shape))

    def whole(self, k: int, *shape: int) -> Tensor:
        return wrap(self._numbers(k, shape))

    def ints(self, k: int, where: str, high: int, *shape: int) -> Tensor:
        x = np.random.default_rng((self.seed, k)).integers(0, high, shape)
        return wrap(self.place(k, x) if where == "placed" else x)

    def mask(self, k: int, where: str, *shape: int) -> Tensor:
        x = np.asarray(np.random.default_rng((self.seed, k)).random(shape) < 0.5)
        return wrap(self.place(k, x) if where == "placed" else x)

    def place(self, k: int, x: np.ndarray) -> Any:
        return x

    def _numbers(self, k: int, shape: tuple[int, ...]) -> np.ndarray:
        return np.asarray(np.random.default_rng((self.seed, k)).standard_normal(shape))

    def _leaf(self, k: int, array: Any) -> Tensor:
        if k not in self.leaves:
            self.leaves[k] = wrap(array).requires_grad_(True)
        return self.leaves[k]

    def names(self) -> dict[str, Any]:
        new = {n: getattr(self, n) for n in ("leaf", "param", "whole", "ints", "mask")}
        return {"torch": torch, "F": F, **new}


class Placed(Plain):
    """A world on a mesh: leaves, masks and integers lie there as drawn from the seed."""

    def __init__(self, seed: int, mesh: tuple[int, ...], implicit: bool) -> None:
        super().__init__(seed)
        self.mesh = init_device_mesh("cpu", mesh)
        self.mesh.implicit = implicit

    def place(self, k: int, x: np.ndarray) -> Any:
        rng = np.random.default_rng((self.seed, k, 1))
        if rng.random() < 0.15:
            return x
        placements: list[Any] = []
        for _ in self.mesh.shape:
            kind = rng.random()
            if kind < 0.6 and x.ndim:
                placements.append(Shard(0 if rng.random() < 0.5 else int(rng.integers(x.ndim))))
            elif kind < 0.75 and x.dtype.kind == "f":
                placements.append(Partial())
            else:
                placements.append(Replicate())
        layout = Layout(self.mesh, x.shape, tuple(placements))
        if rng.random() < 0.5:
            known = {d: _lengths(rng, x.shape[d], len(n)) for d, n in layout.lengths}
            layout = Layout(self.mesh, x.shape, tuple(placements), known)
        if layout.replicated and self.mesh.implicit:
            return x
        return self._parts(rng, x, layout)

    def _parts(self, rng: np.random.Generator, x: np.ndarray, layout: Layout) -> ShardedArray:
        made = moves.placed(x, moves.without_partial(layout)).copy()
        if not layout.partial:
            return made
        weights = [rng.standard_normal(n) for n in self.mesh.shape]
        weights = [w + (1 - w.sum()) / len(w) for w in weights]  # they add up to 1
        pieces: list[Any] = []
        for k, piece in enumerate(made.pieces):
            where = self.mesh.coordinates(self.mesh.first + k)
            twin = layout.twins[self.mesh.first + k] - self.mesh.first
            share = np.prod([weights[m][where[m]] for m in layout.partial])
            pieces.append(pieces[twin] if 0 <= twin < k else np.asarray(piece * share))
        return ShardedArray(layout, pieces)


def _lengths(rng: np.random.Generator, n: int, parts: int) -> tuple[int, ...]:
    ends = sorted(int(e) for e in rng.integers(0, n + 1, parts - 1))
    return tuple(b - a for a, b in zip([0, *ends], [*ends, n], strict=True))


# -- drawing and running


def drawn(seed: int) -> list[str]:
    """A program: its lines."""
    rng = np.random.default_rng((20, seed))
    world = Plain(seed)
    env = world.names()
    draw = Draw(rng, env)
    lines: list[str] = []
    weights = np.array([w for w, _ in LINES])
    batch = draw.number(1, 7)
    for name in ("x", "y"):
        shape = [batch, *(draw.number(1, 4) for _ in range(draw.number(0, 3)))]
        if draw.chance(0.05):
            shape[draw.number(0, len(shape) - 1)] = 0
        lines.append(f"{name} = leaf({', '.join(map(str, (draw.fresh(), *shape)))})")
        exec(lines[-1], env)
    wanted, tries = draw.number(2, 9), 0
    while len(lines) < wanted + 2 and tries < 60:
        tries += 1
        try:
            found = LINES[int(rng.choice(len(LINES), p=weights / weights.sum()))][1](draw)
        except LookupError:
            continue
        if found is None:
            continue
        line = found if _is_statement(found) else f"v{len(lines)} = {found}"
        if _works(seed, [*lines, line]):
            lines.append(line)
            exec(line, env)
    return lines


def _is_statement(line: str) -> bool:
    head = line.split("(")[0]
    return any(f" {op} " in line for op in ("=", "+=", "*=")) or (
        head.endswith("_") and not head.startswith("torch")
    ) or "inplace" in line  # fmt: skip


def _works(seed: int, lines: list[str]) -> bool:
    """Whether plain tensors can run it, with moderate numbers and gradients."""
    try:
        result = run(Plain(seed), lines, True)
    except (RuntimeError, IndexError, ValueError, TypeError, NameError, AttributeError):
        return False
    return all(
        x.dtype.kind != "f" or (np.isfinite(x).all() and np.abs(x).max(initial=0) < 1e4)
        for x in result.values()
        if x is not None
    )


def run(world: Plain, lines: Iterable[str], second: bool) -> dict[str, Any]:
    """All variables, gradients and second-order gradients of a program, as NumPy arrays."""
    env = world.names()
    torch.manual_seed(world.seed)
    for line in lines:
        exec(line, env)
    values = {n: t for n, t in env.items() if isinstance(t, Tensor)}
    live = [t for t in values.values() if t.requires_grad and t.grad_fn is not None]
    found: dict[str, Any] = {}
    if live:
        loss = sum((t * _weights(t)).sum() for t in live)
        leaves = list(world.leaves.items())
        if second:
            gs = torch.autograd.grad(
                loss, [t for _, t in leaves], create_graph=True, allow_unused=True
            )
            found |= {f"gradient {k}": g for (k, _), g in zip(leaves, gs, strict=True)}
            squares = [(g * g).sum() for g in gs if g is not None and g.requires_grad]
            if squares:
                sum(squares).backward()
                found |= {f"second gradient {k}": t.grad for k, t in leaves}
        else:
            loss.backward()
            found |= {f"gradient {k}": t.grad for k, t in leaves}
        found["loss"] = loss
    found |= values
    return {n: _numpy(t) for n, t in found.items()}


def _weights(t: Tensor) -> Tensor:
    return wrap(np.cos(np.arange(t.numel(), dtype=np.float64)).reshape(t.shape))


def _numpy(t: Any) -> Any:
    return None if t is None else np.array(t.detach().full_tensor().numpy())


def differences(seed: int, lines: list[str], mesh: tuple[int, ...], implicit: bool) -> list[str]:
    """What differs between the two worlds; empty if all agrees."""
    want = run(Plain(seed), lines, seed % 3 == 0)
    try:
        got = run(Placed(seed, mesh, implicit), lines, seed % 3 == 0)
    except Exception as error:
        return [f"raises {type(error).__name__}: {error}"]
    return compared(got, want)


def compared(got: dict[str, Any], want: dict[str, Any]) -> list[str]:
    out = []
    for name, b in want.items():
        a = got.get(name)
        if a is None or b is None:
            if not (a is None or not np.any(a)) or not (b is None or not np.any(b)):
                out.append(f"{name}: {a} for {b}")
            continue
        if a.shape != b.shape or a.dtype != b.dtype:
            out.append(f"{name}: {a.shape} {a.dtype} for {b.shape} {b.dtype}")
        elif not np.allclose(a, b, rtol=1e-7, atol=1e-7 * max(1.0, np.abs(b).max(initial=0))):
            out.append(f"{name}:\n{a}\nfor\n{b}")
    return out


def shrunk(seed: int, lines: list[str], mesh: tuple[int, ...], implicit: bool) -> list[str]:
    """The lines without those that a failure does not need."""
    at = len(lines) - 1
    while at >= 0:
        fewer = lines[:at] + lines[at + 1 :]
        if _works(seed, fewer) and differences(seed, fewer, mesh, implicit):
            lines = fewer
        at -= 1
    return lines


def situation(seed: int) -> tuple[tuple[int, ...], bool]:
    rng = np.random.default_rng((21, seed))
    return MESHES[int(rng.integers(len(MESHES)))], bool(rng.random() < 0.5)


def report(seed: int, lines: list[str], mesh: tuple[int, ...], implicit: bool) -> str:
    """The failure as code to run from the root of the repository."""
    few = shrunk(seed, lines, mesh, implicit)
    text = "".join(f"    {line!r},\n" for line in few)
    return (
        f"program {seed}:\n"
        "from tests.distributed.tensor.test_programs import differences\n"
        f"lines = [\n{text}]\n"
        f"print(*differences({seed}, lines, {mesh}, {implicit}), sep='\\n')\n# "
        + "\n# ".join("\n".join(differences(seed, few, mesh, implicit)).splitlines()[:12])
    )


def check(seed: int) -> str | None:
    """Why a program fails, if it does."""
    lines = drawn(seed)
    mesh, implicit = situation(seed)
    return report(seed, lines, mesh, implicit) if differences(seed, lines, mesh, implicit) else None


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_programs(chunk: int) -> None:
    """Values, gradients and second-order gradients, whatever the placements."""
    failures = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for seed in range(FIRST + chunk, FIRST + PROGRAMS, CHUNKS):
            failure = check(seed)
            if failure is not None:
                failures.append(failure)
                if len(failures) == 3:
                    break
    assert not failures, "\n\n".join(failures)


# -- on several processes


def on_ranks(seeds: Iterable[int], ranks: int, around: Any, drawing: bool) -> int:
    """Run programs whose positions several ranks share; returns how many.

    Args:
        around: ``around(program)`` gives the results of the ranks that this process has.
        drawing: also those that draw random numbers, for which threads share one generator.
    """
    tried = 0
    for seed in seeds:
        lines, (mesh, implicit) = drawn(seed), situation(seed)
        draws = any("manual_seed" in line or "randperm" in line for line in lines)
        if np.prod(mesh) < ranks or (draws and not drawing):
            continue
        tried += 1
        want = run(Plain(seed), lines, seed % 3 == 0)

        def program(*rank: int) -> dict[str, Any]:
            return run(Placed(seed, mesh, implicit), lines, seed % 3 == 0)  # noqa: B023

        for got in around(program):
            wrong = compared(got, want)
            assert not wrong, (seed, lines, mesh, implicit, wrong)
    return tried


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("ranks", [2, 3])
def test_programs_on_threads(ranks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "manual_seed", lambda seed: None)
    seeds = range(FIRST, FIRST + PROGRAMS // 6)
    assert on_ranks(seeds, ranks, lambda p: dist.run_local(ranks, p, timeout=30), False) > 20


@pytest.mark.mpi
@pytest.mark.filterwarnings("ignore")
def test_programs_on_processes() -> None:
    dist.init_process_group()
    try:
        seeds = range(FIRST, FIRST + PROGRAMS // 2)
        assert on_ranks(seeds, dist.get_world_size(), lambda p: [p()], True) > 20
    finally:
        dist.destroy_process_group()
