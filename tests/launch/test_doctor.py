"""`isograd doctor` looks at everything, never fails and names a fix for what is missing.

Run: python -m pytest tests/launch/test_doctor.py
"""

import json

import pytest

from isograd.launch import cli, doctor


@pytest.fixture(scope="module")
def findings() -> dict[str, doctor.Finding]:
    """One examination of this machine."""
    return {finding.name: finding for finding in doctor.examine()}


def test_it_finds_what_the_suite_itself_needs(findings):
    import numpy

    assert findings["NumPy"].found.startswith(numpy.__version__)
    assert findings["Python"].cost == ""
    assert "usable of" in findings["CPU cores"].found


def test_mpi_library_and_launcher_match(findings):
    MPI = pytest.importorskip("mpi4py.MPI")
    name = "Open MPI" if "Open MPI" in MPI.Get_library_version() else "MPICH"
    assert name in findings["MPI"].found
    assert findings["MPI"].cost == ""


def test_every_probe_reports_and_what_is_missing_has_a_cost(findings):
    assert set(findings) == set(doctor._PROBES)
    for finding in findings.values():
        assert finding.found or finding.cost, finding


def test_a_missing_library_has_a_cost_and_a_fix(monkeypatch):
    monkeypatch.setattr(doctor, "_find_onednn", lambda: None)
    assert "does not use it yet" in doctor._onednn().found  # nothing to fix for what is unused
    monkeypatch.setattr(doctor, "device_count", lambda environ: 1)
    absent = doctor._gpu_package("X", "no-such-distribution-of-ours", "slow")()
    assert absent == doctor.Finding("X", "", "slow", "pip install 'no-such-distribution-of-ours'")


def test_a_broken_library_does_not_end_the_report(monkeypatch, capsys):
    def broken() -> doctor.Finding:
        raise OSError("cannot open shared object")

    monkeypatch.setattr(doctor, "_PROBES", {"oneDNN": broken, "Python": doctor._python})
    assert cli.main(["doctor"]) == 0
    text = capsys.readouterr().out
    assert "OSError: cannot open shared object" in text
    assert cli.main(["doctor", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == ["oneDNN", "Python"]
