"""Lines per folder: how large the project is, and where a file has grown past its limit.

Counts non-blank lines of the Python files git knows, per top folder and per room of the package.
Run: `python tools/size.py`
"""

import subprocess
import sys
from collections import defaultdict
from pathlib import Path

REVIEW, LIMIT = 400, 600  # lines: look at it again; split it


def python_files() -> list[Path]:
    """Every Python file git tracks, or would track if it were added."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [path for path in map(Path, sorted(set(listed.splitlines()))) if path.exists()]


def folder_of(path: Path) -> str:
    """`isograd/nn/layers/x.py` -> `isograd/nn`; `examples/x.py` -> `examples`."""
    depth = 2 if path.parts[0] in ("isograd", "tests") else 1
    return "/".join(path.parts[: min(depth, len(path.parts) - 1)]) or "."


def main() -> None:
    """Print the table, then the files to review."""
    sizes: dict[Path, tuple[int, int]] = {}
    for path in python_files():
        lines = path.read_text(encoding="utf-8").splitlines()
        sizes[path] = (len(lines), sum(1 for line in lines if line.strip()))
    folders: dict[str, list[int]] = defaultdict(list)
    for path, (_, code) in sizes.items():
        folders[folder_of(path)].append(code)
    print(f"{'folder':28} {'files':>5} {'lines':>7} {'median':>7} {'longest':>8}")
    for folder in sorted(folders):
        counts = sorted(folders[folder])
        row = f"{len(counts):5} {sum(counts):7} {counts[len(counts) // 2]:7} {counts[-1]:8}"
        print(f"{folder:28} {row}")
    total = sum(sum(counts) for counts in folders.values())
    print(f"{'all':28} {len(sizes):5} {total:7}")
    for path, (length, _) in sizes.items():
        if length > REVIEW:
            verdict = "split it" if length > LIMIT else "review it"
            print(f"{path}: {length} lines, {verdict}", file=sys.stderr)


if __name__ == "__main__":
    main()
