"""The command line of `isograd run`, and one process, which needs no mpirun.

Reference: `python script.py`. Run: python -m pytest tests/launch/test_cli.py
"""

import os

import pytest

from isograd.launch import cli


def test_one_rank_runs_like_python(launch, script):
    text = """
import os, pickle, sys
class Point:
    pass
pickle.loads(pickle.dumps(Point()))
print(sys.argv, sys.path[0] == os.getcwd(), __name__, os.environ["WORLD_SIZE"])
sys.exit("the end")
"""
    path = script(text)
    code, out, err = launch(path, "-n", "2")
    assert code == 1
    assert out.strip() == f"{[str(path), '-n', '2']} True __main__ 1"
    assert err.strip() == "the end"


def test_one_rank_traceback_starts_at_the_script(launch, script):
    code, _, err = launch(script("1 / 0\n"))
    assert code == 1
    assert err.splitlines()[0] == "Traceback (most recent call last):"
    assert "script.py" in err.splitlines()[1]
    assert err.splitlines()[-1] == "ZeroDivisionError: division by zero"


def test_inside_a_world_the_script_is_that_rank(launch, script, tmp_path):
    path = script("import os\nprint(*(os.environ[k] for k in ('RANK', 'LOCAL_RANK')))\n")
    world = {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"}
    code, out, _ = launch(path, **world)
    assert (code, out) == (0, "")
    assert (tmp_path / "logs" / "rank_3.log").read_text() == "3 1\n"
    code, _, err = launch("-n", "2", path, **world)
    assert code == 2
    assert "got -n 2" in err


def test_threads_are_shared_by_the_ranks_of_a_host(launch, script, tmp_path, environment):
    del environment["OMP_NUM_THREADS"]
    for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        environment.pop(name, None)
    path = script("import os\nprint(os.environ['OMP_NUM_THREADS'])\n")
    code, out, err = launch(
        path, RANK="0", WORLD_SIZE="1000", LOCAL_RANK="0", LOCAL_WORLD_SIZE="1000"
    )
    assert (code, out.strip()) == (0, "1"), err


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "expected a script or -m module"),
        (["no_such_file.py"], "no such file: no_such_file.py"),
        (["-H", "a", "--standalone", __file__], "expected one of"),
        (["-H", "a:b", __file__], "expected host, host:slots"),
    ],
)
def test_wrong_arguments_say_what_is_expected(args, message, capsys, monkeypatch):
    for name in [*os.environ]:
        if name.startswith(("OMPI_", "PMI", "SLURM_")) or name in ("RANK", "WORLD_SIZE"):
            monkeypatch.delenv(name)
    assert cli.main(["run", *args]) == 2
    assert message in capsys.readouterr().err


def test_default_number_of_ranks(monkeypatch):
    monkeypatch.delenv("SLURM_NTASKS", raising=False)
    assert cli._default_size([cli.Host("a", 2), cli.Host("b", 3)]) == 5
    monkeypatch.setattr(cli, "device_count", lambda environ: 0)
    assert cli._default_size([]) == 1
    monkeypatch.setattr(cli, "device_count", lambda environ: 8)
    assert cli._default_size([]) == 8
    monkeypatch.setenv("SLURM_NTASKS", "6")
    assert cli._default_size([]) == 6
