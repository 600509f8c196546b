"""Agreed entropy: what is random or taken from the clock when the script seeds is rank 0's.

At the start all generators of all ranks begin from rank 0's entropy. Later, seeding is rare, so
every seed the script gives (`random.seed(time.time())`) or asks for (`np.random.default_rng()`) is
rank 0's. Secure uses (`secrets`, `os.urandom`, `random.SystemRandom`) are left alone.
"""

import random
import secrets
import sys
import uuid
from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from isograd.launch.script.callers import asked_by_script
from isograd.launch.script.exchange import answer_of_rank_0
from isograd.launch.script.patches import Patches
from isograd.tensor.generator import Generator, default_generator

__all__ = ["install_entropy", "seed_alike"]


def seed_alike() -> None:
    """Seed the default generators of isograd, `random` and NumPy from rank 0's entropy."""
    bits = answer_of_rank_0("the entropy at the start", lambda: secrets.randbits(128))
    seed_from(bits)


def seed_from(bits: int) -> None:
    """Seed the three from 128 random bits, each by words of its own."""
    words = np.random.SeedSequence(bits).generate_state(10)
    default_generator.seed_from(int(words[0]) << 32 | int(words[1]))
    random.seed(words[2:6].tobytes())
    np.random.seed(words[6:10])


def install_entropy(patches: Patches) -> None:
    """Let the seeds of the script be rank 0's."""
    patches.replace(random.Random, "seed", _seed_of_python)
    patches.replace(random, "seed", lambda real: random._inst.seed)
    patches.replace(np.random, "seed", _agreed_argument("numpy.random.seed", _bits32))
    patches.replace(np.random, "default_rng", _agreed_argument("numpy.random.default_rng", None))
    bit_generator = sys.modules["numpy.random.bit_generator"]
    patches.replace(bit_generator, "randbits", _agreed_value("numpy's entropy"))
    patches.replace(Generator, "manual_seed", _seed_of_isograd)
    patches.replace(uuid, "uuid4", _agreed_value("uuid.uuid4"))
    patches.replace(uuid, "uuid1", _agreed_value("uuid.uuid1"))


def _seed_of_python(real: Any) -> Any:
    @wraps(real)
    def seed(self: Any, a: Any = None, version: int = 2) -> None:
        if asked_by_script(sys._getframe(1)):
            a = answer_of_rank_0(
                "random.seed", lambda: secrets.randbits(128) if a is None else a
            )  # fmt: skip
        real(self, a, version)

    return seed


def _seed_of_isograd(real: Any) -> Any:
    @wraps(real)
    def manual_seed(self: Generator, seed: int) -> Generator:
        if asked_by_script(sys._getframe(1)):
            seed = answer_of_rank_0("torch.manual_seed", lambda: seed)
        result: Generator = real(self, seed)
        return result

    return manual_seed


def _agreed_argument(what: str, default: Callable[[], Any] | None) -> Callable[[Any], Any]:
    """The function, with rank 0's seed; generators and sequences are passed on as they are."""

    def make(real: Any) -> Any:
        @wraps(real)
        def seeded(seed: Any = None) -> Any:
            plain = seed is None or isinstance(seed, (int, float, str, np.integer))
            if plain and not (seed is None and default is None):
                if asked_by_script(sys._getframe(1)):
                    seed = answer_of_rank_0(
                        what, lambda: default() if seed is None and default else seed
                    )
            return real(seed)

        return seeded

    return make


def _agreed_value(what: str) -> Callable[[Any], Any]:
    def make(real: Any) -> Any:
        @wraps(real)
        def drawn(*args: Any) -> Any:
            if asked_by_script(sys._getframe(1)):
                return answer_of_rank_0(what, lambda: real(*args))
            return real(*args)

        return drawn

    return make


def _bits32() -> int:
    return secrets.randbits(32)
