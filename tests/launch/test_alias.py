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


def test_a_missing_name_is_said_in_one_line_with_its_place(launch, script):
    cases = {
        "import torch\nfrom torch.nn import Zork\n": ("torch.nn.Zork", 2),
        "import torch\n\ntorch.zork(3)\n": ("torch.zork", 3),
        "import torch\ntorch.zeros(2).zork()\n": ("torch.Tensor.zork", 2),
        "import torch.zork\n": ("torch.zork", 1),
    }
    for text, (name, line) in cases.items():
        path = script(text)
        code, _, err = launch(path)
        assert code == 1
        last = err.splitlines()[-1]
        assert last.startswith(f"isograd: {name} is not in isograd ({path}:{line}); ")
        assert err.count("is not in isograd (") == 1
        assert "launch/alias.py" not in err
    for text in ("[].zork\n", "torch.nn.utils.clip_grad_norm_([torch.device('cpu')], 1)\n"):
        _, _, err = launch(script("import torch\n" + text))
        assert "AttributeError" in err and "is not in isograd" not in err


def test_packages_written_for_torch_are_refused(launch, script, tmp_path):
    package = tmp_path / "site-packages" / "a_vision.py"
    package.parent.mkdir()
    package.write_text("import torch\n")
    (package.parent / "looks_later.py").write_text("def f():\n    import torch\n    return torch\n")
    text = """
import sys, torch
sys.path.append("site-packages")
import looks_later
assert looks_later.f() is torch
try:
    import a_vision
except ImportError as error:
    print(error)
"""
    code, out, err = launch(script(text))
    assert code == 0, err
    assert out.startswith("a_vision needs PyTorch itself, but under `isograd run` torch means")
    assert f"{package}:1 imports torch" in out.replace("site-packages/", f"{package.parent}/") or (
        "a_vision.py:1 imports torch" in out
    )


def test_no_torch_leaves_the_name_alone(launch, script, tmp_path):
    (tmp_path / "torch.py").write_text("real = True\n")
    code, out, err = launch("--no-torch", script("import torch\nprint(torch.real)\n"))
    assert (code, out.strip()) == (0, "True"), err
