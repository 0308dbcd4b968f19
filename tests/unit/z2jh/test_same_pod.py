"""A server's pod of Zero to JupyterHub is that of our own spawner, field by field."""

from __future__ import annotations

from typing import Any

import pytest
from chart_hub import a_user, chart_spawner, sent
from hub_settings import NFS, SECTIONS
from pydantic import SecretStr

from kernelpod.settings.hubs import Hub
from kernelpod.settings.sections import Settings
from kernelpod.z2jh.values import z2jh_values
from plans import ADDITIONS
from podspawner import a_spawner

pytestmark = pytest.mark.hub

SITES: dict[str, dict[str, Any]] = {
    "homes on a claim": {},
    "homes elsewhere": {"homes": {"root": "/homes", "mount_path": "/home/lab"}},
    "homes on NFS": {"homes": {"root": "/homes", "path_template": "{hub}/{username}", "volume": NFS}},
    "homes of old names": {
        "homes": {"root": "/homes", "slug": "escape", "volume": NFS},
        "mounts": [{"name": "d", "root": "/d", "path_template": "{username}", "mount_path": "/d", "volume": NFS}],
    },
    "no homes": {"homes": {"volume": {"kind": "none"}}},
    "claims of users": {
        "homes": {"root": "/homes", "volume": {**NFS, "kind": "dynamic", "claim": "claim-{username}"}}
    },
    "everything": {
        "homes": {"root": "/homes", "mount_path": "/home/lab"},
        "policy": {"uid": 4000, "gid": 4001, "max_kernels_per_user": 30},
        "pods": {"servers": ADDITIONS},
        "culling": {"idle_seconds": 1800},
        "mounts": [
            {"name": "data", "root": "/data", "path_template": "of-{username}", "mount_path": "/d", "volume": NFS},
            {"name": "scans", "root": "/s", "mount_path": "/s", "volume": {"claim": "scans"}},
            {"name": "pip", "mount_path": "/etc/pip", "volume": {"kind": "config_map", "object": "pip"}},
        ],
    },
    "servers without our package": {"servers": {**SECTIONS["servers"], "extension": False}},
    "user namespaces": {"runtime": {"kubernetes": {"home_check_image": "g:1", "user_namespaces": True}}},
}


def compared(pod: dict[str, Any]) -> dict[str, Any]:
    """Return a pod without the few differences that are meant."""
    # The token of a pod is another each time; the values name the variable that KubeSpawner puts it into.
    (box,) = pod["spec"]["containers"]
    box["env"] = {one["name"]: one.get("value") for one in box["env"]}
    del box["env"]["JUPYTER_GATEWAY_AUTH_TOKEN"]
    # Without a name, Kubernetes takes the account `default`; neither pod gets its token.
    pod["spec"].pop("serviceAccountName", None)
    pod["spec"] = {key: value for key, value in pod["spec"].items() if value != []}
    return pod


@pytest.mark.parametrize("version", ["4.0.0", "4.4.0"])
@pytest.mark.parametrize("site", SITES)
async def test_every_field_of_a_servers_pod_is_the_same_both_ways(
    site: str, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings.model_validate({**SECTIONS, **SITES[site]})
    ours = a_spawner(monkeypatch, settings)
    values = z2jh_values(settings, "gateway", chart_version=version)
    theirs = chart_spawner(monkeypatch, values, a_user(ours.user.name))
    ours.image = theirs.image = "lab:1"
    ours.hub, theirs.hub_connect_url = theirs.hub, ours.hub_connect_url
    assert compared(sent(await theirs.get_pod_manifest())) == compared(sent(await ours.get_pod_manifest()))
    for trait in ("start_timeout", "delete_grace_period", "storage_pvc_ensure", "storage_capacity", "delete_pvc"):
        assert getattr(theirs, trait) == getattr(ours, trait), trait


@pytest.mark.parametrize("changes", [{}, {"admin_token_file": "/run/admin"}], ids=["plain", "revoking"])
def test_roles_services_and_scopes_of_the_hub_are_the_same_both_ways(
    changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from jupyterhub.app import JupyterHub
    from traitlets.config import Config

    from kernelpod.hub.config import configure

    monkeypatch.setattr(Hub, "admin_token", lambda hub: hub.admin_token_file and SecretStr("t"))
    settings = Settings.model_validate({**SECTIONS, "hubs": [{"service": "gate", **changes}]})
    c = Config()
    configure(c, settings)
    theirs = z2jh_values(settings, "gateway")["hub"]
    hub = JupyterHub(config=c)
    # JupyterHub 6 gives scopes to all users in another way than the role of former versions.
    access = [*getattr(hub, "extra_user_scopes", ())]
    ours = {role["name"]: (role["scopes"], role.get("services")) for role in hub.load_roles}
    made = {name: (role["scopes"], role.get("services")) for name, role in theirs["loadRoles"].items()}
    assert made == {"user": (["self", *access], None), **ours}
    assert [*theirs["services"]] == [service["name"] for service in hub.services]
    assert theirs["config"]["JupyterHub"]["custom_scopes"].keys() == hub.custom_scopes.keys()
    assert theirs["config"]["Spawner"]["server_token_scopes"] == c.Spawner.server_token_scopes


async def test_an_admins_volumes_are_added_to_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """As Helm merges mappings: the home stays, and comes before."""
    values = z2jh_values(Settings.model_validate(SECTIONS), "gateway", chart_version="4.4.0")
    storage = values["singleuser"]["storage"]
    storage["extraVolumes"]["scratch"] = {"name": "scratch", "emptyDir": {}}
    storage["extraVolumeMounts"]["scratch"] = {"name": "scratch", "mountPath": "/scratch"}
    pod = sent(await chart_spawner(monkeypatch, values, a_user("alice")).get_pod_manifest())
    assert [one["name"] for one in pod["spec"]["volumes"]] == ["homes", "scratch"]
    mounts = pod["spec"]["containers"][0]["volumeMounts"]
    assert [one["mountPath"] for one in mounts] == ["/home/jovyan", "/scratch"]
