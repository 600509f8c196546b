"""Optimizers and learning rate schedulers, by torch's names; one file per optimizer."""

from __future__ import annotations

import isograd.optim.lr_scheduler as lr_scheduler
import isograd.optim.swa_utils as swa_utils
from isograd.optim.adadelta import Adadelta as Adadelta
from isograd.optim.adagrad import Adagrad as Adagrad
from isograd.optim.adam import Adam as Adam
from isograd.optim.adamax import Adamax as Adamax
from isograd.optim.adamw import AdamW as AdamW
from isograd.optim.asgd import ASGD as ASGD
from isograd.optim.lbfgs import LBFGS as LBFGS
from isograd.optim.nadam import NAdam as NAdam
from isograd.optim.optimizer import Optimizer as Optimizer
from isograd.optim.radam import RAdam as RAdam
from isograd.optim.rmsprop import RMSprop as RMSprop
from isograd.optim.rprop import Rprop as Rprop
from isograd.optim.sgd import SGD as SGD
