"""Data that is too much for a folder of samples: tar shards and files of tokens.

Imported on its own, for it needs modules that loaders do without.
"""

from isograd.data.streaming.errors import ShardError as ShardError
from isograd.data.streaming.permutation import Permutation as Permutation
from isograd.data.streaming.permutation import PermutationSampler as PermutationSampler
from isograd.data.streaming.shard_writer import ShardWriter as ShardWriter
from isograd.data.streaming.token_file import write_tokens as write_tokens
from isograd.data.streaming.tokens import TokenDataset as TokenDataset
from isograd.data.streaming.web_dataset import WebDataset as WebDataset

__all__ = [
    "Permutation",
    "PermutationSampler",
    "ShardError",
    "ShardWriter",
    "TokenDataset",
    "WebDataset",
    "write_tokens",
]
