"""Scripts that import mpi4py communicate by themselves.

Run: python -m pytest tests/launch/test_explicit.py
"""

import pytest

from isograd.launch.explicit import uses_mpi


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("from mpi4py import MPI\n", True),
        ("def main():\n    import os, mpi4py.MPI as M\n", True),
        ("import torch\n# import mpi4py\ns = 'import mpi4py'\n", False),
        ("import torch.distributed as dist\ndist.init_process_group()\n", False),
        ("this is no python\n", False),
    ],
)
def test_read_from_the_source(tmp_path, text, answer):
    path = tmp_path / "s.py"
    path.write_text(text)
    assert uses_mpi(path) is answer


def test_no_such_file(tmp_path):
    assert not uses_mpi(tmp_path / "none.py")


def test_shards_are_refused(launch, script):
    code, _, err = launch("--shards", 2, script("import mpi4py\n"))
    assert code != 0
    assert "--shards is for scripts that leave communication to isograd" in err
