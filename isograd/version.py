"""The version, and what torch's ``version`` says of its build.

``cuda`` is None: nothing is built against a CUDA version; ask ``isograd doctor``.
"""

from __future__ import annotations

__all__ = ["__version__", "cuda", "debug", "git_version", "hip"]

__version__ = "0.1.0"
cuda: str | None = None
hip: str | None = None
git_version = "unknown"
debug = False
