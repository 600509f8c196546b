"""``DistributedDataParallel``: the same model on every rank, gradients averaged during backward."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from isograd.autograd.node import Node
from isograd.distributed.group import ProcessGroup, resolve_group
from isograd.distributed.join import Join, Joinable, JoinHook
from isograd.distributed.objects import all_gather_object
from isograd.distributed.reduce_op import ReduceOp
from isograd.distributed.reducer import Reducer
from isograd.nn.module import Module
from isograd.tensor.backends import backend_of
from isograd.tensor.core import Tensor
from isograd.tensor.door import mode

__all__ = ["DistributedDataParallel"]


class DistributedDataParallel(Module, Joinable):
    """Wrap ``module`` for training with one process per device.

    At construction the parameters' names, shapes and dtypes are compared over all ranks and rank
    0's values are sent to the others. In each backward pass the gradients are averaged in buckets,
    while it still runs. Traffic per step and rank: 2 (n-1)/n times the gradients' bytes, and the
    buffers' bytes once in each training forward pass.

    Args:
        device_ids, output_device: the module's device, if given; it is not moved.
        broadcast_buffers: send rank 0's buffers before each training forward pass.
        process_group: default the world.
        bucket_cap_mb: bytes per bucket in MiB; default 25.
        find_unused_parameters: walk the outputs' graph so that parameters outside of it need no
            gradient.
        gradient_as_bucket_view: ``.grad`` looks into the bucket (True, no copy) or has memory of
            its own.
        static_graph: the set of unused parameters never changes; they are then allowed.

    Raises:
        RuntimeError: if there is nothing to train, or the ranks hold different models.
        ValueError: if there is no process group.

    Example:
        >>> import isograd as torch, isograd.distributed as dist
        >>> from isograd.nn.parallel import DistributedDataParallel
        >>> def program(rank):
        ...     model = DistributedDataParallel(torch.nn.Linear(1, 1, bias=False))
        ...     model(torch.tensor([[float(rank)]])).sum().backward()
        ...     return model.module.weight.grad.item()
        >>> dist.run_local(2, program)
        [0.5, 0.5]
    """

    def __init__(
        self,
        module: Module,
        device_ids: Any = None,
        output_device: Any = None,
        dim: int = 0,
        broadcast_buffers: bool = True,
        init_sync: bool = True,
        process_group: ProcessGroup | None = None,
        bucket_cap_mb: float | None = None,
        find_unused_parameters: bool = False,
        check_reduction: bool = False,
        gradient_as_bucket_view: bool = True,
        static_graph: bool = False,
    ) -> None:
        super().__init__()
        if dim != 0:
            raise NotImplementedError(f"DistributedDataParallel: dim must be 0, got {dim}")
        if device_ids is not None and len(device_ids) > 1:
            raise ValueError(
                "DistributedDataParallel: device_ids can only be None or contain a single element, "
                f"got {device_ids}"
            )
        self.module = module
        found = resolve_group("DistributedDataParallel", process_group)
        if found is None:
            raise ValueError("DistributedDataParallel: this rank is not in process_group")
        self.process_group = found
        self.broadcast_buffers = broadcast_buffers
        self.find_unused_parameters = find_unused_parameters or static_graph
        self.require_backward_grad_sync = True
        named = [(n, p) for n, p in module.named_parameters() if p.requires_grad]
        if not named:
            raise RuntimeError(
                "DistributedDataParallel is not needed when a module doesn't have any parameters "
                "that require a gradient."
            )
        if init_sync:
            verify_same_model(module, self.process_group)
            broadcast_state(module, self.process_group)
        self.reducer = Reducer(
            [p for _, p in named],
            [n for n, _ in named],
            self.process_group,
            bucket_cap_mb=25.0 if bucket_cap_mb is None else bucket_cap_mb,
            allow_unused=self.find_unused_parameters,
            keep_views=gradient_as_bucket_view,
        )
        self._position = {id(p): i for i, (_, p) in enumerate(named)}

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The module's forward; prepares the reduction of the backward pass that follows."""
        sync = self.require_backward_grad_sync
        training = mode.grad and self.module.training
        if training and sync:
            self.reducer.abandon()
            active = Join.notify_join_context(self)
            context = self._join_context
            shared = context is None or context.option("divide_by_initial_world_size", True)
            self.reducer.divisor = float(self.process_group.size() if shared else len(active))
            if self.broadcast_buffers:
                broadcast_buffers(self.module, self.process_group, active[0])
        out = self.module(*args, **kwargs)
        self.reducer.enabled = sync
        if training and sync and self.find_unused_parameters:
            self.reducer.mark_unused(self._unused(out))
        return out

    def _unused(self, out: Any) -> list[int]:
        """Parameters that the outputs' graph does not reach."""
        left = set(range(len(self.reducer.params)))
        stack: list[Any] = [t._node if t._node is not None else t for t in _tensors(out)
                            if t.requires_grad]  # fmt: skip
        seen = set()
        while stack:
            target = stack.pop()
            if id(target) in seen:
                continue
            seen.add(id(target))
            if isinstance(target, Node):
                stack.extend(edge[0] for edge in target.edges if edge is not None)
            else:
                left.discard(self._position.get(id(target), -1))
        return sorted(left)

    @contextmanager
    def no_sync(self) -> Iterator[None]:
        """Inside, backward passes only add to the local gradients; the next one outside sums all.

        The forward pass must be inside, too.
        """
        before = self.require_backward_grad_sync
        self.require_backward_grad_sync = False
        try:
            yield
        finally:
            self.require_backward_grad_sync = before

    # -- uneven inputs

    def join(
        self,
        divide_by_initial_world_size: bool = True,
        enable: bool = True,
        throw_on_early_termination: bool = False,
    ) -> Join:
        """A context in which ranks may have different numbers of inputs; see `Join`."""
        return Join([self], enable, throw_on_early_termination,
                    divide_by_initial_world_size=divide_by_initial_world_size)  # fmt: skip

    def join_hook(self, **kwargs: Any) -> JoinHook:
        """The hook that shadows this module's collectives on ranks that are done."""
        return _ShadowHook(self)

    @property
    def join_process_group(self) -> ProcessGroup:
        return self.process_group

    def __getstate__(self) -> Any:
        raise RuntimeError(
            "DistributedDataParallel cannot be pickled or copied: "
            "save ddp.module.state_dict() instead"
        )


class _ShadowHook(JoinHook):
    def __init__(self, model: DistributedDataParallel) -> None:
        self.model = model

    def main_hook(self, active: list[int]) -> None:
        model = self.model
        if model.broadcast_buffers and model.module.training:
            broadcast_buffers(model.module, model.process_group, active[0])
        model.reducer.abandon()
        model.reducer.shadow()

    def post_hook(self, is_last_joiner: bool) -> None:
        """The state of the rank that trained longest is the final one."""
        group = self.model.process_group
        votes = np.array([group.rank() if is_last_joiner else -1], np.int64)
        group.communicator.all_reduce(votes, ReduceOp.MAX)
        broadcast_state(self.model.module, group, int(votes[0]))


def _tensors(out: Any) -> Iterator[Tensor]:
    if isinstance(out, Tensor):
        yield out
    elif isinstance(out, dict):
        for v in out.values():
            yield from _tensors(v)
    elif isinstance(out, (list, tuple)):
        for v in out:
            yield from _tensors(v)


def verify_same_model(module: Module, group: ProcessGroup) -> None:
    """Compare names, shapes and dtypes of parameters and buffers over all ranks.

    Raises:
        RuntimeError: on all ranks, naming the first difference and its rank.
    """
    if group.size() == 1:
        return
    mine = [(n, tuple(t.shape), t.dtype.name) for n, t in _state(module)]
    everyone: list[Any] = [None] * group.size()
    all_gather_object(everyone, mine, group=group)
    for rank, theirs in enumerate(everyone):
        if theirs == everyone[0]:
            continue
        if len(theirs) != len(everyone[0]):
            difference = (
                f"rank 0 has {len(everyone[0])} parameters and buffers, rank {rank} has "
                f"{len(theirs)}"
            )
        else:
            a, b = next((a, b) for a, b in zip(everyone[0], theirs, strict=True) if a != b)
            difference = (
                f"rank 0 has {a[0]} {list(a[1])} {a[2]}, rank {rank} has {b[0]} {list(b[1])} {b[2]}"
            )
        raise RuntimeError(
            f"DistributedDataParallel (rank {group.rank()}): the ranks hold different models: "
            f"{difference}. Build the same module on every rank"
        )


def _state(module: Module) -> list[tuple[str, Tensor]]:
    return [*module.named_parameters(), *module.named_buffers()]


def broadcast_state(module: Module, group: ProcessGroup, root: int = 0) -> None:
    """Give all ranks ``root``'s parameters and buffers. Traffic: their bytes."""
    _broadcast([t for _, t in _state(module)], group, root)


def broadcast_buffers(module: Module, group: ProcessGroup, root: int = 0) -> None:
    """Give all ranks ``root``'s buffers. Traffic: their bytes."""
    _broadcast([b for _, b in module.named_buffers()], group, root)


def _broadcast(tensors: list[Tensor], group: ProcessGroup, root: int) -> None:
    """One message per dtype and device."""
    if group.size() == 1 or not tensors:
        return
    kinds: dict[Any, list[Tensor]] = {}
    for t in tensors:
        kinds.setdefault((t.dtype.name, str(t.device)), []).append(t)
    for members in kinds.values():
        xp = backend_of(members[0]._array).xp
        flat = xp.concatenate([t._array.reshape(-1) for t in members])
        group.communicator.broadcast(flat, root)
        if group.rank() == root:
            continue
        start = 0
        for t in members:
            n = t.numel()
            t._array[...] = flat[start : start + n].reshape(t._array.shape)
            t._bump()
            start += n
