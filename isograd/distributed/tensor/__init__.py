"""Tensors of a global shape on a mesh of positions, with torch.distributed.tensor's names."""

from isograd.distributed.tensor import (  # they register themselves
    classes,
    compositions,
    fitting,
    gradients,
    picking,
    selections,
    statistics,
)
from isograd.distributed.tensor.api import DTensor as DTensor
from isograd.distributed.tensor.api import distribute_module as distribute_module
from isograd.distributed.tensor.api import distribute_tensor as distribute_tensor
from isograd.distributed.tensor.api import empty as empty
from isograd.distributed.tensor.api import full as full
from isograd.distributed.tensor.api import ones as ones
from isograd.distributed.tensor.api import rand as rand
from isograd.distributed.tensor.api import randn as randn
from isograd.distributed.tensor.api import zeros as zeros
from isograd.distributed.tensor.mesh import DeviceMesh as DeviceMesh
from isograd.distributed.tensor.mesh import init_device_mesh as init_device_mesh
from isograd.distributed.tensor.placement import Partial as Partial
from isograd.distributed.tensor.placement import Placement as Placement
from isograd.distributed.tensor.placement import Replicate as Replicate
from isograd.distributed.tensor.placement import Shard as Shard
