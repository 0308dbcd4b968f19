"""Limits of kernels of the local runtime, where Linux has the controllers: tests/delegated, run on a node."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from cluster_machines import on
from rig.machines.machine import NODES

CHECKOUT = Path(__file__).parents[2]
GROUPS = "/sys/fs/cgroup"
# As systemd does for a unit with Delegate=yes and DelegateSubgroup=gateway, or hub. What the machine has read of
# this one is read anew.
DELEGATED = f"""
set -e
echo 3 >/proc/sys/vm/drop_caches
echo '+cpu +memory +pids' >{GROUPS}/cgroup.subtree_control
mkdir -p {GROUPS}/kernelpod-$1/$1
echo $$ >{GROUPS}/kernelpod-$1/$1/cgroup.procs
cd {CHECKOUT}
exec $2 -m pytest -p no:cacheprovider --color=no tests/delegated/$3
"""
HUB_PYTHON = CHECKOUT / ".envs" / "hub" / "bin" / "python"


@pytest.mark.usefixtures("machines")
@pytest.mark.parametrize(
    ("part", "python", "tests", "passed"),
    [
        ("gateway", sys.executable, "test_limits.py", "4 passed"),
        ("hub", str(HUB_PYTHON), "test_server_limits.py", "2 passed"),
    ],
)
def test_kernels_and_servers_of_one_machine_are_limited_as_a_whole(
    part: str, python: str, tests: str, passed: str
) -> None:
    said = on(NODES[0], "sh", "-c", DELEGATED, "sh", part, python, tests, check=False, seconds=300)
    assert passed in said, said
