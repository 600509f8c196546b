"""What the code asks of CuPy is there: names, keyword arguments and ufunc methods.

The source is read, not run. Reference: the list of CuPy's names (tests/golden/cupy_facts.json), and
where CuPy can be imported the library itself, which the list must agree with.
Run: pytest tests/tensor/test_cupy_names.py
"""

from __future__ import annotations

import ast
import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import isograd
from tests.golden import make_cupy_facts

ROOT = Path(isograd.__file__).parent
FACTS = json.loads(make_cupy_facts.FILE.read_text())
MODULES = ("xp", "cp", "cupy")
UFUNC_KEYWORDS = {"out", "dtype", "casting"}
UFUNC_METHODS = {"at", "outer"}  # reduce and accumulate: of add and multiply only
OTHER_NAMES = {  # classes, constants and submodules
    "ElementwiseKernel", "RawKernel", "cuda", "inf", "lib", "linalg", "fft", "ndarray", "nan", "pi",
    "uint8", "uint32", "uint64", "int32", "int64", "float32", "float64", "bool_", "newaxis",
    "__version__",
}  # fmt: skip
HOST_ONLY = ("numerics",)  # folders whose arrays are always NumPy's


def chain(node: ast.AST) -> list[str]:
    """``xp.linalg.svd`` as its parts; empty for anything else."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    if isinstance(node, ast.Name) and names:
        names.append(node.id)
    names.reverse()
    for start, name in enumerate(names[:-1]):
        if name in MODULES:
            return names[start + 1 :]
    return []


def uses() -> Iterator[tuple[str, list[str], list[str]]]:
    """Where, the name's parts, and the keywords of the call."""
    for path in sorted(ROOT.rglob("*.py")):
        if any(part in HOST_ONLY for part in path.parts):
            continue
        tree = ast.parse(path.read_text())
        calls = {id(n.func): n for n in ast.walk(tree) if isinstance(n, ast.Call)}
        inner = {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Attribute)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and id(node) not in inner and (parts := chain(node)):
                call = calls.get(id(node))
                keywords = [k.arg for k in call.keywords if k.arg] if call else []
                yield f"{path.relative_to(ROOT)}:{node.lineno}", parts, keywords


def complaint(parts: list[str], keywords: list[str]) -> str | None:
    """What CuPy lacks of a use; None if nothing."""
    name = ".".join(parts)
    if parts[0] in ("cuda", "lib", "fft", "random"):
        return None if parts[0] != "lib" or name in KNOWN_LIB else f"cupy.{name}"
    if parts[0] in FACTS["ufuncs"]:
        if len(parts) > 1:
            fine = parts[1] in UFUNC_METHODS or parts[0] in ("add", "multiply")
            return None if fine else f"cupy.{name} is not implemented"
        return unknown(name, keywords, UFUNC_KEYWORDS)
    key = name if name in FACTS["functions"] else parts[0]
    if key not in FACTS["functions"]:
        return None if parts[0] in OTHER_NAMES and parts[0] != "linalg" else f"cupy.{name}"
    known = FACTS["functions"][key]
    if known is None or any(k.startswith("**") for k in known):
        return None
    return unknown(name, keywords, set(known))


KNOWN_LIB = {"lib.stride_tricks.as_strided"}


def unknown(name: str, keywords: list[str], known: set[str]) -> str | None:
    extra = set(keywords) - known
    return f"cupy.{name} has no argument {sorted(extra)}" if extra else None


def branch_lines() -> set[str]:
    """Lines that only NumPy reaches: in a branch ``if xp is np`` or after its opposite's return."""
    found = set()
    for path in sorted(ROOT.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.If | ast.IfExp) and ast.unparse(node.test).startswith(
                "xp is np"
            ):
                body = node.body if isinstance(node.body, list) else [node.body]
                for part in body:
                    for line in range(part.lineno, (part.end_lineno or part.lineno) + 1):
                        found.add(f"{path.relative_to(ROOT)}:{line}")
    return found


def test_cupy_has_what_the_code_uses() -> None:
    host = branch_lines()
    seen = list(uses())
    missing = [
        f"{where}: {what}"
        for where, parts, keywords in seen
        if where not in host and (what := complaint(parts, keywords))
    ]
    assert len(seen) > 300
    assert not missing, "\n".join(missing)


def test_the_check_finds_what_is_missing() -> None:
    assert complaint(["maximum", "accumulate"], []) is not None
    assert complaint(["add", "accumulate"], ["axis"]) is None
    assert complaint(["sum"], ["where"]) is not None
    assert complaint(["multiply"], ["where"]) is not None
    assert complaint(["vecdot"], []) is not None
    assert complaint(["linalg", "lstsq_"], []) is not None


def test_forwards_named_by_a_string_are_ufuncs() -> None:
    from isograd.tensor.primitive import PRIMITIVES

    names = {r.ufunc for r in PRIMITIVES.values() if r.ufunc}
    assert len(names) > 20
    assert not names - set(FACTS["ufuncs"])


def test_the_list_is_the_librarys() -> None:
    pytest.importorskip("cupy")
    found: Any = make_cupy_facts.facts()
    if found["version"] != FACTS["version"]:
        pytest.skip(f"the list is of CuPy {FACTS['version']}, this is {found['version']}")
    assert json.loads(json.dumps(found)) == FACTS
    cupy = importlib.import_module("cupy")
    importlib.import_module("cupy.lib.stride_tricks")
    for _, parts, _ in uses():
        if parts[0] in OTHER_NAMES and parts[0] != "cuda":
            assert hasattr(cupy, parts[0]), parts
