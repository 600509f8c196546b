"""Files of a script on two ranks: rank 0 writes, both read, an error reaches both.

Reference: one process. Run: python -m pytest tests/launch/script/test_opening.py
"""

import re

import pytest

from isograd.launch.script.opening import shared_open
from isograd.launch.script.paths import Names

pytestmark = pytest.mark.job


def test_what_is_written_can_be_read_on_all_ranks(both, tmp_path):
    text = """
import gzip, json, logging, os
from pathlib import Path
rank = os.environ["RANK"]
run = f"run-{rank}"  # a name that differs by rank means rank 0's
os.mkdir(run)
with open(f"{run}/log.txt", "w") as log:
    log.write("hello " + rank)
    print(log.tell(), log.name == f"{run}/log.txt")
print(open(f"{run}/log.txt").read())
json.dump({"rank": rank}, open(f"{run}/x.json", "w"))  # closed by nobody
print(json.load(open(f"{run}/x.json")))
print(Path(run, "p").write_text("pp"), Path(run, "p").read_text())
with gzip.open(f"{run}/z.gz", "wt") as file:
    file.write("zz")
print(gzip.open(f"{run}/z.gz", "rt").read())
with open(f"{run}/log.txt", "r+") as log:
    log.read()
    log.write("!")
    log.seek(0)
    print(len(log.read()))
with open(f"{run}/log.txt", "ab", buffering=0) as log:
    log.write(b"?")
    print(log.tell())
logging.basicConfig(filename=f"{run}/train.log", level=logging.INFO)
logging.info("from %s", rank)
os.chdir(run)
print(sorted(os.listdir(".")))
for path, mode in (("no/such/folder", "w"), ("p", "x"), (".", "ab"), ("p/x", "r+")):
    try:
        open(path, mode)
    except OSError as error:  # rank 0's
        print(type(error).__name__, error.filename)
try:
    open("p", "w", encoding="no such encoding")
except LookupError as error:
    print("LookupError")
"""
    out, other, err = both(text)
    assert out == other
    assert out == [
        "7 True", "hello 0", "{'rank': '0'}", "2 pp", "zz", "8", "9",
        "['log.txt', 'p', 'train.log', 'x.json', 'z.gz']",
        "FileNotFoundError no/such/folder", "FileExistsError p", "IsADirectoryError .",
        "NotADirectoryError p/x", "LookupError",
    ]  # fmt: skip
    assert [p.name for p in tmp_path.glob("run-*")] == ["run-0"]
    assert (tmp_path / "run-0" / "log.txt").read_text() == "hello 0!?"
    assert (tmp_path / "run-0" / "train.log").read_text() == "INFO:root:from 0\n"
    assert err.count("rank 0's name counts on all ranks") == 1


def test_what_libraries_and_loaders_write_is_their_own(both, tmp_path):
    library = tmp_path / "site-packages" / "a_library.py"
    library.parent.mkdir()
    library.write_text("def write(path):\n    with open(path, 'w') as f:\n        f.write(path)\n")
    text = """
import os, sys, tempfile
import torch
sys.path.append("site-packages")
import a_library
rank = os.environ["RANK"]
a_library.write("cache-" + rank)
class Data(torch.utils.data.Dataset):
    def __len__(self):
        return 2
    def __getitem__(self, k):
        assert os.path.exists("cache-" + rank)  # each rank loads its own samples
        with open(f"seen-{k}", "w") as f:
            f.write(rank)
        return k
for batch in torch.utils.data.DataLoader(Data(), batch_size=2):
    pass
with tempfile.TemporaryDirectory() as folder:  # scratch is every rank's own
    path = os.path.join(folder, "best.pt")
    torch.save(torch.full((2,), float(rank)), path)
    print(torch.load(path).tolist() == [float(rank)] * 2, os.path.exists(path))
"""
    out, other, _ = both(text)
    assert out == other == ["True True"]
    assert (tmp_path / "cache-1").exists()
    assert [(tmp_path / f"seen-{k}").exists() for k in range(2)] == [True, True]


def test_ranks_that_ask_for_different_things_all_raise(launch, script, viewed, tmp_path):
    text = """
import os
if os.environ["RANK"] == "0":
    os.path.exists("a")
else:
    open("a", "w")
"""
    path = script(text)
    code, _, err = launch("-n", 2, path)
    assert code == 1
    assert re.search(rf"rank 0: .* at {path}:4", err)
    assert re.search(rf"rank 1: .* at {path}:6", err)
    assert "isograd: the same on rank 1" in err
    assert not (tmp_path / "a").exists()


def test_a_rank_that_is_done_while_the_other_goes_on(launch, script, viewed):
    text = """
import os
if os.environ["RANK"] == "0":
    os.path.exists("a")

# the end
"""
    path = script(text)
    code, _, err = launch("-n", 2, path)
    assert code == 1
    assert re.search(rf"rank 0: .* at {path}:4", err)
    assert re.search(rf"rank 1: .* at {path}:6", err)  # its last line
    assert "isograd: the same on rank 1" in err


def test_open_stays_open_without_a_view(tmp_path):
    opened = shared_open(Names())(open)
    with opened(tmp_path / "a", "w", encoding="utf-8") as file:
        file.write("x")
    with opened(tmp_path / "a") as file:
        assert file.read() == "x"
    with opened(str(tmp_path / "a"), "rb", 0) as file:
        assert file.readall() == b"x"
