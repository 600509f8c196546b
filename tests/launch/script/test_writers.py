"""What libraries write for the script: once, by rank 0.

Run: python -m pytest tests/launch/script/test_writers.py
"""

import pytest

pytestmark = pytest.mark.job


def test_tensors_and_arrays(both, tmp_path):
    text = """
import io, os
import numpy as np
import torch
rank = os.environ["RANK"]
torch.save({"w": torch.ones(2)}, "m.pt")
np.save("a.npy", torch.arange(3))
np.savez("b.npz", x=torch.zeros(2), y=np.ones(1))
np.savetxt("c.txt", torch.ones(2))
with open("d.pt", "wb") as file:
    torch.save(torch.ones(1), file)
print(torch.load("m.pt"), np.load("a.npy"), sorted(np.load("b.npz")), np.loadtxt("c.txt"))
print(torch.load("d.pt"))
buffer = io.BytesIO()
torch.save(torch.ones(1), buffer)
print(len(buffer.getvalue()) > 0)
for write in (lambda: torch.save(1, "no/x.pt"), lambda: np.save("no/x.npy", np.ones(1))):
    try:
        write()
    except OSError as error:
        print(type(error).__name__)
try:
    torch.save(lambda: 0, "m.pt")
except TypeError as error:
    print("TypeError")
"""
    out, other, _ = both(text)
    assert out == other
    assert out == [
        "{'w': tensor([1., 1.])} [0 1 2] ['x', 'y'] [1. 1.]", "tensor([1.])", "True",
        "FileNotFoundError", "FileNotFoundError", "TypeError",
    ]  # fmt: skip


def test_figures_and_events(both, tmp_path):
    for name in ("matplotlib", "tensorboardX", "PIL"):
        pytest.importorskip(name)
    text = """
import os
import matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import torch
from PIL import Image
from torch.utils.tensorboard import SummaryWriter
with SummaryWriter("runs/x") as writer:
    writer.add_scalar("loss", torch.tensor(1.0), 1)
    writer.add_image("image", torch.rand(3, 8, 8))
    writer.add_histogram("h", torch.rand(100))
    writer.add_text("t", "text")
plt.plot(torch.arange(3))
plt.savefig("a.png")
plt.gcf().savefig(fname="b.svg")
plt.imsave("c.png", torch.rand(4, 4))
plt.show()
Image.fromarray(np.zeros((4, 4), np.uint8)).save("d.png")
print(len(os.listdir("runs/x")), sorted(n for n in os.listdir(".") if n[1] == "."))
print(Image.open("d.png").size)
"""
    out, other, _ = both(text)
    assert out == other == ["1 ['a.png', 'b.svg', 'c.png', 'd.png']", "(4, 4)"]
