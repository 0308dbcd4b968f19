"""What the rig decides about machines before it starts any."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rig import lifecycle
from rig.enforcer import with_address
from rig.layout import Layout, RigError
from rig.machines import machine
from rig.machines.linux import newest_first
from rig.machines.machine import MACHINES


@pytest.mark.parametrize("nodes", [0, -1, 4, 9])
def test_only_so_many_nodes_can_be_made(nodes: int, tmp_path: Path) -> None:
    with pytest.raises(RigError, match=rf"a cluster of {nodes} nodes cannot be made: say --nodes 1 to 3"):
        lifecycle.up(Layout(tmp_path / "state", tmp_path / "cache"), nodes)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("there", [False, True], ids=["missing", "no device"])
def test_without_tap_devices_nothing_is_begun(
    there: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "TUN", tmp_path / "tun")
    if there:
        (tmp_path / "tun").mkdir()
    with pytest.raises(RigError, match=r"need tap devices.*--nodes 1"):
        lifecycle.up(Layout(tmp_path / "state", tmp_path / "cache"), 2)
    assert not (tmp_path / "state").exists()


def test_the_newest_source_that_runs_everywhere_is_tried_first() -> None:
    listed = [f"linux-source{version}" for version in ("", "-6.12", "-7.3", "-7.10", "-7.2", "-6.1", "-7.3-rt")]
    assert newest_first("\n".join(listed)) == ["linux-source-7.10", "linux-source-7.3", "linux-source-7.2"]


@pytest.mark.parametrize(
    ("node", "given", "expected"),
    [
        ("node1", {"u": "10.88.0.7"}, "10.88.0.7"),
        ("node1", {}, None),  # what Kubernetes says may be the address of another pod by now
        ("node2", {}, "10.89.0.3"),
        (None, {"u": "10.88.0.7"}, "10.88.0.7"),
    ],
)
def test_the_address_of_a_pod_is_this_nodes_or_what_kubernetes_says_of_another(
    node: str | None, given: dict[str, str], expected: str | None
) -> None:
    spec: dict[str, Any] = {"nodeName": node} if node else {}
    pod = {"metadata": {"uid": "u"}, "spec": spec, "status": {"podIP": "10.89.0.3"}}
    assert with_address(pod, given, "node1")["status"]["podIP"] == expected


def test_machines_share_no_address_and_no_device() -> None:
    for one in ("address", "interface", "pods"):
        values = [value for machine in MACHINES.values() if (value := getattr(machine, one))]
        assert len(set(values)) == len(values)
    assert all(len(machine.interface) < 16 for machine in MACHINES.values()), "Linux's limit"
