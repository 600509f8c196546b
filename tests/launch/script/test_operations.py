"""Folders are made once and questions have one answer, on two ranks.

Reference: one process. Run: python -m pytest tests/launch/script/test_operations.py
"""

import pytest

pytestmark = pytest.mark.job


def test_one_process_and_two_ranks_see_the_same(both, launch, script, tmp_path):
    text = """
import glob, os, shutil
from pathlib import Path
os.makedirs("a/b", exist_ok=True)
Path("a/c").mkdir()
for name in ("a/x.txt", "a/b/y.txt"):
    Path(name).write_text(name)
shutil.copy("a/x.txt", "a/c/z.txt")
print(shutil.move("a/x.txt", "a/w.txt"), Path("a/w.txt").rename("a/v.txt"))
os.rename("a/v.txt", "a/u.txt")
Path("a/touched").touch()
print(os.path.exists("a/x.txt"), os.path.isfile("a/u.txt"), os.path.isdir("a"), Path("a").is_dir())
print(os.path.getsize("a/u.txt"), Path("a/u.txt").stat().st_size, Path("a/none").exists())
print(sorted(os.listdir("a")), sorted(glob.glob("a/*.txt")), sorted(Path("a").rglob("*.txt")))
with os.scandir("a") as entries:
    print(sorted((e.name, e.is_dir(), e.is_file(), e.stat().st_size > 0) for e in entries))
print(sorted((top, sorted(names)) for top, folders, names in os.walk("a")))
for top, folders, names in os.walk("a"):
    folders[:] = [name for name in folders if name != "b"]  # prune
    print(top, sorted(folders))
try:
    os.rmdir("a")
except OSError as error:
    print(type(error).__name__, error.filename)
try:
    os.listdir("nowhere")
except OSError as error:
    print(error)
shutil.rmtree("a/b")
os.remove("a/u.txt")
print(sorted(os.listdir("a")))
shutil.rmtree("a")
"""
    out, other, _ = both(text)
    code, alone, err = launch(script(text))
    assert code == 0, err
    assert out == other == alone.splitlines()
    assert not (tmp_path / "a").exists()


def test_rank_0_answers_even_where_the_others_see_otherwise(both):
    text = """
import os, tempfile
real = os.path.exists.__wrapped__
own = tempfile.gettempdir() + "/isograd-test-" + str(os.getpid())
print(os.path.exists(own), os.access(own, os.R_OK))
print(os.path.exists(f"/proc/{os.getpid()}"))  # every rank's own
"""
    out, other, _ = both(text)
    assert out == other == ["False False", "True"]
