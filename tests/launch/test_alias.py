"""Under `isograd run`, `import torch` is isograd, module by module.

Run: python -m pytest tests/launch/test_alias.py
"""


def test_torch_is_isograd(launch, script):
    text = """
import torch, torch.autograd, isograd
import torch.distributed as dist
from torch.autograd import grad
import isograd.distributed
assert torch is isograd and dist is isograd.distributed and isograd.__spec__.name == "isograd"
x = torch.tensor([1.0, 2.0], requires_grad=True)
print(grad((x * x).sum(), x)[0].tolist())
try:
    import torch.no_such_room
except ModuleNotFoundError as error:
    print(error, error.name)
"""
    code, out, err = launch(script(text))
    assert code == 0, err
    assert out.splitlines() == [
        "[2.0, 4.0]",
        "No module named 'torch.no_such_room': isograd has no 'isograd.no_such_room' "
        "torch.no_such_room",
    ]


def test_every_rank_has_the_alias(launch, script):
    text = "import torch, isograd, sys\nsys.exit(0 if torch is isograd else 1)\n"
    code, _, err = launch("-n", 2, script(text))
    assert code == 0, err
