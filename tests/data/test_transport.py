"""Messages through shared memory, both ends in one process. Run: pytest tests/data"""

import gc
import multiprocessing
import os

import numpy as np
import pytest

import isograd
from isograd.data.transport import _LEASES, Inbox, Outbox


@pytest.fixture
def ends():
    a, b = multiprocessing.Pipe(duplex=True)
    yield Outbox(a), Inbox(b)
    a.close()
    b.close()


def _through(ends, message):
    ends[0].send(message)
    return ends[1].receive()


@pytest.mark.parametrize("n", [0, 3, 5000])
@pytest.mark.parametrize("dtype", ["float32", "int64", "bool", "bfloat16", "complex64"])
def test_values_arrive(ends, n, dtype):
    x = isograd.arange(n).to(getattr(isograd, dtype))
    array = np.arange(n).reshape(n, 1)
    out = _through(ends, {"x": x, "array": array, "rest": ("text", 1.5, None)})
    assert out["x"].dtype is x.dtype
    assert out["x"].tolist() == x.tolist()
    assert (out["array"] == array).all()
    assert out["rest"] == ("text", 1.5, None)
    out["x"].zero_()  # writable


def test_views_and_scalars(ends):
    x = isograd.arange(20000).reshape(100, 200)
    strided, scalar = _through(ends, (x.t()[::3], isograd.tensor(3.5)))
    assert strided.tolist() == x.t()[::3].tolist()
    assert (scalar.shape, scalar.item()) == ((), 3.5)


def test_requires_grad_travels_history_does_not(ends):
    x = isograd.ones(3, requires_grad=True)
    assert _through(ends, x).requires_grad
    with pytest.raises(RuntimeError, match="Cowardly refusing"):
        ends[0].send(x * 2)


def test_a_slot_is_used_again_only_when_its_tensors_are_gone(ends):
    outbox, inbox = ends
    first = _through(ends, isograd.full((5000,), 1.0))
    second = _through(ends, isograd.full((5000,), 2.0))
    assert inbox.released() == []
    view = second[10:20]
    del second
    gc.collect()
    assert inbox.released() == []
    del view
    gc.collect()
    freed = inbox.released()
    assert len(freed) == 1
    outbox.give_back(freed)
    third = _through(ends, isograd.full((5000,), 3.0))
    assert len(outbox._slots) == 2
    assert (first[0].item(), third[-1].item()) == (1.0, 3.0)


def test_a_slot_too_small_is_replaced(ends):
    outbox, inbox = ends
    _through(ends, isograd.zeros(5000))
    gc.collect()
    outbox.give_back(inbox.released())
    big = _through(ends, isograd.full((90000,), 7.0))
    assert len(outbox._slots) == len(inbox._memory) == 1
    assert big[-1].item() == 7.0


def test_kept_batches_do_not_keep_descriptors(ends):
    outbox, inbox = ends
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    kept = []
    for i in range(3 * _LEASES):
        kept.append(_through(ends, isograd.full((2000,), float(i))))
        outbox.give_back(inbox.released())
    assert [x[0].item() for x in kept] == list(range(3 * _LEASES))
    if before:  # two for a slot at the sender, one here
        assert len(os.listdir("/proc/self/fd")) - before <= 3 * (_LEASES + 2)
    del outbox, inbox
    assert kept[0][-1].item() == 0.0


def test_what_cannot_be_pickled_sends_nothing(ends):
    with pytest.raises((AttributeError, TypeError), match="pickle"):
        ends[0].send(lambda: None)
    assert _through(ends, 5) == 5
