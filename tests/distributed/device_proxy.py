"""A communicator seen through device copies: lets the host checks exercise device arrays."""

from collections.abc import Callable
from typing import Any

import numpy as np


class OnDevice:
    """Copies every NumPy argument to the device, calls, and copies the result back.

    Args:
        comm: the communicator under test.
        to_device: NumPy array to device array.
        to_host: device array to NumPy array, after the device is done.
    """

    def __init__(
        self,
        comm: Any,
        to_device: Callable[[np.ndarray], Any],
        to_host: Callable[[Any], np.ndarray],
    ) -> None:
        self._comm, self._to_device, self._to_host = comm, to_device, to_host

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._comm, name)
        if name == "split":
            return self._split
        if name == "batch":
            return self._batch
        return self._call(attribute) if callable(attribute) else attribute

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_"):
            object.__setattr__(self, name, value)
        else:
            setattr(self._comm, name, value)

    def _split(self, ranks: Any, name: str) -> Any:
        child = self._comm.split(ranks, name)
        return None if child is None else OnDevice(child, self._to_device, self._to_host)

    def _batch(self, calls: Any) -> list[Any]:
        pairs = [(array, self._to_device(array)) for _, array, _, _ in calls]
        swapped = [(k, d, p, t) for (k, _, p, t), (_, d) in zip(calls, pairs, strict=True)]
        works = self._comm.batch(swapped)
        return [_Back(w, [pair], self._to_host) for w, pair in zip(works, pairs, strict=True)]

    def _call(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            pairs = []
            swapped = []
            for argument in args:
                if isinstance(argument, np.ndarray):
                    device = self._to_device(argument)
                    pairs.append((argument, device))
                    argument = device
                swapped.append(argument)
            result = method(*swapped, **kwargs)
            if hasattr(result, "wait"):
                return _Back(result, pairs, self._to_host)
            _copy_back(pairs, self._to_host)
            return result

        return call


class _Back:
    """A Work that copies back when waited for."""

    def __init__(self, work: Any, pairs: list[Any], to_host: Callable[[Any], Any]) -> None:
        self._work, self._pairs, self._to_host = work, pairs, to_host

    def __getattr__(self, name: str) -> Any:
        return getattr(self._work, name)

    def wait(self, timeout: Any = None) -> bool:
        done: bool = self._work.wait(timeout)
        _copy_back(self._pairs, self._to_host)
        return done


def _copy_back(pairs: list[Any], to_host: Callable[[Any], Any]) -> None:
    for host, device in pairs:
        if host.flags.writeable:
            host[...] = to_host(device)
