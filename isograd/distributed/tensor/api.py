"""DTensor and how to make one: torch.distributed.tensor's functions.

A DTensor is a Tensor whose array is in pieces (`sharded.ShardedArray`): everything that takes a
tensor takes one. Its methods are those of every tensor; a plain tensor counts as one that every
process holds whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from isograd.distributed.tensor import moves
from isograd.distributed.tensor.layout import Layout, layout_of
from isograd.distributed.tensor.mesh import DeviceMesh, mesh_or_entered
from isograd.distributed.tensor.partitioner import composed
from isograd.distributed.tensor.placement import Placement, Shard
from isograd.distributed.tensor.sharded import ShardedArray
from isograd.tensor.core import Tensor, wrap
from isograd.tensor.door import apply, looks_into
from isograd.tensor.primitive import Primitive

__all__ = [
    "DTensor", "distribute_module", "distribute_tensor", "empty", "full", "ones", "rand", "randn",
    "zeros",
]  # fmt: skip


def _held(tensor: Tensor) -> Any:
    """A tensor's array; of one far away what it shows."""
    return getattr(tensor._array, "now", tensor._array)


class _InPieces(type):
    """``isinstance(t, DTensor)`` asks whether the tensor's array is in pieces."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, Tensor) and isinstance(_held(instance), ShardedArray)


class DTensor(Tensor, metaclass=_InPieces):
    """A tensor that is placed on a mesh; made by `distribute_tensor` and `DTensor.from_local`."""

    @staticmethod
    def from_local(
        local_tensor: Tensor,
        device_mesh: DeviceMesh | None = None,
        placements: Sequence[Placement] | None = None,
        *,
        run_check: bool = False,
        shape: Sequence[int] | None = None,
        stride: Any = None,
        grad_placements: Sequence[Placement] | None = None,
    ) -> Tensor:
        """The DTensor whose local part on this process is ``local_tensor``.

        Args:
            device_mesh: without, that of the ``with mesh:`` around the call; likewise below.
            placements: one per mesh dimension; Replicate without.
            run_check: compare what must agree between the processes.
            shape: the global shape; without, the parts' lengths are exchanged.
            stride: accepted for torch's sake; strides follow from the pieces.
            grad_placements: how the gradient is placed before each process takes its part.

        Raises:
            RuntimeError: where this process owns several positions, or shapes do not agree.
        """
        mesh = mesh_or_entered("DTensor.from_local", device_mesh)
        if mesh.count != 1 and mesh.positions != 1:
            raise RuntimeError(
                f"DTensor.from_local: this process owns {mesh.count} positions of the mesh; "
                "use distribute_tensor, or as many positions as processes"
            )
        local = layout_of("DTensor.from_local", mesh, local_tensor.shape, placements)
        target = _grown(local, tuple(local_tensor.shape), shape, run_check)
        back = _gradient_layout("DTensor.from_local", target, grad_placements)
        return apply(_from_local, local_tensor, layout=target, back=back)


def _gradient_layout(name: str, layout: Layout, placements: Sequence[Placement] | None) -> Layout:
    """How the gradient of a tensor of this layout is placed."""
    if placements is None:
        return layout
    given = layout_of(name, layout.mesh, layout.shape, placements)
    return layout.with_placements(given.placements)


def _grown(
    local: Layout, mine: tuple[int, ...], shape: Sequence[int] | None, run_check: bool
) -> Layout:
    """The global layout whose parts have everybody's local shapes."""
    mesh, placements = local.mesh, local.placements
    cut = [p.dim for p in placements if isinstance(p, Shard)]
    comm = mesh.communicator
    if comm is None or (not cut and not run_check):
        return local
    if shape is not None and not run_check:
        return Layout(mesh, tuple(shape), placements)
    texts = comm.exchange_bytes(",".join(map(str, mine)).encode())
    shapes = [tuple(int(n) for n in text.split(b",") if n) for text in texts]
    whole, lengths = list(mine), {}
    for d in set(cut):
        dims = local.cutters(d)
        parts: dict[tuple[int, ...], int] = {}
        for position, found in enumerate(shapes):
            where = mesh.coordinates(position)
            parts[tuple(where[m] for m in dims)] = found[d]
        lengths[d] = tuple(parts[k] for k in sorted(parts))
        whole[d] = sum(lengths[d])
    target = Layout(mesh, tuple(whole), placements, lengths)
    for position, found in enumerate(shapes):
        if found != target.boxes[position][1]:
            raise RuntimeError(
                f"DTensor.from_local: the local tensor of position {position} has shape {found}, "
                f"expected {target.boxes[position][1]} of {target}"
            )
    return target


def _local(array: Any) -> Any:
    if not isinstance(array, ShardedArray):
        return array
    if len(array.pieces) == 1 or array.layout.replicated:
        return array.pieces[0]
    cut = array.layout.lengths
    if array.layout.mesh.ndim == 1 and cut:
        return array.backend.xp.concatenate(array.pieces, axis=cut[0][0])
    raise RuntimeError(
        f"to_local: this process owns {len(array.pieces)} positions, whose parts of {array.layout} "
        "are no one tensor; use full_tensor()"
    )


_to_local: Primitive = Primitive(
    "to_local",
    lambda xp, x, *, layout, back: _local(x),
    vjp={"x": lambda g, layout, back: apply(_from_local, g, layout=back, back=layout)},
    doc="The part of a tensor that this process owns.",
)
_from_local: Primitive = Primitive(
    "from_local",
    lambda xp, x, *, layout, back: _from_part(x, layout),
    vjp={"x": lambda g, layout, back: _part_of(g, layout, back)},
    doc="The tensor of which every process gives its part.",
)
_redistribute: Primitive = Primitive(
    "redistribute",
    lambda xp, x, *, layout, before: _moved(x, layout),
    vjp={"x": lambda g, before: _back(g, before)},
    doc="The same tensor placed otherwise.",
)


def _moved(x: Any, layout: Layout) -> Any:
    """``x`` in another layout, in memory of its own."""
    made = moves.placed(x, layout)
    sources = x.pieces if isinstance(x, ShardedArray) else [x]
    return made.each(lambda p: p.copy() if any(looks_into(p, s) for s in sources) else p)


@composed("to_local", "from_local", "redistribute")
def _placed_anew(primitive: Primitive, inputs: tuple[Any, ...], params: dict[str, Any]) -> Tensor:
    return wrap(primitive.forward(None, inputs[0]._array, **params))


def _from_part(x: Any, layout: Layout) -> Any:
    """The pieces of the local array of `_local`."""
    mesh = layout.mesh
    if mesh.count == 1 or layout.replicated:
        return ShardedArray(layout, [x] * mesh.count).in_rows()
    d, lengths = layout.lengths[0]
    mine = lengths[mesh.first : mesh.first + mesh.count]
    ends = [sum(mine[: i + 1]) for i in range(len(mine))]
    before = (slice(None),) * d
    pieces = [x[(*before, slice(e - n, e))] for e, n in zip(ends, mine, strict=True)]
    return ShardedArray(layout, pieces).in_rows()


def _part_of(g: Tensor, layout: Layout, back: Layout) -> Tensor:
    """This process's part of a gradient; a part of a sum has the gradient of the sum."""
    return apply(_to_local, _place(g, moves.without_partial(back)), layout=back, back=layout)


def _back(g: Tensor, before: Layout) -> Tensor:
    return _place(g, moves.without_partial(before))


def _place(t: Tensor, layout: Layout) -> Tensor:
    array = _held(t)
    now = array.layout if isinstance(array, ShardedArray) else moves.replicated(layout)
    if isinstance(array, ShardedArray) and now == layout:
        return t
    return apply(_redistribute, t, layout=layout, before=now)


# -- methods of every tensor


def _redistribute_method(
    self: Tensor,
    device_mesh: DeviceMesh | None = None,
    placements: Sequence[Placement] | None = None,
    *,
    async_op: bool = False,
) -> Tensor:
    """The same values in other placements; gradients flow back.

    Communication: none from Replicate; an all-gather from Shard to Replicate, an all-to-all
    between Shards, an all-reduce from Partial.
    """
    array = _held(self)
    mesh = device_mesh or (array.layout.mesh if isinstance(array, ShardedArray) else None)
    if mesh is None:
        raise RuntimeError("redistribute: a plain tensor is on no mesh: give device_mesh")
    return _place(self, layout_of("redistribute", mesh, self.shape, placements))


def _full_tensor(self: Tensor, *, grad_placements: Sequence[Placement] | None = None) -> Tensor:
    """All of it as a plain tensor, on every process.

    Args:
        grad_placements: how the processes' gradients make up the whole one: ``Partial()`` if they
            add up to it. Without, every process is taken to have all of it.
    """
    if not isinstance(_held(self), ShardedArray):
        return self
    whole = _place(self, moves.replicated(_held(self).layout))
    return _to_local_method(whole, grad_placements=grad_placements)


def _to_local_method(self: Tensor, *, grad_placements: Sequence[Placement] | None = None) -> Tensor:
    """This process's part, as a plain tensor.

    Args:
        grad_placements: how the parts' gradients make up the whole one; without, as the parts do.
    """
    if not isinstance(_held(self), ShardedArray):
        return self
    layout = _held(self).layout
    back = _gradient_layout("to_local", layout, grad_placements)
    return apply(_to_local, self, layout=layout, back=back)


def _layout_part(name: str) -> Any:
    def read(self: Tensor) -> Any:
        if not isinstance(_held(self), ShardedArray):
            raise AttributeError(f"{name}: a plain tensor is on no mesh (see distribute_tensor)")
        return getattr(_held(self).layout, "mesh" if name == "device_mesh" else name)

    return property(read)


def _install(cls: Any) -> None:
    cls.redistribute = _redistribute_method
    cls.full_tensor = _full_tensor
    cls.to_local = _to_local_method
    cls.placements = _layout_part("placements")
    cls.device_mesh = _layout_part("device_mesh")


_install(Tensor)


# -- making them


def distribute_tensor(
    tensor: Tensor,
    device_mesh: DeviceMesh | None = None,
    placements: Sequence[Placement] | None = None,
    *,
    src_data_rank: int | None = 0,
) -> Tensor:
    """Place a tensor that every process holds whole on a mesh.

    Args:
        tensor: shape and dtype agree on all processes.
        placements: one per mesh dimension; Replicate without. A dimension is cut into parts whose
            lengths differ by at most one.
        src_data_rank: the rank whose values everybody takes first, by a broadcast. None: they are
            equal everywhere, which a tensor with a history must be in any case.

    Raises:
        ValueError, IndexError, TypeError: for placements that do not fit.
    """
    device_mesh = mesh_or_entered("distribute_tensor", device_mesh)
    layout = layout_of("distribute_tensor", device_mesh, tensor.shape, placements)
    if isinstance(_held(tensor), ShardedArray):
        return _place(tensor, layout)
    if tensor._node is not None:
        return _place(tensor, layout)
    values = _held(tensor)
    comm = device_mesh.communicator
    if src_data_rank is not None and comm is not None:
        values = values.copy()
        comm.broadcast(values, src_data_rank)
    made = wrap(_moved(values, layout))
    made._requires_grad = tensor._requires_grad
    return made


def distribute_module(
    module: Any,
    device_mesh: DeviceMesh | None = None,
    partition_fn: Callable[[str, Any, DeviceMesh], None] | None = None,
    input_fn: Callable[..., Any] | None = None,
    output_fn: Callable[..., Any] | None = None,
) -> Any:
    """Place a module's parameters and buffers on a mesh, in place; returns the module.

    Args:
        partition_fn: ``(name, module, mesh)`` places the parameters of one submodule; what it
            leaves plain is replicated, with the values of rank 0.
        input_fn, output_fn: ``(module, inputs, mesh)`` before and ``(module, outputs, mesh)``
            after the module's forward.
    """
    mesh = mesh_or_entered("distribute_module", device_mesh)
    for name, sub in module.named_modules():
        if partition_fn is not None:
            partition_fn(name, sub, mesh)
        for store in (sub._parameters, sub._buffers):
            for t in store.values():
                if t is not None and not isinstance(t._array, ShardedArray):
                    t._array = distribute_tensor(t.detach(), mesh)._array
    if input_fn is not None:
        module.register_forward_pre_hook(lambda m, inputs: input_fn(m, inputs, mesh))
    if output_fn is not None:
        module.register_forward_hook(lambda m, _, out: output_fn(m, out, mesh))
    return module


def _maker(name: str) -> Any:
    drawn = name.startswith("rand")

    def function(
        *size: Any, device_mesh: DeviceMesh | None = None, placements: Any = None, **kw: Any
    ) -> Tensor:
        from isograd.tensor import creation, random  # names that this module redefines

        made = getattr(random if drawn else creation, name)(*size, **kw)
        return distribute_tensor(made, device_mesh, placements, src_data_rank=0 if drawn else None)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"`isograd.{name}`, placed: every process draws or fills the whole first."
    return function


empty, full, ones, zeros = (_maker(n) for n in ("empty", "full", "ones", "zeros"))
rand, randn = _maker("rand"), _maker("randn")
