"""`--digest`: one hash over what a script trained and what it said.

Hashed are the parameters and buffers of the models the script trained, bit by bit, and the text it
printed. A model is trained when an optimizer was made for parameters of it. All ranks hash their
weights and compare: ranks that differ are an error.
"""

import hashlib
import sys
from collections.abc import Iterator
from typing import Any
from weakref import ref

import numpy as np

from isograd.data.view import current_view
from isograd.distributed.group import default_group
from isograd.launch.script.callers import alone
from isograd.launch.script.patches import Patches
from isograd.nn.module import Module
from isograd.optim.optimizer import Optimizer
from isograd.tensor.core import Tensor

__all__ = ["Digest", "hash_tensors"]


class Digest:
    """Follows a script from its start and hashes what there is at its end."""

    def __init__(self) -> None:
        self._text = hashlib.sha256()
        self._lines = 0
        self._modules: list[ref[Module]] = []  # by creation
        self._optimizers: list[Optimizer] = []
        self._models: list[Module] = []

    def install(self, patches: Patches) -> None:
        """Listen to stdout, and to modules and optimizers being made."""
        patches.replace(sys.stdout, "write", self._listening)

        def module(real: Any) -> Any:
            def init(model: Module, *args: Any, **kwargs: Any) -> None:
                self._modules.append(ref(model))
                real(model, *args, **kwargs)

            return init

        def groups(real: Any) -> Any:
            def add(optimizer: Optimizer, group: Any) -> None:
                real(optimizer, group)
                self._note(optimizer)

            return add

        patches.replace(Module, "__init__", module)
        patches.replace(Optimizer, "add_param_group", groups)

    def line(self) -> str:
        """The line to print at the end; all ranks call it.

        Raises:
            RuntimeError: when the ranks' weights differ.
        """
        with alone():
            count, weights = hash_tensors(self._tensors())
        _compare(weights, count)
        text = self._text.digest()
        whole = hashlib.sha256(weights + text).hexdigest()
        return (
            f"isograd: digest {whole} (weights {weights.hex()[:16]} of {count} tensors, "
            f"text {text.hex()[:16]} of {self._lines} lines)"
        )

    def hear(self, text: str) -> None:
        """Take text into the hash."""
        self._text.update(text.encode(errors="surrogatepass"))
        self._lines += text.count("\n")

    def _note(self, optimizer: Optimizer) -> None:
        """Keep an optimizer and the outermost models whose parameters it has."""
        if not any(known is optimizer for known in self._optimizers):
            self._optimizers.append(optimizer)
        owned = {id(p) for p in _parameters(optimizer)}
        inner = {id(known) for known in self._models}
        for reference in self._modules:
            model = reference()
            if model is None or id(model) in inner:
                continue
            if any(id(p) in owned for p in model.parameters()):
                self._models.append(model)
                inner.update(id(part) for part in model.modules())

    def _tensors(self) -> Iterator[tuple[str, Tensor]]:
        seen: set[int] = set()
        named = [
            (f"model{k}.{name}", tensor)
            for k, model in enumerate(self._outermost())
            for name, tensor in [*model.named_parameters(), *model.named_buffers()]
        ]
        for k, optimizer in enumerate(self._optimizers):
            named += [(f"optimizer{k}.{i}", p) for i, p in enumerate(_parameters(optimizer))]
        for name, tensor in named:
            if id(tensor) not in seen:
                seen.add(id(tensor))
                yield name, tensor

    def _outermost(self) -> list[Module]:
        """Models that are no part of another: a model may have been wrapped since."""
        parts = {id(part) for model in self._models for part in list(model.modules())[1:]}
        return [model for model in self._models if id(model) not in parts]

    def _listening(self, write: Any) -> Any:
        def heard(text: str) -> int:
            self.hear(text)
            count: int = write(text)
            return count

        return heard


def hash_tensors(named: Iterator[tuple[str, Tensor]]) -> tuple[int, bytes]:
    """How many, and one hash over names, dtypes, shapes and bytes."""
    total, count = hashlib.sha256(), 0
    for name, tensor in named:
        array = tensor.detach().cpu()._array
        if not isinstance(array, np.ndarray):  # cut over the ranks
            array = tensor.detach().cpu().numpy()
        total.update(f"{name} {array.dtype} {array.shape}\n".encode())
        total.update(array.tobytes())
        count += 1
    return count, total.digest()


def _parameters(optimizer: Optimizer) -> Iterator[Tensor]:
    for group in optimizer.param_groups:
        yield from group["params"]


def _compare(weights: bytes, count: int) -> None:
    """Raise on all ranks when one has other weights."""
    view, world = current_view(), default_group()
    if view is not None:
        everybody = view.exchange_bytes(weights)
    elif world is not None:
        everybody = world.communicator.exchange_bytes(weights)
    else:
        return
    if len(set(everybody)) > 1:
        hashes = "".join(f"\n  rank {r}: {h.hex()[:16]}" for r, h in enumerate(everybody))
        raise RuntimeError(
            f"isograd run --digest: the ranks ended with different weights ({count} tensors):"
            f"{hashes}"
        )
