"""Tools for training modules: clipping, flat parameters, padded and packed sequences."""

from __future__ import annotations

from isograd.nn.utils import rnn as rnn
from isograd.nn.utils.clip import clip_grad_norm_ as clip_grad_norm_
from isograd.nn.utils.clip import clip_grad_value_ as clip_grad_value_
from isograd.nn.utils.clip import clip_grads_with_norm_ as clip_grads_with_norm_
from isograd.nn.utils.clip import get_total_norm as get_total_norm
from isograd.nn.utils.vector import parameters_to_vector as parameters_to_vector
from isograd.nn.utils.vector import vector_to_parameters as vector_to_parameters
