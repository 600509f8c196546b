"""torch.distributed on our own communicators.

Groups of processes, collectives and messages with torch's names and semantics. What is added: all
calls are checked against the other ranks' before data moves, and a rank that does not come is named
with the line where it stands.
"""

from typing import TYPE_CHECKING, Any

from isograd.distributed.backend_names import (
    get_default_backend_for_device as get_default_backend_for_device,
)
from isograd.distributed.backend_names import (
    is_backend_available as is_backend_available,
)
from isograd.distributed.backend_names import (
    is_torchelastic_launched as is_torchelastic_launched,
)
from isograd.distributed.collectives import (
    all_gather as all_gather,
)
from isograd.distributed.collectives import (
    all_gather_into_tensor as all_gather_into_tensor,
)
from isograd.distributed.collectives import (
    all_reduce as all_reduce,
)
from isograd.distributed.collectives import (
    all_to_all as all_to_all,
)
from isograd.distributed.collectives import (
    all_to_all_single as all_to_all_single,
)
from isograd.distributed.collectives import (
    barrier as barrier,
)
from isograd.distributed.collectives import (
    broadcast as broadcast,
)
from isograd.distributed.collectives import (
    gather as gather,
)
from isograd.distributed.collectives import (
    monitored_barrier as monitored_barrier,
)
from isograd.distributed.collectives import (
    reduce as reduce,
)
from isograd.distributed.collectives import (
    reduce_scatter as reduce_scatter,
)
from isograd.distributed.collectives import (
    reduce_scatter_tensor as reduce_scatter_tensor,
)
from isograd.distributed.collectives import (
    scatter as scatter,
)
from isograd.distributed.communicator import (
    Communicator as Communicator,
)
from isograd.distributed.errors import (
    CollectiveAbortedError as CollectiveAbortedError,
)
from isograd.distributed.errors import (
    CollectiveMismatchError as CollectiveMismatchError,
)
from isograd.distributed.errors import (
    CollectiveTimeoutError as CollectiveTimeoutError,
)
from isograd.distributed.errors import (
    DistBackendError as DistBackendError,
)
from isograd.distributed.errors import (
    DistError as DistError,
)
from isograd.distributed.group import (
    GroupMember as GroupMember,
)
from isograd.distributed.group import (
    ProcessGroup as ProcessGroup,
)
from isograd.distributed.group import (
    get_backend as get_backend,
)
from isograd.distributed.group import (
    get_global_rank as get_global_rank,
)
from isograd.distributed.group import (
    get_group_rank as get_group_rank,
)
from isograd.distributed.group import (
    get_process_group_ranks as get_process_group_ranks,
)
from isograd.distributed.group import (
    get_rank as get_rank,
)
from isograd.distributed.group import (
    get_world_size as get_world_size,
)
from isograd.distributed.group import (
    group as group,
)
from isograd.distributed.group import (
    is_initialized as is_initialized,
)
from isograd.distributed.messages import (
    P2POp as P2POp,
)
from isograd.distributed.messages import (
    batch_isend_irecv as batch_isend_irecv,
)
from isograd.distributed.messages import (
    irecv as irecv,
)
from isograd.distributed.messages import (
    isend as isend,
)
from isograd.distributed.messages import (
    recv as recv,
)
from isograd.distributed.messages import (
    send as send,
)
from isograd.distributed.objects import (
    all_gather_object as all_gather_object,
)
from isograd.distributed.objects import (
    broadcast_object_list as broadcast_object_list,
)
from isograd.distributed.objects import (
    gather_object as gather_object,
)
from isograd.distributed.objects import (
    recv_object_list as recv_object_list,
)
from isograd.distributed.objects import (
    scatter_object_list as scatter_object_list,
)
from isograd.distributed.objects import (
    send_object_list as send_object_list,
)
from isograd.distributed.reduce_op import (
    ReduceOp as ReduceOp,
)
from isograd.distributed.rendezvous import (
    destroy_process_group as destroy_process_group,
)
from isograd.distributed.rendezvous import (
    get_node_local_rank as get_node_local_rank,
)
from isograd.distributed.rendezvous import (
    init_process_group as init_process_group,
)
from isograd.distributed.rendezvous import (
    is_available as is_available,
)
from isograd.distributed.rendezvous import (
    is_gloo_available as is_gloo_available,
)
from isograd.distributed.rendezvous import (
    is_mpi_available as is_mpi_available,
)
from isograd.distributed.rendezvous import (
    is_nccl_available as is_nccl_available,
)
from isograd.distributed.rendezvous import (
    new_group as new_group,
)
from isograd.distributed.rendezvous import (
    run_local as run_local,
)
from isograd.distributed.traffic import (
    Traffic as Traffic,
)
from isograd.distributed.traffic import (
    TrafficCounter as TrafficCounter,
)
from isograd.distributed.work import (
    TraceEvent as TraceEvent,
)
from isograd.distributed.work import (
    Work as Work,
)
from isograd.distributed.world import (
    World as World,
)
from isograd.distributed.world import (
    detect_world as detect_world,
)

if TYPE_CHECKING:
    from isograd.distributed.device_mesh import DeviceMesh as DeviceMesh
    from isograd.distributed.device_mesh import init_device_mesh as init_device_mesh

__all__ = [
    "CollectiveAbortedError",
    "CollectiveMismatchError",
    "CollectiveTimeoutError",
    "Communicator",
    "DeviceMesh",
    "DistBackendError",
    "DistError",
    "GroupMember",
    "P2POp",
    "ProcessGroup",
    "ReduceOp",
    "TraceEvent",
    "Traffic",
    "TrafficCounter",
    "Work",
    "World",
    "all_gather",
    "all_gather_into_tensor",
    "all_gather_object",
    "all_reduce",
    "all_to_all",
    "all_to_all_single",
    "barrier",
    "batch_isend_irecv",
    "broadcast",
    "broadcast_object_list",
    "destroy_process_group",
    "detect_world",
    "gather",
    "gather_object",
    "get_backend",
    "get_default_backend_for_device",
    "get_global_rank",
    "get_group_rank",
    "get_node_local_rank",
    "get_process_group_ranks",
    "get_rank",
    "get_world_size",
    "group",
    "init_device_mesh",
    "init_process_group",
    "irecv",
    "is_available",
    "is_backend_available",
    "is_gloo_available",
    "is_initialized",
    "is_mpi_available",
    "is_nccl_available",
    "is_torchelastic_launched",
    "isend",
    "monitored_barrier",
    "new_group",
    "recv",
    "recv_object_list",
    "reduce",
    "reduce_scatter",
    "reduce_scatter_tensor",
    "run_local",
    "scatter",
    "scatter_object_list",
    "send",
    "send_object_list",
]


def __getattr__(name: str) -> Any:
    if name in ("DeviceMesh", "init_device_mesh"):  # with them come tensors in pieces
        from isograd.distributed import device_mesh

        return getattr(device_mesh, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
