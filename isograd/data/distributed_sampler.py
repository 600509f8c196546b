"""`DistributedSampler`: each process its share of one common order."""

from __future__ import annotations

from collections.abc import Iterator, Sized

from isograd.data.sampler import Sampler
from isograd.data.world import world
from isograd.tensor.generator import Generator

__all__ = ["DistributedSampler"]


class DistributedSampler(Sampler[int]):
    """Every ``num_replicas``-th index of an order that all processes agree on.

    Call `set_epoch` before each epoch, else every epoch has the same order.

    Args:
        num_replicas, rank: the shares and which one is ours; asked of the process group if None.
        shuffle: random order, from ``seed`` plus the epoch.
        drop_last: drop the rest that cannot be shared evenly, instead of repeating samples.

    Raises:
        ValueError: for a rank outside the replicas, or no process group to ask.
    """

    def __init__(
        self,
        dataset: Sized,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        if num_replicas is None or rank is None:
            own_rank, size = world()
            num_replicas = size if num_replicas is None else num_replicas
            rank = own_rank if rank is None else rank
        if not 0 <= rank < num_replicas:
            raise ValueError(
                f"Invalid rank {rank}, rank should be in the interval [0, {num_replicas - 1}]"
            )
        self.dataset = dataset
        self.num_replicas = num_replicas
        self.rank = rank
        self.epoch = 0
        self.drop_last = drop_last
        n = len(dataset)
        self.num_samples = n // num_replicas if drop_last else -(-n // num_replicas)
        self.total_size = self.num_samples * num_replicas
        self.shuffle = shuffle
        self.seed = seed

    def __iter__(self) -> Iterator[int]:
        n = len(self.dataset)
        if self.shuffle:
            order = Generator().manual_seed(self.seed + self.epoch).randperm(n).tolist()
        else:
            order = list(range(n))
        if n:
            order = (order * -(-self.total_size // n))[: self.total_size]
        return iter(order[self.rank : self.total_size : self.num_replicas])

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """The epoch that the next pass belongs to: another epoch, another order."""
        self.epoch = epoch
