"""Damaged, foreign and hostile files raise a CheckpointError with file and reason; nothing runs.

Reference: none, each file is made here. Run: pytest tests/serialization/test_hostile.py
"""

import io
import json
import os
import pickle
import struct
import zipfile

import pytest

import isograd
from isograd.serialization import CheckpointError, load, save


def good():
    file = io.BytesIO()
    value = {"a": isograd.ones(3, 4), "b": (1, [isograd.zeros(5), b"x" * 9000]), "c": {1, (2, 3)}}
    save(value, file)
    return file.getvalue()


def container(header, data=b""):
    text = json.dumps(header).encode() if not isinstance(header, bytes) else header
    return len(text).to_bytes(8, "little") + text + data


def structured(root, nodes, data=b"\0" * 8):
    table = json.dumps({"root": root, "nodes": nodes})
    header = {
        "__metadata__": {"isograd.structure": table},
        "t": {"dtype": "U8", "shape": [len(data)], "data_offsets": [0, len(data)]},
    }
    return container(header, data)


def refused(data, match):
    with pytest.raises(CheckpointError, match=match) as caught:
        load(io.BytesIO(data))
    assert str(caught.value).startswith("load: <BytesIO>: ")
    assert len(str(caught.value)) < 1000


def test_every_truncation_is_noticed():
    data = good()
    for n in [*range(64), *range(64, len(data), 97), len(data) - 1]:
        with pytest.raises(CheckpointError):
            load(io.BytesIO(data[:n]))


def test_something_appended_is_noticed():
    refused(good() + b"\0", "followed by something else")


def test_the_path_is_named(tmp_path):
    path = tmp_path / "x.pt"
    path.write_bytes(good()[:-1])
    with pytest.raises(CheckpointError, match="x.pt: .* truncated"):
        load(path)
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none")


@pytest.mark.parametrize("seed", range(300))
def test_no_flipped_byte_does_harm(seed):
    data = bytearray(good())
    length = int.from_bytes(data[:8], "little")
    position = (seed * 7919) % (8 + length)
    data[position] ^= 1 << (seed % 8)
    try:
        load(io.BytesIO(bytes(data)))
    except CheckpointError:
        pass


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"", "0 bytes, too few"),
        (b"hello world, this is text", "not an isograd, safetensors or torch zip"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 100, "not an isograd"),
        ((1 << 63).to_bytes(8, "little") + b"{}", "not an isograd"),
        ((1 << 29).to_bytes(8, "little") + b"{}", "should have 536870912 bytes"),
        (pickle.dumps({"a": 1}, 2), "not an isograd|header should"),
        (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M", "format before 1.6"),
        (container(b"[" * 100_000), "not valid JSON"),
        (container(b'{"a": 1' + b"0" * 10_000 + b"}"), "not valid JSON"),
        (container(b'{"a": {}, "a": {}}'), "a key appears twice"),
        (container(b"\xff\xfe{}"), "not valid JSON"),
        (container([]), "no JSON object"),
        (container({"__metadata__": 3}), "__metadata__ is no"),
        (container({"t": 3}), "no JSON object"),
    ],
)
def test_foreign_files(data, match):
    refused(data, match)


@pytest.mark.parametrize(
    ("entry", "match"),
    [
        ({"dtype": "U8", "shape": [8], "data_offsets": [0, 9]}, "9 bytes for shape"),
        ({"dtype": "U8", "shape": [9], "data_offsets": [0, 9]}, "9 bytes of data announced, 8"),
        ({"dtype": "U8", "shape": [4], "data_offsets": [4, 8]}, "overlap or hole"),
        ({"dtype": "U8", "shape": [4], "data_offsets": [0, 4]}, "followed by"),
        ({"dtype": "U8", "shape": [-8], "data_offsets": [0, 8]}, "no list of sizes"),
        ({"dtype": "U8", "shape": [8.0], "data_offsets": [0, 8]}, "no list of sizes"),
        ({"dtype": "U8", "shape": [True] * 3, "data_offsets": [0, 1]}, "no list of sizes"),
        ({"dtype": "U8", "shape": [1] * 100, "data_offsets": [0, 1]}, "100 dimensions"),
        ({"dtype": "U8", "shape": [1 << 61] * 3, "data_offsets": [0, 8]}, "8 bytes for shape"),
        ({"dtype": "U8", "shape": [8], "data_offsets": [8, 0]}, "-8 bytes for shape"),
        ({"dtype": "U8", "shape": [8], "data_offsets": [0, 8, 1]}, "offsets"),
        ({"dtype": "U8", "shape": [8], "data_offsets": ["0", 8]}, "offsets"),
        ({"dtype": "F128", "shape": [8], "data_offsets": [0, 8]}, "dtype 'F128'"),
        ({"dtype": ["U8"], "shape": [8], "data_offsets": [0, 8]}, "dtype"),
        ({}, "dtype None"),
    ],
)
def test_wrong_entries(entry, match):
    refused(container({"t": entry}, b"\0" * 8), match)


def tensor_node(**place):
    return ["Tensor", {"in": "t", "dtype": "uint8", "shape": [8], **place}, "cpu", False]


@pytest.mark.parametrize(
    ("node", "match"),
    [
        (tensor_node(shape=[9]), "bytes 0 to 9 of a piece of 8"),
        (tensor_node(at=1), "bytes 1 to 9"),
        (tensor_node(at=-1), "bad shape"),
        (tensor_node(strides=[2]), "bytes 0 to 15"),
        (tensor_node(strides=[-1]), "bytes -7 to 1"),
        (tensor_node(strides=[1, 1]), "bad strides"),
        (tensor_node(shape=[1 << 61], strides=[0]), "a shape of"),
        (tensor_node(shape=[1] * 100), "node 0"),
        (tensor_node(shape="abc"), "bad shape"),
        (tensor_node(dtype="object"), "KeyError"),
        (tensor_node(dtype="float64", shape=[2]), "bytes 0 to 16"),
        (tensor_node(**{"in": "other"}), "no entry 'other'"),
        (tensor_node(**{"in": ["t"]}), "TypeError"),
        (["Tensor", 3, "cpu", False], "expected a place"),
        (["Tensor", {"in": "t", "dtype": "uint8", "shape": [8]}, "mps", False], "cpu or cuda"),
        (["Tensor", {"in": "t", "dtype": "uint8", "shape": [8]}, "cpu", True], "floating point"),
        (["os.system", "true"], "unknown kind"),
        (["__class__"], "unknown kind"),
        ([], r"expected \[kind"),
        ("list", r"expected \[kind"),
        ([["list"]], r"expected \[kind"),
        (["list"], "IndexError"),
        (["list", 3], "TypeError"),
        (["list", [[7]]], "node 7, which is not there"),
        (["list", [[-1]]], r"expected a value or \[node\]"),
        (["list", [[0, 1]]], r"expected a value or \[node\]"),
        (["tuple", [[0]]], "node 0, which is not there"),
        (["dict", [[[0], 1]]], "unhashable"),
        (["dict", [1]], "node 0"),
        (["set", [[0]]], "unhashable"),
        (["defaultdict", [], "eval"], "KeyError"),
        (["defaultdict", []], "IndexError"),
        (["OrderedDict", [], [0]], "attributes expected"),
        (["int", "f" * 20_000], "too many digits"),
        (["int", "x"], "ValueError"),
        (["float", "x"], "ValueError"),
        (["bytes", "***"], "node 0"),
        (["dtype", "object"], "KeyError"),
        (["device", "nowhere"], "cpu or cuda"),
        (["long bytes", {**tensor_node(shape=[1 << 36], strides=[0])[1]}], "bytes with strides"),
        (["Generator", {"in": "t", "dtype": "uint8", "shape": [8]}, "cpu"], "node 0"),
    ],
)
def test_wrong_nodes(node, match):
    refused(structured([0], [node]), match)


def test_hidden_methods_are_refused():
    nodes = [["OrderedDict", [], [1]], ["dict", [["items", 1]]]]
    refused(structured([0], nodes), "attributes")


def test_deep_structures_do_not_overflow_the_stack():
    n = 50_000
    lists = [["list", [[i + 1]]] for i in range(n)] + [["list", []]]
    value, depth = load(io.BytesIO(structured([0], lists))), 0
    while value:
        value, depth = value[0], depth + 1
    assert depth == n
    tuples = [["tuple", []]] + [["tuple", [[i]]] for i in range(n)]
    refused(structured([n], tuples), "nested more than 1000")


def test_structure_must_be_a_table():
    refused(container({"__metadata__": {"isograd.structure": 3}}), "no string")
    refused(container({"__metadata__": {"isograd.structure": "[]"}}), "no list of nodes")
    refused(structured([5], []), "root: refers to node 5")


# -- torch's zip files


def archive(pickled, storages=(), compress=zipfile.ZIP_STORED, prefix="archive"):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compress) as z:
        z.writestr(f"{prefix}/data.pkl", pickled)
        for name, data in storages:
            z.writestr(f"{prefix}/data/{name}", data)
    return file.getvalue()


class Runs:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", [0, 1, 2, 4, 5])
@pytest.mark.parametrize(
    ("function", "argument"),
    [(os.system, "touch HERE"), (eval, "open('HERE', 'w')"), (exec, "open('HERE', 'w')"),
     (getattr, isograd), (__import__, "os"), (open, "HERE")],
    ids=str,
)  # fmt: skip
def test_pickled_calls_are_never_run(protocol, function, argument, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bomb = Runs(function, argument) if isinstance(argument, str) else Runs(function, "x", "y")
    refused(archive(pickle.dumps({"w": bomb}, protocol)), "refers to|not allowed|call of")
    assert os.listdir(tmp_path) == []


def tensor_pickle(storage=("torch", "FloatStorage"), key="0", size=(2,), stride=(1,), offset=0):
    """What torch writes for one tensor, by hand."""
    out = b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(("
    out += b"X\x07\0\0\0storage" + f"c{storage[0]}\n{storage[1]}\n".encode()
    out += b"X" + struct.pack("<I", len(key.encode())) + key.encode()
    out += b"X\x03\0\0\0cpuK\x02tQ"

    def number(n):
        data = n.to_bytes(9, "little", signed=True)
        return b"\x8a" + bytes([len(data)]) + data

    out += number(offset) + b"(" + b"".join(map(number, size)) + b"t"
    out += b"(" + b"".join(map(number, stride)) + b"t\x89NtR."
    return out


DATA = struct.pack("<2f", 1.0, 2.0)


def test_a_tensor_by_hand():
    assert load(io.BytesIO(archive(tensor_pickle(), [("0", DATA)]))).tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"size": (3,)}, "outside of its storage"),
        ({"size": (1 << 50,), "stride": (0,)}, "a tensor of size"),
        ({"size": (1 << 61, 1 << 61), "stride": (0, 0)}, "a tensor of size"),
        ({"size": (-1,)}, "a tensor of size"),
        ({"offset": 1}, "outside of its storage"),
        ({"offset": -1}, "a tensor of size"),
        ({"stride": (1, 1)}, "a tensor of size"),
        ({"stride": (-1,)}, "a tensor of size"),
        ({"size": (1,) * 70, "stride": (1,) * 70}, "a tensor of size"),
        ({"key": "1"}, "no storage '1'"),
        ({"key": "../../etc/passwd"}, "no storage"),
        ({"key": "../data.pkl"}, "no storage"),
        ({"storage": ("torch", "load")}, "refers to torch.load"),
        ({"storage": ("torch", "Size")}, "torch.Size as a value"),
    ],
)
def test_wrong_torch_tensors(options, match):
    refused(archive(tensor_pickle(**options), [("0", DATA)]), match)


@pytest.mark.parametrize(
    ("pickled", "match"),
    [
        (b"", "damaged pickle"),
        (b"\x80\x02", "damaged pickle"),
        (b"\x80\x02}", "damaged pickle"),
        (b".", "damaged pickle"),
        (b"\x80\x02(.", "a mark where"),
        (b"\x80\x02h\x05.", "damaged pickle"),
        (b"\x80\x02}r\xff\xff\xff\x7f.", None),  # a memo slot far out takes no memory
        (b"\x80\x04\x8e" + b"\xff" * 8 + b"abc.", "damaged pickle"),  # 2**64 bytes announced
        (b"\x80\x04\x8d" + b"\xff" * 7 + b"\x7f.", "damaged pickle"),
        (b"\x80\x02X\xff\xff\xff\x7fabc.", "damaged pickle"),
        (b"\x80\x02K\x01K\x02s.", "damaged pickle"),
        (b"\x80\x02K\x01}a.", "items for a int"),
        (b"\x80\x02}K\x01b.", "attributes for a dict"),
        (b"\x80\x02K\x01)R.", "a call of int"),
        (b"\x80\x02ccollections\nOrderedDict\n.", "as a value"),
        (b"\x80\x02ccollections\nOrderedDict\nK\x05\x85R.", "of no list"),
        (b"\x80\x02c_codecs\nencode\nX\x01\0\0\0aX\x05\0\0\0rot13\x86R.", "not latin1"),
        (b"\x80\x02}]K\x01s.", "a key of type list"),
        (b"\x80\x02K\x01Q.", "unknown persistent id"),
        (b"\x80\x02\x82\x01.", "EXT1"),
        (b"\x80\x05\x97.", "NEXT_BUFFER"),
        (b"(i__main__\nx\n.", "INST"),
        (b"I" + b"9" * 10_000 + b"\n.", "damaged pickle"),
    ],
)
def test_wrong_pickles(pickled, match):
    if match is None:
        assert load(io.BytesIO(archive(pickled))) == {}
    else:
        refused(archive(pickled), match)


def test_laughs_do_not_multiply():
    """Ten lists of ten aliases each: nobody prints, copies or compares them."""
    laughs = b"\x80\x02]" + b"".join(
        b"q" + bytes([i]) + b"0](" + (b"h" + bytes([i])) * 10 + b"e" for i in range(40)
    )
    refused(archive(laughs + b"Q."), "not allowed")
    laughs = laughs.replace(b"0](", b"](")
    refused(archive(laughs + b"Q."), "unknown persistent id <list>")


def test_endless_rows_are_not_walked_through():
    rows = tensor_pickle(size=(1 << 40, 2), stride=(0, 0))[2:-1]
    pairs = b"\x80\x02ccollections\nOrderedDict\n" + rows + b"\x85R."
    refused(archive(pairs, [("0", DATA)]), "OrderedDict of no list")


def test_deep_pickles_do_not_overflow_the_stack():
    assert load(io.BytesIO(archive(b"\x80\x02)" + b"\x85" * 50_000 + b"."))) is not None
    refused(archive(b"\x80\x02})" + b"\x85" * 50_000 + b"K\x01s."), "a key of type tuple")


def test_wrong_archives():
    refused(archive(pickle.dumps({}), compress=zipfile.ZIP_DEFLATED), "compressed")
    refused(archive(pickle.dumps({}), prefix="a/b"), "without torch's data.pkl")
    refused(b"PK\x03\x04" + b"\0" * 100, "damaged zip")
    whole = archive(tensor_pickle(), [("0", DATA)])
    refused(whole[: len(whole) // 2], "damaged zip")
    refused(whole.replace(DATA, struct.pack("<2f", 1.0, 3.0)), "damaged zip.*CRC")
    refused(archive(tensor_pickle(), [("0", DATA[:-1])]), "outside of its storage")
    script = io.BytesIO()
    with zipfile.ZipFile(script, "w") as z:
        z.writestr("a/data.pkl", pickle.dumps({}, 2))
        z.writestr("a/constants.pkl", b"")
    refused(script.getvalue(), "TorchScript")


def test_an_announced_size_is_not_believed():
    data = bytearray(archive(tensor_pickle(), [("0", DATA)]))
    at = data.rindex(b"PK\x01\x02")
    data[at + 20 : at + 28] = struct.pack("<II", 1 << 30, 1 << 30)  # sizes in the directory
    refused(bytes(data), "announced in a file of")
