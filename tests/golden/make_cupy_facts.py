"""What CuPy has: names, parameters and ufunc loops, written to ``cupy_facts.json``.

The pretended CuPy of the tests (tests/tensor/pretend_cupy.py) knows the library by this file.
Run where CuPy can be imported (no device is needed): python tests/golden/make_cupy_facts.py
"""

from __future__ import annotations

import importlib
import inspect
import json
import re
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("cupy_facts.json")
MODULES = {"": "cupy", "linalg": "cupy.linalg", "fft": "cupy.fft", "special": "cupyx.scipy.special"}


def parameters(thing: Any) -> list[str] | None:
    """Names of a function's parameters, starred ones with their stars; None: unknown."""
    try:
        return [
            str(p).split(":")[0].split("=")[0] for p in inspect.signature(thing).parameters.values()
        ]
    except (TypeError, ValueError):
        found = re.match(
            r"\S*\w\((.*?)\)", thing.__doc__ or ""
        )  # Cython writes it in the docstring
        if found is None:
            return None
        names = [part.split("=")[0].split()[-1] for part in found[1].split(",") if part.strip()]
        return [name for name in names if name not in ("self", "/", "*")]


def facts() -> dict[str, Any]:
    cupy = importlib.import_module("cupy")
    ufunc = importlib.import_module("cupy._core._kernel").ufunc
    found: dict[str, Any] = {
        "version": cupy.__version__,
        "functions": {},
        "ufuncs": {},
        "ndarray": {},
    }
    for prefix, module_name in MODULES.items():
        module = importlib.import_module(module_name)
        for name in sorted(dir(module)):
            thing = getattr(module, name)
            key = f"{prefix}.{name}" if prefix else name
            if name.startswith("_") or inspect.ismodule(thing) or not callable(thing):
                continue
            if isinstance(thing, ufunc):
                found["ufuncs"][key] = thing.types
            elif not isinstance(thing, type):
                found["functions"][key] = parameters(thing)
    where = importlib.import_module("cupy._sorting.search")._where_ufunc
    found["functions"].pop("where")
    found["ufuncs"]["where"] = where.types
    for name in sorted(dir(cupy.ndarray)):
        thing = getattr(cupy.ndarray, name)
        found["ndarray"][name] = parameters(thing) if callable(thing) else None
    return found


def main() -> None:
    text = json.dumps(facts(), indent=0, sort_keys=True)
    FILE.write_text(re.sub(r"\n(?=[^\n]*[\"\]],?\n?)", " ", text).replace("], ", "],\n") + "\n")


if __name__ == "__main__":
    main()
