"""ConfigMaps, Secrets and volumes of a CSI driver in kernels, on a node."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Iterator
from typing import Any

import kube
import pytest
from cluster_site import MakeSite, Site
from rig import binaries
from rig.layout import NODE_NAME, Layout

from doubles import eventually
from kernelpod.base.names import user_slug

READ = """
import os
for place in ('/etc/pip/pip.conf', '/opt/licence/key', '/opt/store/class', '/opt/store/token'):
    print(open(place).read() if os.path.exists(place) else '-', os.access(os.path.dirname(place), os.W_OK))
"""


def csi_node() -> str:
    """Return what the node says of its drivers; there is nothing before the first one came."""
    return kube.kubectl("get", "csinode", NODE_NAME, "-o", "yaml", check=False)


@pytest.fixture(scope="module")
def driver(need: Any) -> Iterator[str]:
    """The name of a CSI driver that writes what it is told; it is gone afterwards."""
    layout = Layout.from_environment()
    binary = binaries.folder(binaries.CSI, layout.cache) / "csi"
    need(layout.kubelet.is_dir(), "the test cluster", "make cluster-up")
    need(binary.exists(), "the CSI driver of the tests", "make test-cluster builds it")
    name = f"test-{uuid.uuid4().hex[:6]}.kernelpod.io"
    spec = {"attachRequired": False, "podInfoOnMount": True, "volumeLifecycleModes": ["Ephemeral"]}
    about = {"apiVersion": "storage.k8s.io/v1", "kind": "CSIDriver", "metadata": {"name": name}, "spec": spec}
    kube.kubectl("apply", "-f", "-", given=about)
    with subprocess.Popen([binary, name, str(layout.kubelet), NODE_NAME]) as running:
        try:
            eventually(lambda: name in csi_node(), 60, what="kubelet knows the driver")
            yield name
        finally:
            running.terminate()
            kube.kubectl("delete", "csidriver", name, check=False)
    eventually(lambda: name not in csi_node(), 60, what="kubelet has forgotten the driver")


@pytest.fixture(scope="module")
def volumes(make_site: MakeSite, driver: str) -> Site:
    """A gateway with a mount of each kind; its namespace has what they name."""
    csi = {"kind": "csi", "driver": driver, "attributes": {"class": "$(HOME) {x}"}, "publish_secret": "vault"}
    site = make_site(
        mounts=[
            {"name": "pip", "mount_path": "/etc/pip", "volume": {"kind": "config_map", "object": "pip"}},
            {
                "name": "licence",
                "mount_path": "/opt/licence",
                "groups": ["staff"],
                "volume": {"kind": "secret", "object": "licence"},
            },
            {"name": "store", "mount_path": "/opt/store", "volume": csi},
            {
                "name": "absent",
                "mount_path": "/opt/absent",
                "users": ["John.Döe"],
                "volume": {"kind": "config_map", "object": "absent"},
            },
        ]
    )
    given = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "pip"}, "data": {"pip.conf": "[global]"}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "licence"}, "stringData": {"key": "K$(HOME)"}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "vault"}, "stringData": {"token": "T"}},
    ]
    kube.kubectl("apply", "-n", site.namespace, "-f", "-", given=given)
    return site


def test_a_kernel_reads_what_is_mounted_and_writes_none_of_it(volumes: Site) -> None:
    kernel = volumes.alice.start("python-pod")
    said = volumes.alice.run(kernel, READ)
    assert said == "[global] False\nK$(HOME) False\n$(HOME) {x} False\nT False\n"


def test_who_is_not_in_its_group_has_no_secret(volumes: Site) -> None:
    kernel = volumes.bob.start("python-pod")
    assert volumes.bob.run(kernel, READ).splitlines()[1] == "- False"


def test_a_config_map_that_is_not_there_is_told(volumes: Site) -> None:
    volumes.home(user_slug("John.Döe"))
    answer = volumes.by("john-token").post("python-pod").json()
    assert answer["code"] == "mount_failed"
    assert 'configmap "absent" not found' in answer["message"]
    volumes.stop_kernels()
