"""microk8s: its add-ons, and the node's NFS client."""

from __future__ import annotations

import pytest
import yaml
from deployments import Answers, deployment

from kernelpod.deploy import microk8s
from kernelpod.deploy.cluster import ClusterError
from kernelpod.deploy.progress import Progress
from kernelpod.errors import SettingsError


@pytest.fixture
def nfs_common(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: f"/sbin/{name}")


def status(*enabled: str) -> str:
    names = ("dns", "rbac", "metallb", "hostpath-storage")
    listed = [{"name": name, "status": "enabled" if name in enabled else "disabled"} for name in names]
    return yaml.safe_dump({"microk8s": {"running": True}, "addons": listed})


@pytest.mark.usefixtures("nfs_common")
def test_microk8s_is_asked_for_the_addons_that_are_off() -> None:
    tools = Answers(microk8s_status=status("dns"))
    found = microk8s.missing(tools.cluster(on_microk8s=True), deployment())
    assert found == ["rbac", "hostpath-storage"]
    microk8s.enable(tools.cluster(on_microk8s=True), found, Progress(print))
    assert tools.asked[1:] == [["microk8s", "enable", "rbac"], ["microk8s", "enable", "hostpath-storage"]]


@pytest.mark.usefixtures("nfs_common")
def test_a_load_balancer_on_microk8s_needs_a_range() -> None:
    tools = Answers(microk8s_status=status("dns", "rbac"))
    hub = {"users": ["a"], "service": "LoadBalancer", "database": {"host_path": "/srv/hub"}}
    with pytest.raises(SettingsError, match=r"microk8s\.metallb"):
        microk8s.missing(tools.cluster(on_microk8s=True), deployment(hub=hub))
    given = deployment(hub=hub, microk8s={"metallb": "10.0.0.9-10.0.0.19"})
    assert microk8s.missing(tools.cluster(on_microk8s=True), given) == ["metallb:10.0.0.9-10.0.0.19"]


def test_a_node_that_cannot_mount_nfs_is_told_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    with pytest.raises(ClusterError, match="apt-get install nfs-common"):
        microk8s.missing(Answers().cluster(on_microk8s=True), deployment())


def test_another_cluster_is_not_asked_for_addons() -> None:
    assert microk8s.missing(Answers().cluster(), deployment()) == []
