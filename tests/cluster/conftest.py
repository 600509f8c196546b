"""The arguments examples/gpt.py takes, asked from its own parser."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def root() -> Path:
    return ROOT


@pytest.fixture
def gpt_arguments(monkeypatch):
    """Parse a command line as the example does; SystemExit when it would refuse it.

    Only the function `arguments` is run: importing the example would import the framework.
    """
    source = (ROOT / "examples" / "gpt.py").read_text()
    tree = ast.parse(source)
    keep = [n for n in tree.body if getattr(n, "name", "") == "arguments"]
    scope = {"__doc__": ast.get_docstring(tree), "__name__": "gpt"}
    exec("import argparse\nfrom pathlib import Path", scope)
    exec(compile(ast.Module(keep, []), "gpt.py", "exec"), scope)

    def parse(words):
        monkeypatch.setattr(sys, "argv", ["gpt.py", *words])
        return scope["arguments"]()

    return parse
