"""Homes that are a claim of each user's own in the hub's namespace: kernels find the NFS folders behind them."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from typing import Any

import kube
import pytest
import yaml
from deployed import NFS_SERVER, Deployed, deployed, new_folder
from provisioner import Provisioner

from kernelpod.base.names import KUBESPAWNER_USER
from kernelpod.demo.client import wait_until

IDLE_SECONDS = 40
pytestmark = [pytest.mark.deployment, pytest.mark.timeout(600)]


class Dynamic(Deployed):
    """A deployment with a storage class of its own."""

    def __init__(self) -> None:
        super().__init__(new_folder(), "dynamic")
        self.storage_class = f"nfs-{self.mark}"
        hub = self.namespaces["hub"]
        self.provisioner = Provisioner(self.storage_class, hub, NFS_SERVER, self.export, self.homes)

    def write(self, **changes: Any) -> None:
        """Write deploy.yaml, with the storage class."""
        super().write(**changes)
        data = yaml.safe_load(self.file.read_text(encoding="utf-8"))
        data["settings"]["culling"] = {"idle_seconds": IDLE_SECONDS}
        data["settings"]["homes"] = {"claims": {"size": "1Gi", "storage_class": self.storage_class}}
        self.file.write_text(yaml.safe_dump(data), encoding="utf-8")

    def claim(self, name: str, user: str) -> dict[str, Any]:
        """Return a claim as KubeSpawner makes it for this user."""
        about = {"name": name, "namespace": self.namespaces["hub"], "annotations": {KUBESPAWNER_USER: user}}
        spec = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}}
        return {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": about,
            "spec": {**spec, "storageClassName": self.storage_class},
        }

    def volume(self, user: str) -> dict[str, Any]:
        """Return the volume of a user's home."""
        found: dict[str, Any] = json.loads(kube.kubectl("get", "pv", self.volume_name(user), "-o", "json"))
        return found

    def volume_name(self, user: str) -> str:
        """Return the name of that volume, which is that of its folder, too."""
        return f"{self.namespaces['hub']}-claim-{user}"


@pytest.fixture(scope="module")
def site(need: Any) -> Iterator[Dynamic]:
    """A deployment whose hub makes claims."""
    need(shutil.which("kubectl") and os.environ.get("KUBECONFIG"), "a cluster", "make test-cluster")
    site = Dynamic()
    with site.provisioner, deployed(site):
        yield site


def test_server_and_kernel_share_the_users_own_claim(site: Dynamic) -> None:
    alice, kernel = site.server("alice"), site.kernel("alice")
    kernel.run("open('of kernel', 'w').write('one')")
    assert alice.api("GET", "contents/of kernel?type=file&format=text").json()["content"] == "one"
    (server,) = [
        pod for pod in kube.items("pods", site.namespaces["hub"]) if pod["metadata"]["name"] == "jupyter-alice"
    ]
    claims = [one["persistentVolumeClaim"] for one in server["spec"]["volumes"] if "persistentVolumeClaim" in one]
    assert claims == [{"claimName": "claim-alice"}]
    (pod,) = site.kernel_pods("alice")
    (inline,) = [one["nfs"] for one in pod["spec"]["volumes"] if "nfs" in one]
    assert inline == site.volume("alice")["spec"]["nfs"]
    assert inline == {"server": NFS_SERVER, "path": f"{site.export}/{site.volume_name('alice')}"}
    folder = site.homes / site.volume_name("alice")
    assert (folder / "of kernel").read_text(encoding="utf-8") == "one"
    assert (folder.stat().st_uid, folder.stat().st_mode & 0o777) == (1000, 0o700)
    kernel.close()


def test_a_kernel_stays_its_users_when_the_gateway_is_another_one(site: Dynamic) -> None:
    """Its record names the claim, as the settings do, and not the folder behind it."""
    kernel, space = site.kernel("alice"), site.namespaces["gateway"]
    kernel.run("x = 5")
    kube.kubectl("rollout", "restart", "deployment", "-n", space)
    (gateway,) = kube.names("deployments", space)
    kube.kubectl("rollout", "status", f"deployment/{gateway}", "-n", space, "--timeout=180s")
    assert kernel.run("print(x)") == "5\n"
    kernel.close()


def test_nobody_has_the_claim_of_another(site: Dynamic) -> None:
    kernel = site.kernel("bob")
    assert "of kernel" not in kernel.run("import os; print(os.listdir('.'))")
    (pod,) = site.kernel_pods("bob")
    assert site.volume_name("alice") not in json.dumps(pod["spec"])
    kernel.close()
    site.browser("bob").stop_server()


def test_a_claim_of_an_old_hub_is_found_by_its_former_name(site: Dynamic) -> None:
    """As KubeSpawner 6 named it. The hub's database is a new one."""
    user, claim, hub = "john.doe", "claim-john-2edoe", site.namespaces["hub"]
    kube.kubectl("apply", "-f", "-", given=site.claim(claim, user))
    kernel = site.kernel(user)
    kernel.run("open('of before', 'w').write('kept')")
    assert (site.homes / f"{hub}-{claim}" / "of before").read_text(encoding="utf-8") == "kept"
    listed = [one["name"] for one in site.server(user).api("GET", "contents").json()["content"]]
    assert "of before" in listed
    claims = [one for one in kube.names("persistentvolumeclaims", hub) if "john" in one]
    assert claims == [claim]
    kernel.close()
    site.browser(user).stop_server()


def test_a_user_cannot_have_the_claim_that_was_made_for_another(site: Dynamic) -> None:
    """By its name, it is theirs."""
    kube.kubectl("apply", "-f", "-", given=site.claim("claim-frank", "f.rank"))
    frank = site.browser("frank")
    frank.hub("POST", "/users/frank/server", ok=(201, 202, 400, 409))
    space = site.namespaces["hub"]
    said = "Your home, the claim claim-frank, was made for another user."
    wait_until(lambda: said in kube.kubectl("logs", "deployment/hub", "-n", space), "the hub's refusal")
    assert "jupyter-frank" not in site.pods("hub")
    del site.browsers["frank"]


def test_a_volume_outside_of_the_homes_is_not_mounted_and_that_is_said(site: Dynamic) -> None:
    site.provisioner.elsewhere.add("claim-erin")
    erin = site.server("erin")
    body = {"path": "a.ipynb", "name": "a", "type": "notebook", "kernel": {"name": "python-pod"}}
    answer = erin.api("POST", "sessions", body)
    assert answer.status_code >= 400
    said = answer.json()["message"]
    assert "Kernels cannot mount your home, the claim claim-erin" in said
    assert f"not below {NFS_SERVER}:{site.export}" in said
    assert not site.kernel_pods("erin")
    erin.stop_server()


def test_the_gateway_may_get_claims_and_volumes_and_nothing_more(site: Dynamic) -> None:
    who = f"--as=system:serviceaccount:{site.namespaces['gateway']}:kernelpod"

    def may(verb: str, kind: str, space: str) -> bool:
        return (
            kube.kubectl("auth", "can-i", verb, kind, who, "-n", site.namespaces[space], check=False).strip()
            == "yes"
        )

    for kind in ("persistentvolumeclaims", "persistentvolumes"):
        assert may("get", kind, "hub")
        assert not any(may(verb, kind, "hub") for verb in ("list", "watch", "create", "update", "patch", "delete"))
    assert not may("get", "persistentvolumeclaims", "kernels")
    assert not any(may("get", kind, "hub") for kind in ("pods", "secrets"))


def test_an_idle_server_is_ended_with_its_kernel(site: Dynamic) -> None:
    kernel = site.kernel("alice")
    kernel.run("open('of kernel', 'a').write('two')")
    kernel.close()
    wait_until(lambda: "jupyter-alice" not in site.pods("hub"), "the end of alice's server", 3 * IDLE_SECONDS + 60)
    wait_until(lambda: not site.kernel_pods("alice"), "the end of alice's kernel")


def test_files_outlive_server_hub_and_claim(site: Dynamic) -> None:
    """The class says Delete, as most do; `destroy` without --homes keeps what users have."""
    assert site.volume("alice")["spec"]["persistentVolumeReclaimPolicy"] == "Delete"
    site.succeeded("destroy", "--yes")
    assert site.volume("alice")["spec"]["persistentVolumeReclaimPolicy"] == "Retain"
    assert (site.homes / site.volume_name("alice") / "of kernel").exists()
