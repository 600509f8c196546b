"""Limited-memory BFGS: a quasi-Newton method from the last few steps and gradient changes.

The direction -H g comes from the two-loop recursion over pairs s = Δw, y = Δg with ρ = 1/(yᵀs),
started with H ≈ (yᵀs)/(yᵀy). Nocedal and Wright, "Numerical optimization", 2nd ed., algorithms
7.4 and 7.5; the line search is `strong_wolfe`. All parameters are seen as one flat vector.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from isograd.autograd.modes import enable_grad, no_grad
from isograd.optim.optimizer import Optimizer, Params, check_lr, number
from isograd.optim.strong_wolfe import strong_wolfe
from isograd.tensor.backends import backend_of
from isograd.tensor.core import Tensor, wrap
from isograd.tensor.spread import SpreadArray

__all__ = ["LBFGS"]


class LBFGS(Optimizer):
    """L-BFGS. `step` needs a closure that computes the loss and its gradients anew.

    Args:
        params: parameters; one group only.
        lr: step length, or the first one tried by the line search.
        max_iter: iterations of one `step`.
        max_eval: evaluations of the closure in one `step`; by default ``max_iter * 1.25``.
        tolerance_grad: stop where the largest gradient is at most this.
        tolerance_change: stop where step or loss change less than this.
        history_size: pairs kept; memory is that many times twice the parameters.
        line_search_fn: ``"strong_wolfe"`` or None.
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        check_lr(lr)
        if line_search_fn not in (None, "strong_wolfe"):
            raise RuntimeError(f"only 'strong_wolfe' is supported, got {line_search_fn!r}")
        defaults = {
            "lr": lr, "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad, "tolerance_change": tolerance_change,
            "history_size": history_size, "line_search_fn": line_search_fn,
        }  # fmt: skip
        super().__init__(params, defaults)
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take up to ``max_iter`` iterations.

        Returns:
            The loss before them.
        """
        if closure is None:
            raise RuntimeError("LBFGS: step needs a closure that computes the loss and gradients")
        if any(isinstance(p._array, SpreadArray) for p in self.param_groups[0]["params"]):
            raise TypeError(
                "LBFGS: expected parameters that every process holds whole, got a DTensor, whose "
                "parts are no one vector; use full_tensor(), or another optimizer"
            )
        with no_grad():
            return _Run(self, closure).run()


class _Run:
    """One call of `LBFGS.step`: the state lies, by torch's names, with the first parameter."""

    def __init__(self, owner: LBFGS, closure: Callable[[], Any]) -> None:
        self.group = owner.param_groups[0]
        self.params: list[Tensor] = self.group["params"]
        self.closure = closure
        self.state = owner.state[self.params[0]]
        self.state.setdefault("func_evals", 0)
        self.state.setdefault("n_iter", 0)
        self.xp = backend_of(self.params[0]._array).xp
        self.evals = 0

    # -- the objective on one flat vector

    def loss(self) -> Any:
        with enable_grad():
            return self.closure()

    def gradient(self) -> Any:
        """All gradients in one vector; zeros where there is none."""
        parts = []
        for p in self.params:
            a = self.xp.zeros_like(p._array) if p.grad is None else p.grad._array
            parts.append(_line(self.xp, a))
        return self.xp.concatenate(parts)

    def move(self, t: float, d: Any) -> None:
        """Add ``t * d`` to the parameters."""
        start = 0
        for p in self.params:
            n = int(p._array.size) * (2 if p.is_complex() else 1)
            piece = d[start : start + n] * t
            if p.is_complex():
                piece = piece.view(p._array.dtype)
            p._array += piece.reshape(p._array.shape).astype(p._array.dtype, copy=False)
            p._bump()
            start += n

    def evaluate_at(self, saved: list[Any], t: float, d: Any) -> tuple[float, Any]:
        """Loss and gradient at ``t`` along ``d``; the parameters are put back."""
        self.move(t, d)
        loss, g = float(self.loss()), self.gradient()
        for p, values in zip(self.params, saved, strict=True):
            p._array[...] = values
            p._bump()
        return loss, g

    # -- the iterations

    def run(self) -> Any:
        group, state = self.group, self.state
        original = self.loss()
        self.count(1)
        loss, g = float(original), self.gradient()
        if self.flat_enough(g):
            return original
        memory = _Memory.of(self.xp, state, group["history_size"])
        for i in range(1, group["max_iter"] + 1):
            state["n_iter"] += 1
            first = state["n_iter"] == 1
            memory.update(g, first)
            d = memory.direction(g)
            memory.remember(g, loss)
            t = min(1.0, 1.0 / float(abs(g).sum())) * number(group["lr"]) if first else (
                number(group["lr"]))  # fmt: skip
            slope = float(self.xp.dot(g, d))  # directional derivative
            if slope > -group["tolerance_change"]:
                memory.t = t
                break
            before = loss
            last = i == group["max_iter"]
            t, loss, g, evals = self.search(t, d, loss, g, slope, last)
            memory.t = t
            self.count(evals)
            if last or self.evals >= group["max_eval"] or self.flat_enough(g):
                break
            if float(abs(d * t).max()) <= group["tolerance_change"]:
                break
            if abs(loss - before) < group["tolerance_change"]:
                break
        memory.store(state)
        return original

    def count(self, evals: int) -> None:
        self.evals += evals
        self.state["func_evals"] += evals

    def flat_enough(self, g: Any) -> bool:
        return bool(float(abs(g).max()) <= self.group["tolerance_grad"])

    def search(
        self, t: float, d: Any, loss: float, g: Any, slope: float, last: bool
    ) -> tuple[float, float, Any, int]:
        """The step taken: (length, loss, gradient, evaluations)."""
        if self.group["line_search_fn"] == "strong_wolfe":
            saved = [p._array.copy() for p in self.params]
            loss, g, t, evals = strong_wolfe(
                lambda step: self.evaluate_at(saved, step, d), t, d, loss, g, slope
            )
            self.move(t, d)
            return t, loss, g, evals
        self.move(t, d)
        if last:  # nobody asks for the loss after the last step
            return t, loss, g, 0
        loss = float(self.loss())
        return t, loss, self.gradient(), 1


class _Memory:
    """The pairs (y, s), and the direction they give."""

    def __init__(self, xp: Any, limit: int) -> None:
        self.xp, self.limit = xp, limit
        self.y: list[Any] = []
        self.s: list[Any] = []
        self.ro: list[Any] = []
        self.al: list[Any] = [None] * limit
        self.scale: Any = 1
        self.d: Any = None
        self.t: Any = None
        self.before: Any = None
        self.loss: Any = None

    @classmethod
    def of(cls, xp: Any, state: dict[str, Any], limit: int) -> _Memory:
        new = cls(xp, limit)
        if state.get("d") is not None:
            new.d, new.t = state["d"]._array, state["t"]
            new.y = [v._array for v in state["old_dirs"]]
            new.s = [v._array for v in state["old_stps"]]
            new.ro = [v._array for v in state["ro"]]
            new.scale = getattr(state["H_diag"], "_array", state["H_diag"])
            new.before, new.loss = state["prev_flat_grad"]._array, state["prev_loss"]
        return new

    def store(self, state: dict[str, Any]) -> None:
        state.update(
            al=[None if a is None else _tensor(a) for a in self.al],
            d=wrap(self.d), t=self.t,
            old_dirs=[wrap(y) for y in self.y], old_stps=[wrap(s) for s in self.s],
            ro=[_tensor(r) for r in self.ro],
            H_diag=self.scale if isinstance(self.scale, int) else _tensor(self.scale),
            prev_flat_grad=wrap(self.before), prev_loss=self.loss,
        )  # fmt: skip

    def update(self, g: Any, first: bool) -> None:
        """Take in the last step, if its curvature is positive."""
        if first or self.d is None:
            self.__init__(self.xp, self.limit)  # type: ignore[misc]
            return
        y, s = g - self.before, self.d * self.t
        ys = self.xp.dot(y, s)
        if ys <= 1e-10:
            return
        if len(self.y) == self.limit:
            for kept in (self.y, self.s, self.ro):
                del kept[0]
        self.y.append(y)
        self.s.append(s)
        self.ro.append(1.0 / ys)
        self.scale = ys / self.xp.dot(y, y)

    def direction(self, g: Any) -> Any:
        """-H g."""
        q = -g
        for i in reversed(range(len(self.y))):
            self.al[i] = self.xp.dot(self.s[i], q) * self.ro[i]
            q = q - self.al[i] * self.y[i]
        r = q * self.scale
        for i in range(len(self.y)):
            beta = self.xp.dot(self.y[i], r) * self.ro[i]
            r = r + (self.al[i] - beta) * self.s[i]
        self.d = r
        return r

    def remember(self, g: Any, loss: float) -> None:
        self.before, self.loss = g, loss


def _tensor(value: Any) -> Tensor:
    return wrap(np.asarray(value) if isinstance(value, np.generic) else value)


def _line(xp: Any, array: Any) -> Any:
    line = xp.ascontiguousarray(array).reshape(-1)
    return line.view(line.real.dtype) if line.dtype.kind == "c" else line
