"""One hash over weights and text.

Run: python -m pytest tests/launch/script/test_digest.py
"""

import gc
import re

import pytest

import isograd as torch
from isograd import nn
from isograd.launch.script.digest import Digest, hash_tensors
from isograd.launch.script.patches import Patches

pytestmark = pytest.mark.job

TEXT = """
import torch
from torch import nn
def main():
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    unused = nn.Linear(2, 2)
    extra = torch.ones(2, requires_grad=True)
    opt = torch.optim.SGD([{"params": model.parameters()}, {"params": [extra]}], lr=0.1)
    x = torch.arange(8.0).reshape(4, 2)
    for step in range(3):
        loss = model(x).square().mean() + extra.sum()
        opt.zero_grad()
        loss.backward()
        opt.step()
        print(step, loss.item())
main()
"""


def digest_of(err):
    found = re.findall(
        r"^isograd: digest ([0-9a-f]{64}) \(weights [0-9a-f]{16} of (\d+) tensors, "
        r"text [0-9a-f]{16} of (\d+) lines\)$",
        err,
        re.MULTILINE,
    )
    assert len(found) == 1, err
    return found[0]


def test_one_process(launch, script):
    """4 parameters, 3 buffers, 1 tensor of no model; gone by the end of the script."""
    code, out, err = launch("--digest", script(TEXT))
    assert code == 0, err
    first = digest_of(err)
    assert first[1:] == ("8", "3")
    assert len(out.splitlines()) == 3
    assert digest_of(launch("--digest", script(TEXT))[2]) == first
    other_text = digest_of(launch("--digest", script(TEXT + "print()\n"))[2])
    assert other_text[0] != first[0]
    other_weights = digest_of(launch("--digest", script(TEXT.replace("lr=0.1", "lr=0.2")))[2])
    assert other_weights[0] != first[0]
    code, _, err = launch("--digest", script("1 / 0\n"))
    assert code == 1
    assert "digest" not in err
    code, _, err = launch("--digest", script("import sys\nsys.exit(0)\n"))
    assert (code, digest_of(err)[1:]) == (0, ("0", "0"))


def test_ranks_that_differ_are_an_error(launch, script, both):
    out, other, err = both(TEXT, "--digest")
    assert digest_of(err)[1] == "8"
    text = TEXT.replace(
        "    for step", "    import os\n    extra.data += int(os.environ['RANK'])\n    for step"
    )
    code, _, err = launch("-n", 2, "--digest", script(text))
    assert code == 1
    assert "the ranks ended with different weights (8 tensors)" in err
    assert re.search(r"rank 0: [0-9a-f]{16}\n +rank 1: [0-9a-f]{16}", err)


def test_names_dtypes_shapes_and_bits_count():
    one = torch.ones(2)
    base = hash_tensors(iter([("a", one)]))
    assert hash_tensors(iter([("a", torch.ones(2))])) == base
    others = [
        ("b", one), ("a", torch.ones(2, dtype=torch.int32)), ("a", torch.ones(1, 2)),
        ("a", torch.tensor([1.0, 1.0000001])), ("a", torch.ones(2, dtype=torch.bfloat16)),
    ]  # fmt: skip
    hashes = {hash_tensors(iter([other])) for other in others}
    assert len(hashes) == len(others)
    assert base not in hashes


def test_wrapped_and_shared_models_count_once():
    patches, digest = Patches(), Digest()
    digest.install(patches)
    try:
        inner = nn.Linear(2, 2)
        torch.optim.SGD(inner.parameters(), lr=0.1)
        outer = nn.Sequential(inner, nn.BatchNorm1d(2))
        torch.optim.SGD(outer.parameters(), lr=0.1)
        del inner, outer
        gc.collect()
        names = [name for name, _ in digest._tensors()]
    finally:
        patches.undo()
    assert names[:4] == ["model0.0.weight", "model0.0.bias", "model0.1.weight", "model0.1.bias"]
    assert len(names) == 7
