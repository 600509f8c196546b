"""Where all that draws an order stood when an epoch began, so that it can be drawn again."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isograd.data.agreement import is_fixed, is_known
from isograd.tensor.core import wrap
from isograd.tensor.generator import Generator, default_generator

__all__ = ["Origin"]

_DEFAULT = "default generator"


@dataclass
class Origin:
    """States before anything was drawn.

    Attributes:
        generators: of the loader, its samplers, and the default one, by name.
        python, numpy: of the global states, where the script's own sampler may draw from them.
        sampler: what the ``state_dict`` of the script's sampler gave, if it has one.
    """

    generators: dict[str, NDArray[np.uint8]] = field(default_factory=dict)
    python: Any = None
    numpy: Any = None
    sampler: Any = None

    @classmethod
    def capture(cls, order: Any, generator: Generator | None) -> Origin:
        """The states of all that iterating over ``order`` may draw from."""
        named = _generators(order, generator)
        origin = cls({name: found.state_array() for name, found in named.items()})
        if not is_known(order):
            origin.python = random.getstate()
            origin.numpy = np.random.get_state(legacy=False)
            keeper = _keeper(order)
            origin.sampler = None if keeper is None else keeper.state_dict()
        return origin

    @contextmanager
    def restored(self, order: Any, generator: Generator | None) -> Iterator[None]:
        """Inside, the order can be drawn again; afterwards the script's own streams are back.

        Generators that only the loader and its samplers use stay where the order has left them.
        """
        outer = default_generator.state_array(), random.getstate(), np.random.get_state(False)
        default_generator.set_state_array(self.generators[_DEFAULT])
        if self.python is not None:
            random.setstate(self.python)
        if self.numpy is not None:
            np.random.set_state(self.numpy)
        self.put_back(order, generator)
        try:
            yield
        finally:
            default_generator.set_state_array(outer[0])
            random.setstate(outer[1])
            np.random.set_state(outer[2])

    def put_back(self, order: Any, generator: Generator | None) -> None:
        """Set what only the loader and its samplers use back to where it was."""
        for name, found in _generators(order, generator).items():
            if name in self.generators and found is not default_generator:
                found.set_state_array(self.generators[name])
        keeper = _keeper(order)
        if keeper is not None and self.sampler is not None:
            keeper.load_state_dict(self.sampler)

    def digests(self, order: Any, generator: Generator | None) -> dict[str, str]:
        """Short digests of the generators' states that ``order`` depends on, by whose they are."""
        if is_fixed(order):
            return {}
        names = list(self.generators)
        if is_known(order):  # it draws from one
            own = getattr(getattr(order, "sampler", order), "generator", None)
            used = default_generator if own is None else own
            named = _generators(order, generator)
            names = [name for name in names if named[name] is used]
        return {
            f"the random state of the {name}": blake2b(
                self.generators[name].tobytes(), digest_size=6
            ).hexdigest()
            for name in names
        }

    def state(self) -> dict[str, Any]:
        """As tensors, numbers and strings; for `from_state`."""
        return {
            "generators": {name: wrap(array) for name, array in self.generators.items()},
            "python": None if self.python is None else _packed_python(self.python),
            "numpy": None if self.numpy is None else _packed_numpy(self.numpy),
            "sampler": self.sampler,
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Origin:
        """What `state` gave."""
        named = {k: v.numpy().astype(np.uint8) for k, v in state["generators"].items()}
        python, numpy_state = state["python"], state["numpy"]
        return cls(
            named,
            None if python is None else (3, tuple(python["words"].tolist()), python["spare"]),
            None if numpy_state is None else _unpacked_numpy(numpy_state),
            state["sampler"],
        )


def _generators(order: Any, generator: Generator | None) -> dict[str, Generator]:
    found = {_DEFAULT: default_generator}
    if generator is not None:
        found["loader's generator"] = generator
    while order is not None:
        own = getattr(order, "generator", None)
        if isinstance(own, Generator) and all(own is not other for other in found.values()):
            found[f"{type(order).__name__}'s generator"] = own
        order = getattr(order, "sampler", None)
    return found


def _keeper(order: Any) -> Any:
    """The sampler that can save its own state, if there is one."""
    while order is not None:
        if hasattr(order, "state_dict") and hasattr(order, "load_state_dict"):
            return order
        order = getattr(order, "sampler", None)
    return None


def _packed_python(state: Any) -> dict[str, Any]:
    _, words, spare = state
    return {"words": wrap(np.array(words, np.int64)), "spare": spare}


def _packed_numpy(state: Any) -> dict[str, Any] | None:
    if state["bit_generator"] != "MT19937":
        return None  # replaced by the script
    return {
        "key": wrap(state["state"]["key"].astype(np.int64)),
        "pos": int(state["state"]["pos"]),
        "has_gauss": int(state["has_gauss"]),
        "gauss": float(state["gauss"]),
    }


def _unpacked_numpy(state: dict[str, Any]) -> dict[str, Any]:
    return {
        "bit_generator": "MT19937",
        "state": {"key": state["key"].numpy().astype(np.uint32), "pos": state["pos"]},
        "has_gauss": state["has_gauss"],
        "gauss": state["gauss"],
    }
