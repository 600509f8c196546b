"""The example hostfile is one that `isograd run --hostfile` understands.

Run: python -m pytest tests/cluster/test_hostfile.py
"""

from pathlib import Path

from isograd.launch.hosts import Host, parse_hostfile

HOSTFILE = Path(__file__).parents[2] / "cluster" / "hostfile"


def test_both_ways_of_writing_are_read():
    assert parse_hostfile(HOSTFILE) == [Host("node1", 4), Host("node2", 4), Host("node3", 2)]
