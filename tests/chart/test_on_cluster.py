"""The chart on a real cluster: its API server accepts it, and the gateway's account has its rights, no more.

Every test has namespaces of its own, removed afterwards. Runs against the cluster of KUBECONFIG.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from helm import RELEASE, VALUES, Helm
from installed import SECONDS, Installed, Site, kernel_pod, kubectl, succeeded

pytestmark = [pytest.mark.chart, pytest.mark.cluster]


@pytest.mark.parametrize("name", VALUES)
def test_the_api_server_accepts_every_object(name: str, helm: Helm, new_site: Callable[[], Site]) -> None:
    site = new_site()
    succeeded(kubectl("create", "namespace", site.kernels))
    objects = [found for found in helm.objects(site.values(name)) if found["kind"] != "Namespace"]
    for found in objects:
        namespace = found["metadata"].get("namespace")
        if namespace == "gateway":
            found["metadata"]["namespace"] = site.gateway
        elif namespace:  # a hub's or the executors' is not there, since nothing is applied
            found["metadata"]["namespace"] = site.kernels
    everything = {"apiVersion": "v1", "kind": "List", "items": objects}
    answer = kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", send=everything)
    assert succeeded(answer).count("(server dry run)") == len(objects)
    assert not answer.stderr


def test_notes_say_where_the_gateway_is_and_what_is_left_to_do(install: Callable[[str], Installed]) -> None:
    site, notes = install("inline-nfs")
    assert f"http://{RELEASE}.{site.gateway}:8888" in notes
    assert "TO DO: without hub.existingSecret" in notes
    assert "WARNING" not in notes


def test_homes_are_bound(install: Callable[[str], Installed]) -> None:
    site, _ = install("pvc")
    bound = ["--for=jsonpath={.status.phase}=Bound", f"--timeout={SECONDS - 5}s"]
    succeeded(kubectl("wait", "-n", site.kernels, "pvc/homes", *bound))


RIGHTS = [
    ("create pods", "kernels", True),
    ("delete pods", "kernels", True),
    ("list pods", "kernels", True),
    ("watch pods", "kernels", True),
    ("get pods", "kernels", False),
    ("patch pods", "kernels", False),
    ("update pods --subresource=ephemeralcontainers", "kernels", False),
    ("create pods --subresource=exec", "kernels", False),
    ("get pods --subresource=log", "kernels", False),
    ("create secrets", "kernels", True),
    ("delete secrets", "kernels", True),
    ("list secrets", "kernels", True),
    ("watch secrets", "kernels", False),
    ("list events", "kernels", True),
    ("create serviceaccounts --subresource=token", "kernels", False),
    ("get configmaps", "kernels", False),
    ("create pods", "gateway", False),
    ("list secrets", "gateway", False),
    ("list pods", "default", False),
    ("list nodes", "", False),
    ("list namespaces", "", False),
]


@pytest.mark.parametrize(("right", "where", "granted"), RIGHTS)
def test_the_gateway_s_account_has_these_rights(
    right: str, where: str, granted: bool, install: Callable[[str], Installed]
) -> None:
    site, _ = install("pvc")
    namespace = {"kernels": site.kernels, "gateway": site.gateway}.get(where, where)
    account = f"--as=system:serviceaccount:{site.gateway}:{RELEASE}"
    answer = kubectl("auth", "can-i", *right.split(), account, *(["-n", namespace] if namespace else []))
    assert answer.stdout.split() == ["yes" if granted else "no"], answer.stderr


def test_restricted_admits_kernels_and_refuses_inline_nfs(helm: Helm, install: Callable[[str], Installed]) -> None:
    site, _ = install("pvc")
    pod = kernel_pod(helm, site, "pvc")
    assert pod["spec"]["initContainers"]
    answer = site.create(pod)
    succeeded(answer)
    assert "PodSecurity" not in answer.stderr
    pod["spec"]["volumes"][0] = {"name": "home", "nfs": {"server": "10.0.0.5", "path": "/home/nfs_share/claim/x"}}
    assert 'violates PodSecurity "restricted' in site.create(pod).stderr
