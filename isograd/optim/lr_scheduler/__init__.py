"""Learning rate schedulers, by torch's names."""

from __future__ import annotations

from isograd.optim.lr_scheduler.base import LRScheduler as LRScheduler
from isograd.optim.lr_scheduler.base import LRScheduler as _LRScheduler
from isograd.optim.lr_scheduler.composition import ChainedScheduler as ChainedScheduler
from isograd.optim.lr_scheduler.composition import SequentialLR as SequentialLR
from isograd.optim.lr_scheduler.cosine import CosineAnnealingLR as CosineAnnealingLR
from isograd.optim.lr_scheduler.cosine import (
    CosineAnnealingWarmRestarts as CosineAnnealingWarmRestarts,
)
from isograd.optim.lr_scheduler.cycles import CyclicLR as CyclicLR
from isograd.optim.lr_scheduler.cycles import OneCycleLR as OneCycleLR
from isograd.optim.lr_scheduler.decay import ConstantLR as ConstantLR
from isograd.optim.lr_scheduler.decay import ExponentialLR as ExponentialLR
from isograd.optim.lr_scheduler.decay import LinearLR as LinearLR
from isograd.optim.lr_scheduler.decay import MultiStepLR as MultiStepLR
from isograd.optim.lr_scheduler.decay import PolynomialLR as PolynomialLR
from isograd.optim.lr_scheduler.decay import StepLR as StepLR
from isograd.optim.lr_scheduler.functions import LambdaLR as LambdaLR
from isograd.optim.lr_scheduler.functions import MultiplicativeLR as MultiplicativeLR
from isograd.optim.lr_scheduler.plateau import ReduceLROnPlateau as ReduceLROnPlateau
