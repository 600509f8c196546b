"""Does a script talk to the other ranks by itself, with mpi4py? Then it gets no global view.

Read from its source, without running it. Scripts that call `init_process_group` are not found
here: many do so only on request, and the view ends when they do.
"""

import ast
from pathlib import Path

__all__ = ["uses_mpi"]


def uses_mpi(script: Path) -> bool:
    """Whether the file imports mpi4py anywhere; False when it cannot be read or parsed."""
    try:
        tree = ast.parse(script.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return False
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        else:
            continue
        if any(name.partition(".")[0] == "mpi4py" for name in names):
            return True
    return False
