"""Tensors of a global shape on a mesh of positions, with torch.distributed.tensor's names."""

from isograd.distributed.tensor.api import (
    DTensor as DTensor,
    distribute_module as distribute_module,
    distribute_tensor as distribute_tensor,
    empty as empty,
    full as full,
    ones as ones,
    rand as rand,
    randn as randn,
    zeros as zeros,
)
from isograd.distributed.tensor.mesh import (
    DeviceMesh as DeviceMesh,
    init_device_mesh as init_device_mesh,
)
from isograd.distributed.tensor.placement import (
    Partial as Partial,
    Placement as Placement,
    Replicate as Replicate,
    Shard as Shard,
)
