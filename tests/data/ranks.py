"""Ranks for the tests of data: forked processes whose global view exchanges through the test."""

import multiprocessing
import random
import traceback
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from isograd.data.view import register_view, shares
from isograd.tensor.core import Tensor


class Assembled(NamedTuple):
    """What a rank has of a global tensor: arrays of its positions, and everybody's lengths."""

    pieces: list
    lengths: tuple


class Ranks:
    """The view of one of several forked processes; their exchanges go through the test."""

    def __init__(self, positions, size, rank, line):
        self.positions, self.size, self.rank, self._line = positions, size, rank, line
        owned = shares(positions, size)
        self.first, self.count = sum(owned[:rank]), owned[rank]
        self.exchanges = 0

    def assemble(self, pieces, lengths):
        assert len(lengths) == self.positions
        own = lengths[self.first : self.first + self.count]
        assert [p.size(0) for p in pieces] == list(own)
        return Assembled([p.numpy() for p in pieces], tuple(lengths))

    def cut(self, whole):
        lengths = shares(whole.size(0), self.positions)
        parts = whole.split(list(lengths))[self.first : self.first + self.count]
        return Assembled([p.numpy() for p in parts], lengths)

    def exchange_bytes(self, data):
        self.exchanges += 1
        self._line.send(("exchange", data))
        return self._line.recv()


def _rank(positions, size, rank, line, function):
    view = Ranks(positions, size, rank, line)
    register_view(lambda: view)
    random.seed(0)  # a fork draws a new seed; the launcher's agreement on entropy is not here
    try:
        result = ("result", plain(function(view)))
    except Exception as error:
        result = ("error", f"{type(error).__name__}: {error}", traceback.format_exc())
    line.send(result)
    line.close()


def plain(value):
    """``value`` with arrays for tensors."""
    if isinstance(value, Tensor):
        return value.numpy().copy()
    if isinstance(value, Assembled):
        return value
    if isinstance(value, Mapping):
        return {key: plain(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return value


def _serve(lines):
    """Exchange until all have ended; their last messages."""
    ended = {}
    while len(ended) < len(lines):
        messages = {r: line.recv() for r, line in enumerate(lines) if r not in ended}
        ended |= {r: m for r, m in messages.items() if m[0] != "exchange"}
        waiting = {r: m[1] for r, m in messages.items() if r not in ended}
        if waiting and ended:
            for r in waiting:
                lines[r].close()
                ended[r] = ("error", "the others have left", "")
        for r in waiting:
            if r not in ended:
                lines[r].send(list(waiting.values()))
    return [ended[r] for r in range(len(lines))]


def run_ranks(function, size, positions=8, errors=False):
    """Results of ``function(view)`` in ``size`` processes, by rank; they may exchange.

    Args:
        errors: whether all are expected to raise; their texts come back.
    """
    fork = multiprocessing.get_context("fork")
    pairs = [fork.Pipe() for _ in range(size)]
    processes = [
        fork.Process(target=_rank, args=(positions, size, r, pairs[r][1], function))
        for r in range(size)
    ]
    for process in processes:
        process.start()
    for _, theirs in pairs:
        theirs.close()
    last = _serve([ours for ours, _ in pairs])
    for process in processes:
        process.join(10)
    for ours, _ in pairs:
        ours.close()
    if errors:
        assert [kind for kind, *_ in last] == ["error"] * size, last
    else:
        assert all(kind == "result" for kind, *_ in last), last
    return [message[1] for message in last]


def together(results):
    """The ranks' results as one: pieces put together by rank, anything else as all have it."""
    first = results[0]
    if isinstance(first, Assembled):
        assert all(r.lengths == first.lengths for r in results)
        pieces = [piece for r in results for piece in r.pieces]
        assert [len(p) for p in pieces] == list(first.lengths)
        assert {(p.dtype, p.shape[1:]) for p in pieces} == {(pieces[0].dtype, pieces[0].shape[1:])}
        return np.concatenate(pieces)
    if isinstance(first, dict):
        return {key: together([r[key] for r in results]) for key in first}
    if isinstance(first, list):
        assert len({len(r) for r in results}) == 1
        return [together(column) for column in zip(*results)]
    assert all(exact(r) == exact(first) for r in results)
    return first


def exact(value):
    """``value`` in a form that is equal if it is equal to the bit."""
    if isinstance(value, np.ndarray):
        return value.dtype.name, value.shape, value.tobytes()
    if isinstance(value, dict):
        return {key: exact(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [exact(v) for v in value]
    return value
