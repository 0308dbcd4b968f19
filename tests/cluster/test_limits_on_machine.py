"""Limits of kernels of the local runtime, where Linux has the controllers: tests/delegated, run on a node."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from cluster_machines import on
from rig.machines.machine import NODES

CHECKOUT = Path(__file__).parents[2]
GROUPS = "/sys/fs/cgroup"
# As systemd does for a unit with Delegate=yes and DelegateSubgroup=gateway. What the machine has read of this one
# is read anew.
DELEGATED = f"""
set -e
echo 3 >/proc/sys/vm/drop_caches
echo '+cpu +memory +pids' >{GROUPS}/cgroup.subtree_control
mkdir -p {GROUPS}/kernelpod/gateway
echo $$ >{GROUPS}/kernelpod/gateway/cgroup.procs
cd {CHECKOUT}
exec {sys.executable} -m pytest -p no:cacheprovider --color=no tests/delegated
"""


@pytest.mark.usefixtures("machines")
def test_kernels_of_one_machine_are_limited_as_a_whole() -> None:
    said = on(NODES[0], "sh", "-c", DELEGATED, check=False, seconds=300)
    assert "4 passed" in said, said
