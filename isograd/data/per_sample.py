"""A mark on a ``collate_fn``: it may be given a part of the batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from isograd.data.collate import default_collate

__all__ = ["is_per_sample", "per_sample"]

F = TypeVar("F", bound=Callable[..., Any])

_MARK = "__isograd_per_sample__"


def per_sample(collate_fn: F) -> F:
    """Declare that ``collate_fn`` treats each sample by itself, and return it.

    What it returns must have the samples along dimension 0 of every tensor, and lists of one plain
    value per sample; the shapes besides must not depend on the other samples (no padding to the
    longest). On several ranks each then loads and collates only its own part of a batch, rather
    than the whole. Without several ranks it changes nothing.

    Raises:
        TypeError: for something that takes no mark, a built-in say; wrap it in a function.

    Example:
        >>> @per_sample
        ... def stack_images(samples):
        ...     return default_collate([image for image, _ in samples])
    """
    try:
        setattr(collate_fn, _MARK, True)
    except (AttributeError, TypeError):
        raise TypeError(
            f"per_sample: expected a function, got {collate_fn!r}, which takes no mark; "
            "wrap it in a function of its own"
        ) from None
    return collate_fn


def is_per_sample(collate_fn: Any) -> bool:
    """Whether ``collate_fn`` may be given the samples of one position alone."""
    return collate_fn is default_collate or bool(getattr(collate_fn, _MARK, False))
