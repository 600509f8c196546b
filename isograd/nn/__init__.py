"""Layers and models: ``isograd.nn``, with torch.nn's names."""

from __future__ import annotations

import importlib
from typing import Any

from isograd.nn import functional as functional
from isograd.nn import init as init
from isograd.nn import parameter as parameter
from isograd.nn import utils as utils
from isograd.nn.activation import CELU as CELU
from isograd.nn.activation import ELU as ELU
from isograd.nn.activation import GELU as GELU
from isograd.nn.activation import GLU as GLU
from isograd.nn.activation import SELU as SELU
from isograd.nn.activation import Hardshrink as Hardshrink
from isograd.nn.activation import Hardsigmoid as Hardsigmoid
from isograd.nn.activation import Hardswish as Hardswish
from isograd.nn.activation import Hardtanh as Hardtanh
from isograd.nn.activation import LeakyReLU as LeakyReLU
from isograd.nn.activation import LogSigmoid as LogSigmoid
from isograd.nn.activation import LogSoftmax as LogSoftmax
from isograd.nn.activation import Mish as Mish
from isograd.nn.activation import PReLU as PReLU
from isograd.nn.activation import ReLU as ReLU
from isograd.nn.activation import ReLU6 as ReLU6
from isograd.nn.activation import RReLU as RReLU
from isograd.nn.activation import Sigmoid as Sigmoid
from isograd.nn.activation import SiLU as SiLU
from isograd.nn.activation import Softmax as Softmax
from isograd.nn.activation import Softmax2d as Softmax2d
from isograd.nn.activation import Softmin as Softmin
from isograd.nn.activation import Softplus as Softplus
from isograd.nn.activation import Softshrink as Softshrink
from isograd.nn.activation import Softsign as Softsign
from isograd.nn.activation import Tanh as Tanh
from isograd.nn.activation import Tanhshrink as Tanhshrink
from isograd.nn.activation import Threshold as Threshold
from isograd.nn.attention import MultiheadAttention as MultiheadAttention
from isograd.nn.containers import ModuleDict as ModuleDict
from isograd.nn.containers import ModuleList as ModuleList
from isograd.nn.containers import ParameterDict as ParameterDict
from isograd.nn.containers import ParameterList as ParameterList
from isograd.nn.containers import Sequential as Sequential
from isograd.nn.distance import CosineSimilarity as CosineSimilarity
from isograd.nn.distance import PairwiseDistance as PairwiseDistance
from isograd.nn.dropout import AlphaDropout as AlphaDropout
from isograd.nn.dropout import Dropout as Dropout
from isograd.nn.dropout import Dropout1d as Dropout1d
from isograd.nn.dropout import Dropout2d as Dropout2d
from isograd.nn.dropout import Dropout3d as Dropout3d
from isograd.nn.dropout import FeatureAlphaDropout as FeatureAlphaDropout
from isograd.nn.embedding import Embedding as Embedding
from isograd.nn.embedding import EmbeddingBag as EmbeddingBag
from isograd.nn.flatten import Flatten as Flatten
from isograd.nn.flatten import Unflatten as Unflatten
from isograd.nn.linear import Bilinear as Bilinear
from isograd.nn.linear import Identity as Identity
from isograd.nn.linear import Linear as Linear
from isograd.nn.loss import BCELoss as BCELoss
from isograd.nn.loss import BCEWithLogitsLoss as BCEWithLogitsLoss
from isograd.nn.loss import CosineEmbeddingLoss as CosineEmbeddingLoss
from isograd.nn.loss import CrossEntropyLoss as CrossEntropyLoss
from isograd.nn.loss import CTCLoss as CTCLoss
from isograd.nn.loss import GaussianNLLLoss as GaussianNLLLoss
from isograd.nn.loss import HingeEmbeddingLoss as HingeEmbeddingLoss
from isograd.nn.loss import HuberLoss as HuberLoss
from isograd.nn.loss import KLDivLoss as KLDivLoss
from isograd.nn.loss import L1Loss as L1Loss
from isograd.nn.loss import MarginRankingLoss as MarginRankingLoss
from isograd.nn.loss import MSELoss as MSELoss
from isograd.nn.loss import MultiLabelMarginLoss as MultiLabelMarginLoss
from isograd.nn.loss import MultiLabelSoftMarginLoss as MultiLabelSoftMarginLoss
from isograd.nn.loss import MultiMarginLoss as MultiMarginLoss
from isograd.nn.loss import NLLLoss as NLLLoss
from isograd.nn.loss import NLLLoss2d as NLLLoss2d
from isograd.nn.loss import PoissonNLLLoss as PoissonNLLLoss
from isograd.nn.loss import SmoothL1Loss as SmoothL1Loss
from isograd.nn.loss import SoftMarginLoss as SoftMarginLoss
from isograd.nn.loss import TripletMarginLoss as TripletMarginLoss
from isograd.nn.loss import TripletMarginWithDistanceLoss as TripletMarginWithDistanceLoss
from isograd.nn.module import Module as Module
from isograd.nn.parameter import Buffer as Buffer
from isograd.nn.parameter import Parameter as Parameter
from isograd.nn.rnn import GRU as GRU
from isograd.nn.rnn import LSTM as LSTM
from isograd.nn.rnn import RNN as RNN
from isograd.nn.rnn import RNNBase as RNNBase
from isograd.nn.rnn_cell import GRUCell as GRUCell
from isograd.nn.rnn_cell import LSTMCell as LSTMCell
from isograd.nn.rnn_cell import RNNCell as RNNCell
from isograd.nn.rnn_cell import RNNCellBase as RNNCellBase


def __getattr__(name: str) -> Any:
    if name == "parallel":  # stands on a higher floor, so it comes only when asked for
        return importlib.import_module("isograd.nn.parallel")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
