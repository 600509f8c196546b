"""torch.utils.data.dataset."""

from isograd.data.dataset import ChainDataset as ChainDataset
from isograd.data.dataset import ConcatDataset as ConcatDataset
from isograd.data.dataset import Dataset as Dataset
from isograd.data.dataset import IterableDataset as IterableDataset
from isograd.data.dataset import StackDataset as StackDataset
from isograd.data.dataset import Subset as Subset
from isograd.data.dataset import TensorDataset as TensorDataset
from isograd.data.dataset import random_split as random_split
