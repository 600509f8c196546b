"""How exactly float32 matrix products on a GPU are computed, and whether runs must repeat.

TensorFloat-32 rounds the factors to 10 bits of mantissa and adds in float32; it is several times
faster on Ampere and later, and off unless asked for. Products on the CPU are always full float32.
"""

from __future__ import annotations

__all__ = [
    "are_deterministic_algorithms_enabled", "get_deterministic_debug_mode",
    "get_float32_matmul_precision", "is_deterministic_algorithms_warn_only_enabled",
    "set_deterministic_debug_mode", "set_float32_matmul_precision", "state",
    "use_deterministic_algorithms",
]  # fmt: skip


class _State:
    """What was asked for; the whole process shares it."""

    allow_tf32 = False
    matmul_precision = "highest"
    deterministic = False
    warn_only = False


state = _State()


def set_float32_matmul_precision(precision: str) -> None:
    """``"highest"`` computes in float32, ``"high"`` and ``"medium"`` in TensorFloat-32.

    Raises:
        ValueError: for any other word.
    """
    if precision not in ("highest", "high", "medium"):
        raise ValueError(
            f"set_float32_matmul_precision: expected highest, high or medium, got {precision!r}"
        )
    state.matmul_precision = precision
    state.allow_tf32 = precision != "highest"


def get_float32_matmul_precision() -> str:
    """The word in force: highest, high or medium."""
    return state.matmul_precision


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Ask that equal inputs give equal bits in every run: kept and reported, nothing has to change.

    Every operation does so anyway: sums run in one order, on the GPU too, and gradients that meet
    in one place are added in the order of their indices. What stays open is which of several values
    *assigned* to one place wins on a GPU. ``warn_only`` has nothing to warn of.
    """
    state.deterministic, state.warn_only = bool(mode), bool(warn_only)


def are_deterministic_algorithms_enabled() -> bool:
    """Whether `use_deterministic_algorithms` is on."""
    return state.deterministic


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """Whether it is on and only warns."""
    return state.deterministic and state.warn_only


def set_deterministic_debug_mode(debug_mode: int | str) -> None:
    """`use_deterministic_algorithms` by one word: default (0), warn (1) or error (2).

    Raises:
        RuntimeError: for any other word.
    """
    words = ("default", "warn", "error")
    if debug_mode not in words and debug_mode not in (0, 1, 2):
        raise RuntimeError(
            f"set_deterministic_debug_mode: expected default (0), warn (1) or error (2), got "
            f"{debug_mode!r}"
        )
    level = words.index(debug_mode) if isinstance(debug_mode, str) else debug_mode
    use_deterministic_algorithms(level > 0, warn_only=level == 1)


def get_deterministic_debug_mode() -> int:
    """0: off, 1: warns, 2: raises."""
    if not state.deterministic:
        return 0
    return 1 if state.warn_only else 2
