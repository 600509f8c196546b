"""Data: datasets, samplers, and the loader that makes batches of them (torch.utils.data)."""

from isograd.data.collate import default_collate as default_collate
from isograd.data.collate import default_convert as default_convert
from isograd.data.dataset import ChainDataset as ChainDataset
from isograd.data.dataset import ConcatDataset as ConcatDataset
from isograd.data.dataset import Dataset as Dataset
from isograd.data.dataset import IterableDataset as IterableDataset
from isograd.data.dataset import StackDataset as StackDataset
from isograd.data.dataset import Subset as Subset
from isograd.data.dataset import TensorDataset as TensorDataset
from isograd.data.dataset import random_split as random_split
from isograd.data.distributed_sampler import DistributedSampler as DistributedSampler
from isograd.data.loader import DataLoader as DataLoader
from isograd.data.per_sample import per_sample as per_sample
from isograd.data.sampler import BatchSampler as BatchSampler
from isograd.data.sampler import RandomSampler as RandomSampler
from isograd.data.sampler import Sampler as Sampler
from isograd.data.sampler import SequentialSampler as SequentialSampler
from isograd.data.sampler import SubsetRandomSampler as SubsetRandomSampler
from isograd.data.sampler import WeightedRandomSampler as WeightedRandomSampler
from isograd.data.shard_aware import ShardAware as ShardAware
from isograd.data.shard_aware import Share as Share
from isograd.data.worker import get_worker_info as get_worker_info

__all__ = [
    "BatchSampler",
    "ChainDataset",
    "ConcatDataset",
    "DataLoader",
    "Dataset",
    "DistributedSampler",
    "IterableDataset",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "ShardAware",
    "Share",
    "StackDataset",
    "Subset",
    "SubsetRandomSampler",
    "TensorDataset",
    "WeightedRandomSampler",
    "default_collate",
    "default_convert",
    "get_worker_info",
    "per_sample",
    "random_split",
]
