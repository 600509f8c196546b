"""The errors of the communication layer.

All derive from `DistError`, itself a `RuntimeError`, so a script written against
torch.distributed that catches either keeps working.
"""

__all__ = [
    "CollectiveAbortedError",
    "CollectiveMismatchError",
    "CollectiveTimeoutError",
    "DistBackendError",
    "DistError",
]


class DistError(RuntimeError):
    """Any failure of the communication layer."""


class DistBackendError(DistError):
    """A backend (MPI, NCCL) is missing, misconfigured or reported a failure."""


class CollectiveMismatchError(DistError):
    """Ranks of one group made different calls; raised on all of them before data moved."""


class CollectiveTimeoutError(DistError):
    """A rank did not arrive in time; the message says where it stands."""


class CollectiveAbortedError(DistError):
    """Another rank of a local world raised, so this one cannot go on."""
