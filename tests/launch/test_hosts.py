"""Hosts from `-H` and from hostfiles of Open MPI and MPICH.

Run: python -m pytest tests/launch/test_hosts.py
"""

import pytest

from isograd.launch.hosts import Host, parse_hostfile, parse_hosts


def test_hosts_from_the_command_line():
    assert parse_hosts("a:2, b,10.0.0.7:3") == [Host("a", 2), Host("b", 1), Host("10.0.0.7", 3)]
    assert parse_hosts("a,b,a") == [Host("a", 2), Host("b", 1)]


@pytest.mark.parametrize("text", ["", ",", "a:", "a:x", "a:0", "a b", "a=2"])
def test_wrong_hosts(text):
    with pytest.raises(ValueError, match="-H: expected"):
        parse_hosts(text)


def test_hostfile(tmp_path):
    path = tmp_path / "hosts"
    path.write_text("# two kinds\nnode1 slots=2 max_slots=4\n\nnode2:3  # MPICH\nnode3\n")
    assert parse_hostfile(path) == [Host("node1", 2), Host("node2", 3), Host("node3", 1)]


def test_hostfile_names_the_line(tmp_path):
    path = tmp_path / "hosts"
    path.write_text("node1\nnode2 cores=3\n")
    with pytest.raises(ValueError, match=r"hosts:2: expected host"):
        parse_hostfile(path)
    path.write_text("# nobody\n")
    with pytest.raises(ValueError, match="at least one host"):
        parse_hostfile(path)
