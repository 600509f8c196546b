"""A pretended ``cupy.ElementwiseKernel``: the body, compiled by the host's compiler, in order.

Numbers and arrays are checked as CuPy checks them. float16 and bfloat16 are widened to float.
"""

from __future__ import annotations

import functools
import shutil
import subprocess
import tempfile
from ctypes import CDLL, c_double, c_int64, c_void_p
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)


@functools.cache
def compile_c(source: str) -> Any:
    if shutil.which("g++") is None:
        pytest.skip("no C++ compiler")
    with tempfile.TemporaryDirectory(prefix="pretend_cupy") as folder:
        path = Path(folder) / "kernel.cpp"
        path.write_text(source)
        library = path.with_suffix(".so")
        subprocess.run(["g++", "-O0", "-shared", "-fPIC", "-o", library, path], check=True)
        return CDLL(str(library))


C_TYPES = {
    "float32": "float", "float64": "double", "int64": "long long", "int32": "int", "bool": "bool",
    "uint8": "unsigned char", "int8": "signed char", "int16": "short",
    "uint64": "unsigned long long", "complex64": "complex<float>", "complex128": "complex<double>",
    "float16": "float", "bfloat16": "float",  # widened before the call, rounded after it
}  # fmt: skip


class ElementwiseKernel:
    """The body, compiled as C++ and run in order over the elements."""

    def __init__(
        self,
        array: type,
        inputs: str,
        outputs: str,
        body: str,
        name: str = "kernel",
        **options: Any,
    ) -> None:
        self.array = array
        self.inputs = [p.split() for p in inputs.split(",") if p.strip()]
        self.outputs = [p.split() for p in outputs.split(",") if p.strip()]
        self.body, self.name, self.preamble = body, name, options.get("preamble", "")

    def __call__(self, *args: Any, size: int | None = None) -> Any:
        parameters = [*self.inputs, *self.outputs]
        if len(args) != len(parameters):
            raise TypeError(f"{self.name}: give the outputs: {len(parameters)} arguments")
        known: dict[str, str] = {}
        for (*_, kind, name), a in zip(parameters, args, strict=True):
            if isinstance(a, np.ndarray):
                raise TypeError(f"{self.name}: Unsupported type <class 'numpy.ndarray'>")
            if len(kind) > 1 and getattr(a, "dtype", kind) != np.dtype(kind):
                raise TypeError(f"{self.name}: Type is mismatched. {name} {a.dtype} {kind}")
            if len(kind) > 1 or not isinstance(a, self.array):
                continue  # numbers decide no type
            found = str(a.dtype)
            if known.setdefault(kind, found) != found:
                raise TypeError(f"{self.name}: Type is mismatched. {name} {found} {known[kind]}")
        for *_, kind, _name in parameters:
            if len(kind) == 1 and kind not in known:
                raise KeyError(kind)
            known.setdefault(kind, kind)
        shapes = [a.shape for p, a in zip(parameters, args, strict=True)
                  if isinstance(a, self.array) and "raw" not in p]  # fmt: skip
        shape = (size,) if size is not None else np.broadcast_shapes(*shapes)
        return self._run(parameters, args, known, shape, int(np.prod(shape)))

    def _run(self, parameters: Any, args: Any, known: Any, shape: Any, count: int) -> Any:
        if any(t not in C_TYPES for t in known.values()):
            raise NotImplementedError(f"{self.name}: pretended kernels do not know {known}")
        heads, loads, values, kept = [], [], [], []
        for p, a in zip(parameters, args, strict=True):
            kind, name = p[-2:]
            if not isinstance(a, self.array):
                value = c_int64(int(a)) if known[kind].startswith("int") else c_double(float(a))
                heads.append(f"{'long long' if isinstance(value, c_int64) else 'double'} _{name}")
                loads.append(f"const {kind} {name} = ({kind})_{name};")
                values.append(value)
                continue
            full = a.host if "raw" in p else np.broadcast_to(a.host, shape)
            flat = np.ascontiguousarray(full)
            if full.dtype in (np.float16, BFLOAT16):
                flat = flat.astype(np.float32)
            kept.append((full, flat, p in self.outputs))
            values.append(c_void_p(flat.ctypes.data))
            heads.append(f"{kind}* _{name}")
            loads.append(
                f"{kind}* {name} = _{name};" if "raw" in p else f"{kind}& {name} = _{name}[i];"
            )
        kinds = "\n".join(f"typedef {C_TYPES[t]} {k};" for k, t in known.items() if k != C_TYPES[t])
        complex_header = "#include <complex>\n" if "complex" in kinds else ""
        names = ", ".join([*heads, "long long _n"])
        source = (
            f"#include <cmath>\n#include <cstddef>\n{complex_header}"
            "using namespace std;\n#define __device__\n"
            f'{kinds}\n{self.preamble}\nextern "C" void run({names}) {{\n'
            f"for (ptrdiff_t i = 0; i < _n; ++i) {{ {' '.join(loads)}\n{self.body}\n}} }}"
        )
        compile_c(source).run(*values, c_int64(count))
        for full, flat, written in kept:
            if written and full is not flat:
                full[...] = flat
        outs = args[len(self.inputs) :]
        return outs[0] if len(outs) == 1 else tuple(outs)
