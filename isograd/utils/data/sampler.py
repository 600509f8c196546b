"""torch.utils.data.sampler."""

from isograd.data.sampler import BatchSampler as BatchSampler
from isograd.data.sampler import RandomSampler as RandomSampler
from isograd.data.sampler import Sampler as Sampler
from isograd.data.sampler import SequentialSampler as SequentialSampler
from isograd.data.sampler import SubsetRandomSampler as SubsetRandomSampler
from isograd.data.sampler import WeightedRandomSampler as WeightedRandomSampler
