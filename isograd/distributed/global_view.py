"""The global view: an unchanged script on many processes sees one process and one batch.

`start` joins the processes and lays a mesh over them: V positions, by default one per process. From
then on loaders give batches that are cut over the positions, and what is computed from them is
computed in parts (`isograd.distributed.tensor`). A tensor that the script makes itself is the same
on all processes; where one goes into the outermost module, it is cut there. Parameters stay plain
tensors. A script that calls `init_process_group` distributes itself: then the view ends.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any
from weakref import WeakSet

import numpy as np

from isograd.data.view import register_view
from isograd.distributed import tensor as _tensor  # noqa: F401  registers the partitioner
from isograd.distributed.group import ProcessGroup
from isograd.distributed.rendezvous import before_init, default_timeout, world_group
from isograd.distributed.root_inputs import RootInputs, held
from isograd.distributed.tensor import moves
from isograd.distributed.tensor.api import _place
from isograd.distributed.tensor.gradients import reducer_of
from isograd.distributed.tensor.layout import Layout
from isograd.distributed.tensor.mesh import DeviceMesh
from isograd.distributed.tensor.placement import Shard
from isograd.distributed.tensor.sharded import ShardedArray
from isograd.nn.module_hooks import around_calls
from isograd.tensor.core import Tensor, wrap
from isograd.tensor.door import mode
from isograd.tensor.threads import fix_num_threads

__all__ = ["WorldView", "current", "start", "start_in", "stop"]


class WorldView:
    """What loaders and the launcher ask (`isograd.data.view.GlobalView`).

    Args:
        mesh: one dimension of V positions.
        group: the processes.
        promised: the user asked for the same bits (``--shards``).
    """

    def __init__(self, mesh: DeviceMesh, group: ProcessGroup, promised: bool) -> None:
        self.mesh, self.group, self.promised = mesh, group, promised
        self.used = False  # something has been cut
        self.roots: WeakSet[Any] = WeakSet()  # the outermost modules that were called

    @property
    def positions(self) -> int:
        return self.mesh.positions

    @property
    def first(self) -> int:
        return self.mesh.first

    @property
    def count(self) -> int:
        return self.mesh.count

    @property
    def rank(self) -> int:
        return self.group.rank()

    @property
    def size(self) -> int:
        return self.group.size()

    def assemble(self, pieces: Sequence[Tensor], lengths: Sequence[int]) -> Tensor:
        """The tensor cut along dimension 0 whose own pieces these are; no communication.

        Raises:
            ValueError: if a piece's length is not the one given.
        """
        arrays = [p._array for p in pieces]
        shape = (sum(lengths), *arrays[0].shape[1:])
        layout = Layout(self.mesh, shape, (Shard(0),), {0: tuple(lengths)})
        for k, a in enumerate(arrays):
            if tuple(a.shape) != layout.boxes[self.first + k][1]:
                raise ValueError(
                    f"assemble: position {self.first + k} has a piece of shape {a.shape}, expected "
                    f"{layout.boxes[self.first + k][1]} of a batch of shape {shape}; do all "
                    "samples have one shape?"
                )
        self.used = True
        self._remark(f"a batch of shape {shape} was loaded")
        return wrap(ShardedArray(layout, arrays).in_rows())

    def cut(self, whole: Tensor, dim: int = 0) -> Tensor:
        """A tensor that every process holds whole, cut along a dimension; gradients flow back.

        In memory of its own: through a piece a process would write to its own part alone.
        """
        self.used = True
        layout = Layout(self.mesh, tuple(whole.shape), (Shard(dim),))
        if whole._requires_grad:
            return _place(whole, layout)
        made = wrap(moves.placed(held(whole), layout).copy())
        made._version_cell = whole._share_version()  # what changes one changes what was saved
        return made

    def watch(self, module: Any, inputs: RootInputs) -> None:
        """Have a hand-made batch's shapes, and now and then its values, compared."""
        if self.size == 1:
            return
        name, first = type(module).__name__, inputs.first
        self._remark(f"{name} was called with shapes {inputs.shapes}")
        if mode.grad:
            text = f"the first input of {name}, of shape {tuple(first.shape)},"
            reducer_of(self.mesh).sameness.note(text, held(first))

    def _remark(self, text: str) -> None:
        """What the ranks have done before their next call is compared with it."""
        if self.size > 1:
            self.group.communicator.remark(text)

    def name_of(self, parameter: Any) -> str | None:
        """What a parameter of the modules that were called is called."""
        for module in self.roots:
            for name, p in module.named_parameters():
                if p is parameter:
                    return f"{type(module).__name__}'s {name}"
        return None

    def exchange_bytes(self, data: bytes) -> list[bytes]:
        """Everybody's ``data``, by rank; all processes call it together."""
        return self.group.communicator.exchange_bytes(data)


_process: list[WorldView | None] = [None]
_thread = threading.local()
_depth = threading.local()


def current() -> WorldView | None:
    """The view of this thread, or else of the process."""
    own: WorldView | None = getattr(_thread, "view", None)
    return own if own is not None else _process[0]


def start(shards: int | None = None) -> WorldView:
    """Begin the global view of the processes that the launcher started.

    Args:
        shards: V, a multiple or not of the number of processes; results are then the same bits
            at any number of processes. None: one position per process.

    Raises:
        ValueError: if V is smaller than the number of processes.
        RuntimeError: if there is a view already.
    """
    if current() is not None:
        raise RuntimeError("global_view.start: there is a global view already")
    group = world_group(None, default_timeout(), "view")
    view = _over(group, shards)
    if view.promised:
        fix_num_threads(
            "with --shards matrix products use one thread, because sums over several threads have "
            "other bits; use more ranks instead"
        )
    _process[0] = view
    _watch()
    return view


def start_in(group: ProcessGroup, shards: int | None = None) -> WorldView:
    """As `start`, over a group, for the calling thread alone (see `run_local`)."""
    view = _over(group, shards)
    _thread.view = view
    _watch()
    return view


def _over(group: ProcessGroup, shards: int | None) -> WorldView:
    size = group.size()
    if shards is not None and shards < size:
        raise ValueError(
            f"--shards {shards}: there are {size} processes, and every one needs at least one "
            f"shard; use --shards {size} or more, or fewer processes"
        )
    positions = size if shards is None else shards
    device = "cuda" if group.backend == "nccl" else "cpu"
    mesh = DeviceMesh(device, np.arange(positions), group=group, reproducible=shards is not None)
    mesh.implicit = True
    group.communicator.one_script = True
    view = WorldView(mesh, group, shards is not None)
    reducer_of(mesh).sameness.name_of = view.name_of
    return view


def stop() -> None:
    """End the view; tensors that are cut stay usable until the group is closed."""
    view = current()
    if view is None:
        return
    if getattr(_thread, "view", None) is not None:
        _thread.view = None
        view.group.communicator.one_script = False
    else:
        _process[0] = None
        fix_num_threads(None)
        around_calls.clear()
        view.group.communicator.close()


def _watch() -> None:
    around_calls[:] = [_around]


def _taken_over() -> None:
    """The script calls `init_process_group`: it distributes itself."""
    view = current()
    if view is None:
        return
    if view.promised:
        raise RuntimeError(
            "init_process_group: this script distributes itself, and --shards promises the same "
            "bits at any number of processes, which only holds for scripts without distributed "
            "lines; run it without --shards, or take the distributed lines out"
        )
    if view.used:
        raise RuntimeError(
            "init_process_group: tensors have already been cut over the processes for this "
            "script; call it before the first batch is loaded or the first module is called"
        )
    stop()


before_init.append(_taken_over)
register_view(current)


# -- batches made by hand: cut where they go into the outermost module


def _around(module: Any, call: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if getattr(_depth, "inside", False):
        return call(args, kwargs)
    view = current()
    if view is None or view.positions == 1:
        return call(args, kwargs)
    _depth.inside = True
    try:
        view.roots.add(module)
        inputs = RootInputs(module, args, kwargs, view.cut)
        if inputs.shapes:
            view.watch(module, inputs)
        out = call(inputs.args, inputs.kwargs)
        inputs.give_back()
        return out
    finally:
        _depth.inside = False
