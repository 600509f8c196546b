"""From bytes to values: every extension, images, and what is refused.

Run: pytest tests/data/streaming
"""

import io
import pickle
import sys

import numpy as np
import pytest

import isograd
from isograd.data.streaming import ShardError, ShardWriter, WebDataset
from isograd.data.streaming.decoding import Decoder

PIXELS = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)


def png():
    image = pytest.importorskip("PIL.Image")
    out = io.BytesIO()
    image.fromarray(PIXELS).save(out, "PNG")
    return out.getvalue()


def decode(extension, data, *choices, **options):
    sample = {"__key__": "k", "__url__": "s.tar", extension: data}
    return Decoder(choices, options.get("only"))(sample)[extension]


def test_what_is_written_comes_back(tmp_path):
    values = {
        "cls": 3,
        "txt": "grün",
        "json": {"a": [1, None]},
        "npy": np.arange(6.0).reshape(2, 3),
        "meta.npz": {"x": np.ones(2), "y": np.zeros(1, np.int8)},
        "safetensors": {"w": isograd.ones(2, dtype=isograd.bfloat16)},
        "bin": b"\0\1",
    }
    with ShardWriter(tmp_path / "a-%d.tar") as out:
        out.write({"__key__": "0", **values})
    [got] = WebDataset(tmp_path).decode()
    assert {name: got[name] for name in ("cls", "txt", "json", "bin")} == {
        name: values[name] for name in ("cls", "txt", "json", "bin")
    }
    assert np.array_equal(got["npy"], values["npy"])
    assert got["meta.npz"]["y"].dtype == np.int8
    assert got["safetensors"]["w"].dtype == isograd.bfloat16
    assert got["safetensors"]["w"].tolist() == [1, 1]


@pytest.mark.parametrize(
    ("spec", "shape", "dtype"),
    [
        ("rgb8", (4, 5, 3), np.uint8),
        ("rgb", (4, 5, 3), np.float32),
        ("rgba8", (4, 5, 4), np.uint8),
        ("l8", (4, 5), np.uint8),
        ("l", (4, 5), np.float32),
    ],
)
def test_images_as_arrays(spec, shape, dtype):
    array = decode("png", png(), spec)
    assert (array.shape, array.dtype) == (shape, dtype)
    if spec in ("rgb8", "rgb"):
        assert np.array_equal(array, PIXELS if spec == "rgb8" else PIXELS / np.float32(255))


def test_images_as_tensors_and_pillow_images():
    tensor = decode("png", png(), "torch")
    assert (tensor.shape, tensor.dtype) == ((3, 4, 5), isograd.float32)
    assert np.array_equal(tensor.numpy(), PIXELS.transpose(2, 0, 1) / np.float32(255))
    assert decode("png", png(), "torchl8").shape == (1, 4, 5)
    assert decode("png", png(), "pil").size == (5, 4)
    assert decode("png", png()) == png()


def test_images_without_pillow(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ImportError, match="pip install pillow"):
        decode("png", b"", "rgb")


@pytest.mark.parametrize("extension", ["pyd", "pkl", "a.pickle"])
def test_pickles_are_never_read(extension):
    class Evil:
        def __reduce__(self):
            return sys.exit, (1,)

    with pytest.raises(ShardError, match=r"s\.tar, sample 'k': cannot decode .*run code"):
        decode(extension, pickle.dumps(Evil()), "pth")
    assert decode(extension, b"x", only=["cls"]) == b"x"


def test_torch_files_only_when_asked_for():
    out = io.BytesIO()
    isograd.save({"w": isograd.arange(3)}, out)
    with pytest.raises(ShardError, match=r"decode\('pth'\)"):
        decode("pth", out.getvalue())
    assert decode("pth", out.getvalue(), "pth")["w"].tolist() == [0, 1, 2]
    with pytest.raises(ShardError, match="cannot decode .pth"):
        decode("pth", pickle.dumps([1]), "pth")


def test_arrays_of_objects_are_refused():
    out = io.BytesIO()
    np.save(out, np.array([{}], object), allow_pickle=True)
    with pytest.raises(ShardError, match="cannot decode .npy"):
        decode("npy", out.getvalue())


def test_functions_come_first():
    assert decode("cls", b"7", lambda extension, data: extension + data.decode()) == "cls7"
    assert decode("cls", b"7", lambda extension, data: None) == 7


def test_bad_choices():
    with pytest.raises(ValueError, match="expected one of l8, rgb8"):
        Decoder(["jpeg"], None)
    with pytest.raises(ValueError, match="two image decoders"):
        Decoder(["l", "rgb"], None)
    with pytest.raises(ShardError, match="cannot decode .cls"):
        decode("cls", b"seven")
