"""What `save` writes `load` gives back, with types, aliases and shared memory; saves are atomic.

Reference: the saved value; the safetensors package reads the same file.
Run: pytest tests/serialization/test_files.py
"""

import errno
import io
import os
import pathlib
import subprocess
import sys
from collections import Counter, OrderedDict, defaultdict

import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy

import isograd
from isograd import optim
from isograd.nn.parameter import Buffer, Parameter
from isograd.serialization import CheckpointError, atomic, load, save
from isograd.tensor.dtypes import DTYPES
from isograd.tensor.generator import Generator


def through(value, **options):
    file = io.BytesIO()
    save(value, file)
    file.seek(0)
    return load(file, **options)


@pytest.mark.parametrize(
    "value",
    [
        None, True, 0, -1, 2**63, -(2**200), 1.5, -0.0, 1e308, float("inf"), "", "é\ud800\n", b"",
        b"abc", bytes(range(256)) * 40, bytearray(b"x"), 1 + 2j, complex(float("inf"), -0.0), [],
        (), {}, set(), frozenset({1, "a"}), [1, [2, [3, ()]]], (1, ("a", (2.5,))), {1, (2, 3)},
        {"a": 1, 2: "b", (3, 4): None, 1.5: [], None: 0, True: 1}, OrderedDict(b=1, a=2),
        Counter("aab"), isograd.Size([2, 3]), isograd.float32, isograd.bool,
        isograd.device("cuda:1"), range(0), np.float32(1.5), np.int64(3), np.bool_(True),
    ],
    ids=lambda v: f"{type(v).__name__}-{str(v)[:12]!a}",
)  # fmt: skip
def test_values(value):
    if isinstance(value, range):
        with pytest.raises(TypeError, match="builtins.range"):
            save(value, io.BytesIO())
        return
    got = through(value)
    assert type(got) is type(value)
    assert got == value
    assert repr(got) == repr(value)


def test_order_and_factories():
    assert list(through({"z": 1, "a": 2})) == ["z", "a"]
    got = through(defaultdict(list, a=[1]))
    got["b"].append(2)
    assert got == {"a": [1], "b": [2]}
    with pytest.raises(TypeError, match=r"obj\['d'\].default_factory"):
        save({"d": defaultdict(lambda: 1)}, io.BytesIO())


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", [(), (0, 3), (2, 3)])
def test_tensors(dtype, shape):
    t = isograd.arange(6).to(dtype)[: int(np.prod(shape))].reshape(shape)
    got = through({"t": t})["t"]
    assert got.dtype is dtype
    assert got.shape == t.shape
    assert got.tolist() == t.tolist()


def test_kinds_of_tensors():
    leaf = isograd.ones(2, requires_grad=True)
    saved = {
        "leaf": leaf, "made": leaf * 2, "plain": isograd.ones(2),
        "p": Parameter(isograd.ones(2)), "frozen": Parameter(isograd.ones(2), requires_grad=False),
        "b": Buffer(isograd.ones(2), persistent=False), "array": np.ones((2, 2), ">f4"),
        "bf": np.ones(2, ml_dtypes.bfloat16),
    }  # fmt: skip
    got = through(saved)
    assert {k: type(v) for k, v in got.items()} == {k: type(v) for k, v in saved.items()}
    wants = {k: getattr(v, "requires_grad", None) for k, v in got.items()}
    assert wants == {k: getattr(v, "requires_grad", None) for k, v in saved.items()}
    assert got["made"].is_leaf
    assert got["b"].persistent is False
    assert got["array"].tolist() == [[1, 1], [1, 1]]


def test_shared_memory_stays_shared():
    base = isograd.arange(12.0).reshape(3, 4)
    got = through([base, base[1], base.t(), base[:, ::2], base.detach()])
    got[1].fill_(-1.0)
    assert got[0][1].tolist() == [-1.0] * 4
    assert got[2][:, 1].tolist() == [-1.0] * 4
    assert got[3][1].tolist() == [-1.0] * 2
    assert got[4]._version == 1
    assert got[2].stride() == (1, 4)
    apart = through([base[0], base[2]])
    apart[0].fill_(-1.0)
    assert apart[1].tolist() == [8.0, 9.0, 10.0, 11.0]


def test_shared_memory_of_several_dtypes():
    memory = np.arange(4, dtype=np.float32)
    got = through([memory, memory.view(np.int32)[1:], memory[::-1]])
    got[0][:] = 0
    assert got[1].tolist() == [0, 0, 0]
    assert got[2].tolist() == [0, 0, 0, 0]


def test_a_small_view_does_not_bring_its_base_along():
    file = io.BytesIO()
    save(isograd.zeros(100_000)[5:8], file)
    assert len(file.getvalue()) < 2000


def test_strides_of_dense_tensors_are_kept():
    assert through(isograd.zeros(3, 4).t()).stride() == (1, 4)
    assert through(isograd.zeros(1).expand(1000)).tolist() == [0.0] * 1000


def test_aliases_and_cycles():
    weight = Parameter(isograd.ones(2))
    items = [1]
    items.append(items)
    got = through({"a": weight, "b": weight, "list": items, "again": items, "in": (items,)})
    assert got["a"] is got["b"]
    assert got["list"][1] is got["list"]
    assert got["again"] is got["list"] is got["in"][0]


def test_training_state_resumes():
    def fresh():
        w = Parameter(isograd.tensor([1.0, -2.0]))
        return w, optim.AdamW([w], lr=0.1)

    w, optimizer = fresh()
    scheduler = optim.lr_scheduler.MultiStepLR(optimizer, [1, 3])
    generator = Generator().manual_seed(3)
    for _ in range(2):
        w.grad = isograd.ones(2)
        optimizer.step()
        scheduler.step()
    generator.next_draw()
    got = through(
        {"w": w, "o": optimizer.state_dict(), "s": scheduler.state_dict(), "g": generator}
    )
    v, again = fresh()
    v.data = got["w"].data
    again.load_state_dict(got["o"])
    other = optim.lr_scheduler.MultiStepLR(again, [1, 3])
    other.load_state_dict(got["s"])
    for p, o, s in ((w, optimizer, scheduler), (v, again, other)):
        p.grad = isograd.ones(2)
        o.step()
        s.step()
    assert v.tolist() == w.tolist()
    assert other.get_last_lr() == scheduler.get_last_lr()
    assert got["g"].next_draw() == generator.next_draw()


def test_version_numbers_of_a_state_dict():
    state = OrderedDict(w=isograd.ones(1))
    state._metadata = OrderedDict({"": {"version": 2}})
    assert through(state)._metadata == {"": {"version": 2}}


def test_other_programs_read_the_tensors(tmp_path):
    path = tmp_path / "x.safetensors"
    save({"model": {"fc.weight": isograd.arange(6.0).reshape(2, 3)}, "odd": isograd.ones(3)}, path)
    found = safetensors.numpy.load_file(path)
    assert found["model.fc.weight"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert found["odd"].tolist() == [1, 1, 1]


def test_files_of_other_programs_are_read(tmp_path):
    path = tmp_path / "x.safetensors"
    safetensors.numpy.save_file({"a": np.ones((2, 2), np.float16)}, path, {"by": "hand"})
    got = load(path)
    assert got["a"].dtype is isograd.float16
    assert got["a"].tolist() == [[1, 1], [1, 1]]


@pytest.mark.parametrize("make", [str, pathlib.Path, os.fsencode])
def test_paths(tmp_path, make):
    path = tmp_path / "x"
    if make is os.fsencode:
        with pytest.raises(TypeError, match="expected a path or a binary file, got bytes"):
            save(1, os.fsencode(path))
        return
    save([1], make(path))
    assert load(make(path)) == [1]


def test_files_without_seek():
    class Pipe:
        def __init__(self, data):
            self.read = io.BytesIO(data).read

    file = io.BytesIO()
    save({"t": isograd.ones(3)}, file)
    assert load(Pipe(file.getvalue()))["t"].tolist() == [1, 1, 1]


def test_mmap_leaves_the_file_alone(tmp_path):
    path = tmp_path / "x"
    save({"t": isograd.ones(1000)}, path)
    got = load(path, mmap=True)["t"]
    got.add_(1)
    assert got.sum().item() == 2000
    assert load(path)["t"].sum().item() == 1000
    with pytest.raises(RuntimeError, match="needs a path"):
        load(io.BytesIO(b""), mmap=True)


@pytest.mark.parametrize(
    "where", ["cpu", isograd.device("cpu"), {"cuda:3": "cpu"}, lambda storage, location: storage]
)
def test_map_location(where):
    file = io.BytesIO()
    save({"t": isograd.ones(2)}, file)
    other = _with_location(file.getvalue(), "cuda:3")
    assert load(io.BytesIO(other), map_location=where)["t"].device.type == "cpu"
    with pytest.raises(CheckpointError, match="deserialize object on cuda:3"):
        load(io.BytesIO(other))


def _with_location(data, location):
    """The same file, its tensors saved from another device."""
    length = int.from_bytes(data[:8], "little")
    header = data[8 : 8 + length].replace(rb"\"cpu\"", rb"\"" + location.encode() + rb"\"")
    return len(header).to_bytes(8, "little") + header + data[8 + length :]


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"model": {"fn": print}}, r"obj\['model'\]\['fn'\]: a checkpoint cannot hold"),
        ([1, (2, object())], r"obj\[1\]\[1\]: a checkpoint cannot hold builtins.object"),
        ({"a": np.array(["x"])}, r"obj\['a'\]: a numpy array of dtype <U1"),
        ({"o": optim.SGD([isograd.ones(1)])}, r"obj\['o'\]: .*SGD; save its state_dict\(\)"),
        ({print: 1}, r"obj \(key .*\): a checkpoint cannot hold"),
    ],
)
def test_what_cannot_be_saved_is_named(tmp_path, value, path):
    target = tmp_path / "x"
    with pytest.raises(TypeError, match=path):
        save(value, target)
    assert list(tmp_path.iterdir()) == []


def test_endless_nesting_is_refused():
    value = []
    for _ in range(5000):
        value = [value]
    with pytest.raises(TypeError, match="nested more than 200 levels"):
        save(value, io.BytesIO())


# -- whole or not at all


@pytest.fixture
def old(tmp_path):
    path = tmp_path / "checkpoint"
    save({"version": "old"}, path)
    return path


def test_a_full_disk_leaves_the_old_file(old, monkeypatch):
    def full(file, entries, metadata):
        file.write(b"half of it")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("isograd.serialization.files.write", full)
    with pytest.raises(OSError, match="No space left"):
        save({"version": "new"}, old)
    assert load(old) == {"version": "old"}
    assert os.listdir(old.parent) == ["checkpoint"]


def test_a_file_size_limit_leaves_the_old_file(old):
    code = """
import resource, sys, isograd
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    isograd.save({"big": isograd.ones(1_000_000)}, sys.argv[1])
except OSError as error:
    sys.exit(7)
"""
    assert subprocess.run([sys.executable, "-c", code, str(old)], check=False).returncode == 7
    assert load(old) == {"version": "old"}
    assert os.listdir(old.parent) == ["checkpoint"]


def test_a_kill_in_the_middle_leaves_the_old_file(old):
    code = """
import os, signal, sys, isograd
from isograd.serialization import container

def write(file, entries, metadata, whole=container.write):
    whole(file, entries, metadata)
    file.flush()
    file.truncate(500_000)
    os.kill(os.getpid(), signal.SIGKILL)

import isograd.serialization.files as files
files.write = write
isograd.save({"big": isograd.ones(1_000_000)}, sys.argv[1])
"""
    assert subprocess.run([sys.executable, "-c", code, str(old)], check=False).returncode == -9
    assert load(old) == {"version": "old"}
    left = [name for name in os.listdir(old.parent) if name != "checkpoint"]
    assert len(left) == 1
    assert left[0].endswith(".tmp")
    save({"version": "new"}, old)
    assert load(old) == {"version": "new"}


def test_mode_links_and_pipes(tmp_path, old):
    os.chmod(old, 0o640)
    link = tmp_path / "link"
    link.symlink_to(old)
    save({"version": "new"}, link)
    assert link.is_symlink()
    assert load(old) == {"version": "new"}
    assert old.stat().st_mode & 0o777 == 0o640
    save({"version": "new"}, os.devnull)


def test_the_file_is_on_the_disk_before_it_takes_the_name(old, monkeypatch):
    seen = []
    real_sync, real_replace = os.fsync, os.replace
    monkeypatch.setattr(atomic.os, "fsync", lambda n: (seen.append("sync"), real_sync(n)))
    monkeypatch.setattr(
        atomic.os, "replace", lambda a, b: (seen.append("name"), real_replace(a, b))
    )
    save(1, old)
    assert seen == ["sync", "name", "sync"]


@pytest.mark.gpu
def test_gpu():
    base = isograd.arange(12.0, device="cuda").reshape(3, 4)
    got = through([base, base[1], base.t()])
    assert got[0].device == base.device
    got[1].fill_(-1.0)
    assert got[0][1].tolist() == [-1.0] * 4
    assert got[2][:, 1].tolist() == [-1.0] * 4
    assert through([base], map_location="cpu")[0].device.type == "cpu"
