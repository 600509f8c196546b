"""Write optim.npz: where PyTorch 2.13's optimizers and schedulers go, for tests/optim.

The runs are functions of the library, so that the tests repeat them with ours.
Run: python tests/golden/make_optim.py   (needs torch; the tests do not)
"""

from pathlib import Path
from types import SimpleNamespace

import numpy as np

STEPS = 20

OPTIMIZERS = {
    "sgd": ("SGD", {"lr": 0.05}),
    "sgd_momentum": ("SGD", {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.01}),
    "sgd_nesterov": ("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True}),
    "sgd_dampened": ("SGD", {"lr": 0.01, "momentum": 0.9, "dampening": 0.3, "maximize": True}),
    "adam": ("Adam", {"lr": 0.05}),
    "adam_amsgrad": ("Adam", {"lr": 0.05, "weight_decay": 0.1, "amsgrad": True}),
    "adam_maximize": ("Adam", {"lr": 0.05, "weight_decay": 0.1, "maximize": True}),
    "adamw": ("AdamW", {"lr": 0.05, "weight_decay": 0.1}),
    "adamw_amsgrad": ("AdamW", {"lr": 0.05, "betas": (0.4, 0.95), "amsgrad": True}),
    "rmsprop": ("RMSprop", {"lr": 0.02}),
    "rmsprop_centered": (
        "RMSprop", {"lr": 0.02, "centered": True, "momentum": 0.9, "weight_decay": 0.1},
    ),
    "adagrad": (
        "Adagrad",
        {"lr": 0.1, "lr_decay": 0.01, "weight_decay": 0.01, "initial_accumulator_value": 0.1},
    ),
    "adadelta": ("Adadelta", {"weight_decay": 0.01}),
    "adamax": ("Adamax", {"lr": 0.05, "weight_decay": 0.01}),
    "nadam": ("NAdam", {"lr": 0.05}),
    "nadam_decoupled": (
        "NAdam", {"lr": 0.05, "weight_decay": 0.1, "decoupled_weight_decay": True},
    ),
    "radam": ("RAdam", {"lr": 0.05, "betas": (0.9, 0.95)}),
    "radam_decoupled": (
        "RAdam", {"lr": 0.05, "weight_decay": 0.1, "decoupled_weight_decay": True},
    ),
    "asgd": ("ASGD", {"lr": 0.05, "t0": 5, "lambd": 0.01}),
    "rprop": ("Rprop", {"lr": 0.05}),
}  # fmt: skip

LBFGS = {
    "lbfgs": {"lr": 0.5, "max_iter": 7},
    "lbfgs_short_memory": {"lr": 0.5, "max_iter": 7, "history_size": 3},
    "lbfgs_wolfe": {"max_iter": 7, "line_search_fn": "strong_wolfe"},
    "lbfgs_wolfe_short": {"max_iter": 7, "line_search_fn": "strong_wolfe", "history_size": 3},
}

SCHEDULERS = {
    "lambda": lambda s, o: s.LambdaLR(o, lambda e: 0.9**e),
    "multiplicative": lambda s, o: s.MultiplicativeLR(o, [lambda e: 0.9, lambda e: 1 / (1 + e)]),
    "step": lambda s, o: s.StepLR(o, 3, gamma=0.5),
    "multistep": lambda s, o: s.MultiStepLR(o, [2, 5, 5, 9], gamma=0.5),
    "constant": lambda s, o: s.ConstantLR(o, 0.25, total_iters=4),
    "linear": lambda s, o: s.LinearLR(o, 0.1, 0.8, total_iters=6),
    "exponential": lambda s, o: s.ExponentialLR(o, 0.9),
    "polynomial": lambda s, o: s.PolynomialLR(o, 8, power=1.5),
    "cosine": lambda s, o: s.CosineAnnealingLR(o, 7, eta_min=0.01),
    "restarts": lambda s, o: s.CosineAnnealingWarmRestarts(o, 3, T_mult=2, eta_min=0.01),
    "onecycle": lambda s, o: s.OneCycleLR(o, [0.5, 0.1], total_steps=25),
    "onecycle_linear": lambda s, o: s.OneCycleLR(
        o, 0.5, epochs=5, steps_per_epoch=5, anneal_strategy="linear", three_phase=True
    ),
    "cyclic": lambda s, o: s.CyclicLR(o, 0.1, 0.7, step_size_up=4, step_size_down=3),
    "cyclic_2": lambda s, o: s.CyclicLR(o, 0.1, [0.7, 0.3], step_size_up=3, mode="triangular2"),
    "cyclic_exp": lambda s, o: s.CyclicLR(
        o, 0.1, 0.7, step_size_up=3, mode="exp_range", gamma=0.9, cycle_momentum=False
    ),
    "plateau": lambda s, o: s.ReduceLROnPlateau(o, factor=0.5, patience=2, cooldown=1),
    "plateau_max": lambda s, o: s.ReduceLROnPlateau(
        o, "max", patience=1, threshold_mode="abs", threshold=0.05, min_lr=[0.002, 0.01]
    ),
    "sequential": lambda s, o: s.SequentialLR(
        o,
        [s.LinearLR(o, 0.1, total_iters=4), s.CosineAnnealingLR(o, 6), s.ExponentialLR(o, 0.9)],
        milestones=[4, 10],
    ),
    "chained": lambda s, o: s.ChainedScheduler(
        [s.ConstantLR(o, 0.5, total_iters=3), s.ExponentialLR(o, 0.9)]
    ),
    "sequential_chained": lambda s, o: s.SequentialLR(
        o,
        [s.ChainedScheduler([s.ConstantLR(o, 0.5), s.StepLR(o, 2)]), s.ExponentialLR(o, 0.5)],
        milestones=[6],
    ),
}


def golden(name):
    """The values stored for a run."""
    with np.load(Path(__file__).parent / "optim.npz") as file:
        return {k.split("/")[1]: file[k] for k in file.files if k.split("/")[0] == name}


def noise(shape):
    """Reproducible values without a library's generator."""
    n = int(np.prod(shape))
    return (np.sin(np.arange(n) * 12.9898 + 0.5) * 1.7).astype(np.float32).reshape(shape)


def run_optimizer(lib, optim, name):
    """Twenty steps on a noisy quadratic: the parameters, then every state."""
    cls, options = OPTIMIZERS[name]
    w = lib.tensor(noise((7, 5)), requires_grad=True)
    b = lib.tensor(noise((3,)), requires_grad=True)
    optimizer = getattr(optim, cls)([{"params": [w]}, {"params": [b], "lr": 0.03}], **options)
    pulls = noise((STEPS, 7, 5))
    for i in range(STEPS):
        optimizer.zero_grad()
        loss = (w * w).sum() * 0.5 + (w * lib.tensor(pulls[i])).sum() + ((b - 1) ** 2).sum()
        loss.backward()
        optimizer.step()
    out = {"w": w.detach().numpy(), "b": b.detach().numpy()}
    for key, value in optimizer.state[w].items():
        out[f"state.{key}"] = np.asarray(value.detach().numpy())
    return out


def run_lbfgs(lib, optim, name):
    """Four steps on a curved valley over two parameters: where it ends, every loss seen."""
    start = noise((7,)).astype(np.float64) * 0.5  # float32 roundings grow fast here
    p = lib.tensor(start[:5].copy(), requires_grad=True)
    q = lib.tensor(start[5:].copy(), requires_grad=True)
    optimizer = optim.LBFGS([p, q], **LBFGS[name])
    seen = []

    def closure():
        optimizer.zero_grad()
        valley = ((p[1:] - p[:-1] ** 2) ** 2).sum() * 10 + ((1 - p) ** 2).sum()
        loss = valley + (q**2).sum() + (q[0] * p[0]) ** 2
        loss.backward()
        seen.append(loss.item())
        return loss

    for _ in range(4):
        optimizer.step(closure)
    state = optimizer.state[p]
    counts = np.array([state["func_evals"], state["n_iter"]])
    end = np.concatenate([p.detach().numpy(), q.detach().numpy()])
    return {"end": end, "losses": np.array(seen), "counts": counts}


def run_scheduler(lib, optim, name):
    """Rates and momenta of two groups over twenty epochs."""
    params = [lib.tensor([1.0, 2.0], requires_grad=True) for _ in range(2)]
    groups = [{"params": [params[0]]}, {"params": [params[1]], "lr": 0.05}]
    optimizer = optim.SGD(groups, lr=0.2, momentum=0.6)
    scheduler = SCHEDULERS[name](optim.lr_scheduler, optimizer)
    metrics = [1 / (1 + i) if i < 6 else 0.2 + 0.01 * (i % 3) for i in range(STEPS)]
    rows = []
    for i in range(STEPS):
        rows.append([v for g in optimizer.param_groups for v in (g["lr"], g["momentum"])])
        optimizer.step()
        scheduler.step(*([metrics[i]] if name.startswith("plateau") else []))
    return {"rates": np.array(rows), "last": np.array(scheduler.get_last_lr())}


def structure(state):
    """A state dict's keys, types and shapes as text."""
    if isinstance(state, dict):
        inner = ", ".join(f"{k}: {structure(v)}" for k, v in sorted(state.items(), key=str))
        return f"{{{inner}}}"
    if isinstance(state, (list, tuple)):
        kind = type(state).__name__
        return f"{kind}({', '.join(structure(v) for v in state[:4])})"
    if hasattr(state, "detach"):
        return f"Tensor{tuple(state.shape)}{str(state.dtype).replace('torch.', '')}"
    return type(state).__name__


def state_structure(lib, optim, cls, options):
    """Structure of an optimizer's state dict after two steps."""
    w = lib.tensor(noise((2, 3)), requires_grad=True)
    optimizer = getattr(optim, cls)([w], **options)

    def closure():
        optimizer.zero_grad()
        loss = (w * w).sum()
        loss.backward()
        return loss

    for _ in range(2):
        optimizer.step(closure)
    return structure(optimizer.state_dict())


def scheduler_structure(lib, optim, name):
    """Structure of a scheduler's state dict after two epochs."""
    groups = [{"params": [lib.tensor([1.0], requires_grad=True)]} for _ in range(2)]
    optimizer = optim.SGD(groups, lr=0.2, momentum=0.6)
    scheduler = SCHEDULERS[name](optim.lr_scheduler, optimizer)
    for _ in range(2):
        optimizer.step()
        scheduler.step(*([1.0] if name.startswith("plateau") else []))
    return structure(scheduler.state_dict())


def everything(lib, optim):
    """(name, run) pairs of all golden values."""
    for name in OPTIMIZERS:
        yield name, run_optimizer(lib, optim, name)
        yield name, {"structure": np.array(state_structure(lib, optim, *OPTIMIZERS[name]))}
    for name in LBFGS:
        yield name, run_lbfgs(lib, optim, name)
    yield "lbfgs", {"structure": np.array(state_structure(lib, optim, "LBFGS", {}))}
    for name in SCHEDULERS:
        yield name, run_scheduler(lib, optim, name)
        yield name, {"structure": np.array(scheduler_structure(lib, optim, name))}


def main():
    import torch

    lib = SimpleNamespace(tensor=torch.tensor)
    values = {f"{n}/{k}": v for n, run in everything(lib, torch.optim) for k, v in run.items()}
    np.savez_compressed(Path(__file__).parent / "optim.npz", **values)


if __name__ == "__main__":
    main()
