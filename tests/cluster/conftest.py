"""Kernels on a real Kubernetes: a gateway beside the cluster, a namespace of its own, homes on a real NFS server.

Run by `make test-cluster`, inside the network of the test cluster, or where KUBECONFIG says on a node of another.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import kube
import pytest
from cluster_machines import on
from cluster_site import IMAGES, NFS_FOLDER, NFS_PATH, NFS_SERVER, USERS, MakeSite, Site, claim_on
from deployed import Deployed
from rig.layout import Layout
from rig.machines.machine import FILER, MACHINES

from doubles import FakeHub, GatewayProcess

_REPORTED = pytest.StashKey[str]()
# The last test also removes what all have shared.
TEST_SECONDS = 400


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs a cluster, except the tests of the rig's pure functions."""
    for item in items:
        if "machines" in getattr(item, "fixturenames", ()):
            item.add_marker("machines")
        if Path(__file__).parent in item.path.parents and not item.path.name.startswith("test_rig"):
            item.add_marker("cluster")
            if not item.get_closest_marker("timeout"):
                item.add_marker(pytest.mark.timeout(TEST_SECONDS))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    """Print what the cluster says when a test fails."""
    outcome = yield
    if outcome.failed:
        for given in getattr(item, "funcargs", {}).values():
            if isinstance(given, Deployed):
                outcome.sections.append(("the deployment", given.report()))
        if namespace := item.config.stash.get(_REPORTED, ""):
            outcome.sections.append((f"namespace {namespace}", kube.report(namespace)))
    return outcome


@pytest.fixture(scope="session")
def hub() -> Iterator[FakeHub]:
    """A hub that knows the users."""
    with FakeHub() as running:
        running.users.update(USERS)
        yield running


@pytest.fixture(scope="session")
def make_site(need: Any, hub: FakeHub, request: pytest.FixtureRequest) -> Iterator[MakeSite]:
    """A function that starts a gateway with some settings changed; all are removed at the end."""
    need(shutil.which("kubectl") and os.environ.get("KUBECONFIG"), "a cluster", "make test-cluster")
    sites: list[Site] = []
    namespaces = []

    def make(
        volume: str = "nfs",
        patience_seconds: float = 60,
        mounts: Sequence[Any] = (),
        accounts: Sequence[str] = (),
        filer: str = "",
        mount_options: Sequence[str] = ("nfsvers=4.1",),
        replicated: bool = False,
        kernels_per_user: int = 20,
        sections: Mapping[str, Any] = MappingProxyType({}),
        **kubernetes: Any,
    ) -> Site:
        namespace = kube.new_namespace("kernels")
        namespaces.append(namespace)
        name = namespace.__enter__()
        request.config.stash[_REPORTED] = name
        folder = Path(tempfile.mkdtemp(prefix="kp-", dir="/tmp"))
        if filer:
            homes = Path(filer, name)
            on(FILER, "install", "-d", "-m", "0755", f"/srv{homes}")
        else:
            homes = NFS_FOLDER / name
            homes.mkdir(parents=True)
        server, export = (FILER.address, str(homes)) if filer else (NFS_SERVER, f"{NFS_PATH}/{name}")
        homes_volume = {"kind": "nfs", "server": server}
        if volume == "pvc":
            homes_volume = {"kind": "pvc", "claim": "homes"}
            kube.kubectl("apply", "-f", "-", given=claim_on(export, name, server, mount_options))
        settings = {
            "hubs": [{"api_url": hub.api_url}],
            "gateway": {"port": 0, "max_starts_per_user": 20, "replicated": replicated},
            "policy": {"max_kernels_per_user": kernels_per_user},
            "identity": {"cache_seconds": 0.2, "negative_cache_seconds": 0.2},
            "kernelspecs": {
                "path": str(folder / "kernelspecs"),
                "refresh_seconds": 0.05,
                "service_accounts": list(accounts),
            },
            "start": {"grace_period_seconds": 6, "launch_timeout_seconds": patience_seconds},
            "homes": {"root": export, "volume": homes_volume},
            "mounts": list(mounts),
            "runtime": {
                "kind": "kubernetes",
                "local": {"state_dir": str(folder / "s")},
                "kubernetes": {
                    "namespace": name,
                    "kubeconfig": os.environ["KUBECONFIG"],
                    "heal_seconds": 8,
                    "home_check_image": IMAGES.format("gateway"),
                    **kubernetes,
                },
            },
            **sections,
        }
        site = Site(name, folder, homes, export, hub, GatewayProcess(settings, folder), bool(filer))
        sites.append(site)
        site.spec("python-pod")
        for user in ("alice", "bob", "carol"):
            site.home(user)
        site.gateway.start()
        return site

    yield make
    for site in sites:
        site.gateway.remove()
    # All at once; each is waited for below.
    kube.kubectl("delete", "namespace", *(site.namespace for site in sites), "--wait=false", check=False)
    for site, namespace in zip(sites, namespaces, strict=True):
        namespace.__exit__(None, None, None)
        kube.kubectl("delete", "pv", f"homes-{site.namespace}", "--ignore-not-found", check=False)
        site.remove_homes()
        shutil.rmtree(site.folder)


@pytest.fixture(scope="session")
def machines(need: Any) -> None:
    """Nodes and an NFS server with kernels of their own."""
    there = all(Layout.from_environment().machine(one.name).exists() for one in MACHINES.values())
    need(there, "a node with a kernel of its own", "tests/cluster/cluster up --nodes 3")


@pytest.fixture(scope="session")
def shared_site(make_site: MakeSite) -> Site:
    """The gateway of all tests that need nothing special; see `site`."""
    return make_site()


@pytest.fixture
def site(shared_site: Site, request: pytest.FixtureRequest) -> Iterator[Site]:
    """The shared gateway, with no kernel before and none after, and no traceback in its log."""
    request.config.stash[_REPORTED] = shared_site.namespace
    before = len(shared_site.gateway.log)
    yield shared_site
    shared_site.stop_kernels()
    said = shared_site.gateway.log[before:]
    assert "Traceback" not in said, said[-6000:]
