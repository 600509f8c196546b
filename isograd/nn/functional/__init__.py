"""Layers as functions: ``isograd.nn.functional``, with torch's names."""

from __future__ import annotations

from isograd.nn.functional.activation import celu as celu
from isograd.nn.functional.activation import celu_ as celu_
from isograd.nn.functional.activation import elu as elu
from isograd.nn.functional.activation import elu_ as elu_
from isograd.nn.functional.activation import gelu as gelu
from isograd.nn.functional.activation import glu as glu
from isograd.nn.functional.activation import gumbel_softmax as gumbel_softmax
from isograd.nn.functional.activation import hardshrink as hardshrink
from isograd.nn.functional.activation import hardsigmoid as hardsigmoid
from isograd.nn.functional.activation import hardswish as hardswish
from isograd.nn.functional.activation import hardtanh as hardtanh
from isograd.nn.functional.activation import hardtanh_ as hardtanh_
from isograd.nn.functional.activation import leaky_relu as leaky_relu
from isograd.nn.functional.activation import leaky_relu_ as leaky_relu_
from isograd.nn.functional.activation import log_softmax as log_softmax
from isograd.nn.functional.activation import logsigmoid as logsigmoid
from isograd.nn.functional.activation import mish as mish
from isograd.nn.functional.activation import prelu as prelu
from isograd.nn.functional.activation import relu as relu
from isograd.nn.functional.activation import relu6 as relu6
from isograd.nn.functional.activation import relu_ as relu_
from isograd.nn.functional.activation import rrelu as rrelu
from isograd.nn.functional.activation import rrelu_ as rrelu_
from isograd.nn.functional.activation import selu as selu
from isograd.nn.functional.activation import selu_ as selu_
from isograd.nn.functional.activation import sigmoid as sigmoid
from isograd.nn.functional.activation import silu as silu
from isograd.nn.functional.activation import softmax as softmax
from isograd.nn.functional.activation import softmin as softmin
from isograd.nn.functional.activation import softplus as softplus
from isograd.nn.functional.activation import softshrink as softshrink
from isograd.nn.functional.activation import softsign as softsign
from isograd.nn.functional.activation import tanh as tanh
from isograd.nn.functional.activation import tanhshrink as tanhshrink
from isograd.nn.functional.activation import threshold as threshold
from isograd.nn.functional.activation import threshold_ as threshold_
from isograd.nn.functional.attention import (
    multi_head_attention_forward as multi_head_attention_forward,
)
from isograd.nn.functional.attention import (
    scaled_dot_product_attention as scaled_dot_product_attention,
)
from isograd.nn.functional.classification import cross_entropy as cross_entropy
from isograd.nn.functional.classification import nll_loss as nll_loss
from isograd.nn.functional.ctc import ctc_loss as ctc_loss
from isograd.nn.functional.distance import cosine_similarity as cosine_similarity
from isograd.nn.functional.distance import pairwise_distance as pairwise_distance
from isograd.nn.functional.distance import pdist as pdist
from isograd.nn.functional.dropout import alpha_dropout as alpha_dropout
from isograd.nn.functional.dropout import dropout as dropout
from isograd.nn.functional.dropout import dropout1d as dropout1d
from isograd.nn.functional.dropout import dropout2d as dropout2d
from isograd.nn.functional.dropout import dropout3d as dropout3d
from isograd.nn.functional.dropout import feature_alpha_dropout as feature_alpha_dropout
from isograd.nn.functional.embedding import embedding as embedding
from isograd.nn.functional.embedding import embedding_bag as embedding_bag
from isograd.nn.functional.embedding import one_hot as one_hot
from isograd.nn.functional.linear import bilinear as bilinear
from isograd.nn.functional.linear import linear as linear
from isograd.nn.functional.loss import binary_cross_entropy as binary_cross_entropy
from isograd.nn.functional.loss import (
    binary_cross_entropy_with_logits as binary_cross_entropy_with_logits,
)
from isograd.nn.functional.loss import gaussian_nll_loss as gaussian_nll_loss
from isograd.nn.functional.loss import huber_loss as huber_loss
from isograd.nn.functional.loss import kl_div as kl_div
from isograd.nn.functional.loss import l1_loss as l1_loss
from isograd.nn.functional.loss import mse_loss as mse_loss
from isograd.nn.functional.loss import poisson_nll_loss as poisson_nll_loss
from isograd.nn.functional.loss import smooth_l1_loss as smooth_l1_loss
from isograd.nn.functional.loss import soft_margin_loss as soft_margin_loss
from isograd.nn.functional.margin import cosine_embedding_loss as cosine_embedding_loss
from isograd.nn.functional.margin import hinge_embedding_loss as hinge_embedding_loss
from isograd.nn.functional.margin import margin_ranking_loss as margin_ranking_loss
from isograd.nn.functional.margin import multi_margin_loss as multi_margin_loss
from isograd.nn.functional.margin import multilabel_margin_loss as multilabel_margin_loss
from isograd.nn.functional.margin import multilabel_soft_margin_loss as multilabel_soft_margin_loss
from isograd.nn.functional.margin import triplet_margin_loss as triplet_margin_loss
from isograd.nn.functional.margin import (
    triplet_margin_with_distance_loss as triplet_margin_with_distance_loss,
)
