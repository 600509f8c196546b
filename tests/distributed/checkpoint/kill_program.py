"""Kills a training run again and again; what must hold then is checked after every kill.

``python kill_program.py KILLS SEED NAMING`` prints a line of JSON. Each round forks a process whose
threads are 1 to 4 ranks. They train, all the same, and save after every step, in the background
in every second round. The process is killed at a random moment; then the newest checkpoint must
verify, be no older than the last save that was reported, and hold the bits of a run that was never
stopped. The next round goes on from it with another number of ranks.

NAMING is "steps" (a folder per step, old ones pruned) or "one" (one folder, replaced).
``python kill_program.py --mpi FOLDER STEPS`` is one such run as real ranks, for `isograd run`.
"""

import hashlib
import json
import os
import random
import select
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import isograd as torch
import isograd.distributed as dist
import isograd.distributed.checkpoint as dcp
from isograd import nn
from tests.distributed.checkpoint.cut import cut

ENDLESS = 1 << 30


class Run:
    """A model, an optimizer, noise, and rows that the ranks share out."""

    def __init__(self, rank: int, size: int) -> None:
        self.noise = torch.Generator().manual_seed(7)
        self.model = nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU())
        self.model.append(nn.Linear(16, 2))
        with torch.no_grad():
            for p in self.model.parameters():
                p.copy_(torch.randn(p.shape, generator=self.noise))
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=0.01)
        self.rows = cut(np.zeros((5, 3)), rank, size)
        self.step = 0

    def state(self) -> dict[str, Any]:
        return {
            "model": self.model, "optimizer": self.optimizer, "noise": self.noise,
            "rows": self.rows, "step": self.step,
        }  # fmt: skip

    def load(self, path: Any) -> None:
        state = self.state()
        dcp.load(state, checkpoint_id=path)
        self.step = state["step"]

    def advance(self) -> None:
        x = torch.randn((8, 6), generator=self.noise)
        self.optimizer.zero_grad()
        (self.model(x) - x[:, :2]).square().mean().backward()
        self.optimizer.step()
        self.step += 1
        rows: Any = self.rows._array
        rows.piece += self.step * np.arange(rows.first, rows.first + len(rows.piece))[:, None]

    def digest(self) -> str:
        """Of weights, moments, and the generator; of one rank that holds all rows."""
        found = hashlib.sha256(repr(self.step).encode())
        for t in self.model.state_dict().values():
            found.update(t.numpy().tobytes())
        for slot in self.optimizer.state_dict()["state"].values():
            for value in slot.values():
                found.update(np.asarray(value).tobytes())
        rows: Any = self.rows._array
        found.update(rows.piece.tobytes())
        found.update(self.noise.get_state().numpy().tobytes())
        return found.hexdigest()


def train(rank: int, size: int, folder: Path, steps: int, **how: Any) -> None:
    """Go on from the newest checkpoint; ``tell(step)`` after every save that has returned."""
    one, background, tell = how["naming"] == "one", how["background"], how["tell"]
    run = Run(rank, size)
    checkpointer = dcp.Checkpointer(folder, keep_last=2)
    if one and dcp.latest(folder) is not None:
        run.load(folder / "last")
    elif not one:
        state = run.state()
        if checkpointer.load(state) is not None:
            run.step = state["step"]
    before = None
    while run.step < steps:
        run.advance()
        if one:
            save: Callable[..., Any] = dcp.async_save if background else dcp.save
            saved = save(run.state(), checkpoint_id=folder / "last")
        else:
            kind = checkpointer.async_save if background else checkpointer.save
            saved = kind(run.step, run.state())
        if background:
            if before is not None:
                before[0].result()
                tell(before[1])
            before = saved, run.step
        else:
            tell(run.step)
    if before is not None:
        before[0].result()


def child(folder: Path, size: int, steps: int, pipe: int, **how: Any) -> int:
    """Fork a process that trains; it writes its steps into the pipe."""
    process = os.fork()
    if process:
        return process
    code = 1
    try:

        def program(rank: int) -> None:
            def tell(step: int) -> None:
                if rank == 0:
                    os.write(pipe, step.to_bytes(8, "little"))

            train(rank, size, folder, steps, tell=tell, **how)

        dist.run_local(size, program)
        code = 0
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
    finally:
        os._exit(code)


class Reference:
    """Digests of the run that was never stopped, by step."""

    def __init__(self) -> None:
        self.run, self.digests = Run(0, 1), {}

    def digest(self, step: int) -> str:
        while self.run.step < step:
            self.run.advance()
            self.digests[self.run.step] = self.run.digest()
        return self.digests[step]


def look(folder: Path, reference: Reference, announced: int) -> int:
    """Check the newest checkpoint; returns its step, 0 if there is none yet."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a damaged one would be reported
        newest = dcp.latest(folder, verify=True)
    if newest is None:
        if announced:
            raise SystemExit(f"step {announced} was saved, and nothing is there")
        return 0
    run = Run(0, 1)
    run.load(newest)
    if run.step < announced:
        raise SystemExit(f"step {announced} was saved, the newest checkpoint is {run.step}")
    if run.digest() != reference.digest(run.step):
        raise SystemExit(f"{newest.name}: step {run.step} has other bits than the unstopped run")
    return run.step


def killed(process: int, pipe: int, delay: float) -> int:
    """Kill after a while; returns the last step that was told."""
    time.sleep(delay)
    os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    if not os.WIFSIGNALED(status):
        raise SystemExit("the run ended by itself")
    last = 0
    while select.select([pipe], [], [], 0)[0] and (data := os.read(pipe, 8)):
        last = int.from_bytes(data, "little")
    return last


def chain(kills: int, seed: int, naming: str, folder: Path) -> dict[str, Any]:
    """Kill, check, go on; at the end let it finish."""
    draw, reference, step, moved, leftovers = random.Random(seed), Reference(), 0, 0, 0
    longest = 0.1  # seconds until the kill; more while rounds do not get anywhere
    reader, writer = os.pipe()
    for kill in range(kills):
        size = 1 + kill % 4
        how = {"naming": naming, "background": kill % 2 == 1}
        process = child(folder, size, ENDLESS, writer, **how)
        told = killed(process, reader, draw.uniform(0, longest))
        leftovers += any(".tmp-" in p.name or ".old-" in p.name for p in folder.iterdir())
        new = look(folder, reference, max(step, told))
        longest *= 0.9 if new > step else 1.25
        moved, step = moved + (new > step), new
    process = child(folder, 3, step + 3, writer, naming=naming, background=True)
    if os.waitpid(process, 0)[1]:
        raise SystemExit("the last round failed")
    if look(folder, reference, step + 3) != step + 3:
        raise SystemExit("the last round did not finish")
    names = sorted(p.name for p in folder.iterdir())
    return {"step": step + 3, "moved": moved, "leftovers": leftovers, "names": names}


def over_mpi(folder: Path, steps: int) -> None:
    """One run as real ranks, which leave their process ids behind."""
    dist.init_process_group("mpi")
    rank, size = dist.get_rank(), dist.get_world_size()
    folder.mkdir(parents=True, exist_ok=True)
    (folder.parent / f"pid.{rank}").write_text(str(os.getpid()))
    how = {"naming": "steps", "background": size % 2 == 0, "tell": lambda step: None}
    train(rank, size, folder, steps, **how)


if __name__ == "__main__":
    if sys.argv[1] == "--mpi":
        over_mpi(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            print(
                json.dumps(chain(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], Path(temporary)))
            )
