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
from isograd.nn.functional.classification import linear_cross_entropy as linear_cross_entropy
from isograd.nn.functional.classification import nll_loss as nll_loss
from isograd.nn.functional.conv import conv1d as conv1d
from isograd.nn.functional.conv import conv2d as conv2d
from isograd.nn.functional.conv import conv3d as conv3d
from isograd.nn.functional.conv import conv_tbc as conv_tbc
from isograd.nn.functional.conv import conv_transpose1d as conv_transpose1d
from isograd.nn.functional.conv import conv_transpose2d as conv_transpose2d
from isograd.nn.functional.conv import conv_transpose3d as conv_transpose3d
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
from isograd.nn.functional.fold import fold as fold
from isograd.nn.functional.fold import unfold as unfold
from isograd.nn.functional.fractional import fractional_max_pool2d as fractional_max_pool2d
from isograd.nn.functional.fractional import fractional_max_pool3d as fractional_max_pool3d
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
from isograd.nn.functional.norm import batch_norm as batch_norm
from isograd.nn.functional.norm import group_norm as group_norm
from isograd.nn.functional.norm import instance_norm as instance_norm
from isograd.nn.functional.norm import layer_norm as layer_norm
from isograd.nn.functional.norm import local_response_norm as local_response_norm
from isograd.nn.functional.norm import normalize as normalize
from isograd.nn.functional.norm import rms_norm as rms_norm
from isograd.nn.functional.padding import pad as pad
from isograd.nn.functional.pooling import adaptive_avg_pool1d as adaptive_avg_pool1d
from isograd.nn.functional.pooling import adaptive_avg_pool2d as adaptive_avg_pool2d
from isograd.nn.functional.pooling import adaptive_avg_pool3d as adaptive_avg_pool3d
from isograd.nn.functional.pooling import adaptive_max_pool1d as adaptive_max_pool1d
from isograd.nn.functional.pooling import adaptive_max_pool2d as adaptive_max_pool2d
from isograd.nn.functional.pooling import adaptive_max_pool3d as adaptive_max_pool3d
from isograd.nn.functional.pooling import avg_pool1d as avg_pool1d
from isograd.nn.functional.pooling import avg_pool2d as avg_pool2d
from isograd.nn.functional.pooling import avg_pool3d as avg_pool3d
from isograd.nn.functional.pooling import lp_pool1d as lp_pool1d
from isograd.nn.functional.pooling import lp_pool2d as lp_pool2d
from isograd.nn.functional.pooling import lp_pool3d as lp_pool3d
from isograd.nn.functional.pooling import max_pool1d as max_pool1d
from isograd.nn.functional.pooling import max_pool2d as max_pool2d
from isograd.nn.functional.pooling import max_pool3d as max_pool3d
from isograd.nn.functional.pooling import max_unpool1d as max_unpool1d
from isograd.nn.functional.pooling import max_unpool2d as max_unpool2d
from isograd.nn.functional.pooling import max_unpool3d as max_unpool3d
from isograd.nn.functional.resize import interpolate as interpolate
from isograd.nn.functional.resize import upsample as upsample
from isograd.nn.functional.resize import upsample_bilinear as upsample_bilinear
from isograd.nn.functional.resize import upsample_nearest as upsample_nearest
from isograd.nn.functional.sampling import affine_grid as affine_grid
from isograd.nn.functional.sampling import grid_sample as grid_sample
from isograd.nn.functional.shuffle import channel_shuffle as channel_shuffle
from isograd.nn.functional.shuffle import pixel_shuffle as pixel_shuffle
from isograd.nn.functional.shuffle import pixel_unshuffle as pixel_unshuffle
