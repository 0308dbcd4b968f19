"""Generates values for Zero to JupyterHub that have the effect of `configure` and `configure_kubespawner`.

All functions are pure functions of the settings and do not import JupyterHub. The chart's own hub does not contain
this package, so values that differ by user must be expressed with KubeSpawner's `{username}`; other settings are
rejected. Courses cannot be expressed that way. With courses the values contain this package (`packed`) and use its
spawner.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from kernelpod.base import hubnetworks, yamltext
from kernelpod.base.merging import merged
from kernelpod.errors import SettingsError
from kernelpod.homes.mounts import mounts_for
from kernelpod.hub import servers
from kernelpod.pods.parts import restricted
from kernelpod.pods.server import claim_traits
from kernelpod.pods.serverfields import variables
from kernelpod.settings.hubs import Hub
from kernelpod.settings.sections import Settings
from kernelpod.z2jh import versions as charts
from kernelpod.z2jh.bundle import packed, templates
from kernelpod.z2jh.podvalues import STAND_IN, per_user, pod_values

# With courses: the folder of this package in the hub's pod, and the claim of the courses files.
PLACE = "/usr/local/share/jupyterhub"
TEMPLATES = f"{PLACE}/kernelpod-templates"
COURSES_FILES = "courses-files"
# With courses: the block of hub.extraConfig that loads this package.
OUR_BLOCK = "90-kernelpod"
GATEWAY_LABELS = {"app.kubernetes.io/name": "kernelpod", "app.kubernetes.io/component": "gateway"}
GATEWAY_PORT = 8888
HUB_PORT = 8081


def z2jh_values(
    settings: Settings,
    gateway_namespace: str,
    image: str | None = None,
    kernel_images: Sequence[str] = (),
    hub_name: str = "",
    chart_version: str = charts.NEWEST,
    internet: Sequence[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """Return the values. `image` (NAME:TAG) is the image of servers; by default it is the chart's.

    The chart's pre-puller pulls `kernel_images` on the nodes of servers. `hub_name` is the hub's name in the
    settings, needed if they have several hubs. `internet` are the rules of egress by which servers reach the
    internet; by default those of hub/manifests.
    Raises SettingsError for settings that these values cannot express.
    """
    hub = settings.hub(hub_name)
    _check(settings, hub)
    values: dict[str, Any] = {
        "hub": _hub(settings, hub, gateway_namespace),
        "singleuser": _singleuser(settings, hub, gateway_namespace, chart_version),
        "cull": _cull(settings),
    }
    if not hub.courses:
        escaped = charts.escaped_placeholder(chart_version)
        values = merged(values, pod_values(settings, hub, escaped, maps=charts.takes_maps(chart_version)))
    values["singleuser"]["networkPolicy"]["egress"] += hubnetworks.internet() if internet is None else internet
    values["hub"]["config"] |= charts.config_for(
        chart_version, settings.homes.slug, courses=hub.courses is not None
    )
    if subdomains := servers.subdomains(hub):
        values["hub"]["config"].setdefault("JupyterHub", {}).update(subdomains)
        # The chart starts the proxy by itself and does not tell it about hosts.
        values["proxy"] = {"chp": {"extraCommandLineFlags": ["--host-routing"]}}
    if image:
        values["singleuser"]["image"] = _image(image)
    if kernel_images:
        extra = {f"kernel-{number}": _image(name) for number, name in enumerate(kernel_images)}
        values["prePuller"] = {"extraImages": extra}
    return values


def _singleuser(settings: Settings, hub: Hub, gateway_namespace: str, chart_version: str) -> dict[str, Any]:
    # With courses the path of a home depends on more than the user name, so the spawner sets it.
    path = {} if hub.courses else {"KERNEL_PATH": mounts_for(settings, hub.name, STAND_IN, ()).home.path}
    return {
        "cmd": ["jupyterhub-singleuser", *servers.arguments(settings)],
        "startTimeout": servers.pod_timeout_seconds(settings),
        "uid": settings.policy.uid,
        # The chart's own would let Kubernetes change the owners of all homes on some volumes.
        "fsGid": None,
        "allowPrivilegeEscalation": False,
        # It would need a privileged container, and the network policy denies link-local addresses anyway.
        "cloudMetadata": {"blockWithIptables": False},
        "extraEnv": per_user(
            {
                **servers.environment(settings, hub),
                "JUPYTER_GATEWAY_AUTH_TOKEN": "$(JUPYTERHUB_API_TOKEN)",
                **path,
                **variables(settings),
            },
            charts.escaped_placeholder(chart_version),
        ),
        "networkPolicy": {
            # The chart's own rule allows metadata services of some clouds, and no IPv6.
            "egressAllowRules": {"nonPrivateIPs": False},
            "egress": [_rule("to", gateway_namespace, GATEWAY_PORT)],
        },
        # The volumes contain the home, whether it is on a claim or on NFS. With courses the spawner mounts them.
        "storage": {"type": "none", "homeMountPath": settings.homes.mount_path},
    }


def _image(image: str) -> dict[str, str]:
    """Return the two parts of NAME:TAG or NAME@sha256:DIGEST; the chart joins them again with a colon."""
    name, _, tag = image.rpartition(":")
    if not name or "/" in tag:  # no tag: a colon, if there is one, belongs to a port
        raise SettingsError(f"the image {image} has no tag; write NAME:TAG for the chart of Zero to JupyterHub")
    return {"name": name, "tag": tag}


def _check(settings: Settings, hub: Hub) -> None:
    """Raise SettingsError for settings that would differ between servers and kernels."""
    if not hub.courses and any(mount.users or mount.groups or mount.writers for mount in settings.mounts):
        raise SettingsError(
            "mounts: Zero to JupyterHub cannot mount a folder for some users only; leave out users, groups and "
            "writers, or use the hub of hub/manifests"
        )
    by_rule = any(rule.uid or rule.gid or rule.supplemental_groups for rule in settings.policy.rules)
    if (by_rule or hub.user_ids) and not hub.courses:
        raise SettingsError(
            "policy.rules, hubs.user_ids: Zero to JupyterHub cannot give some users other ids; use the hub of "
            "hub/manifests"
        )
    if not settings.runtime.kubernetes.home_check_image:
        raise SettingsError(
            "runtime.kubernetes.home_check_image: set an image with a shell, such as the gateway's"
        )
    if urlsplit(settings.servers.gateway_url).hostname in ("127.0.0.1", "localhost", "::1"):
        raise SettingsError(
            "servers.gateway_url: servers are pods; set the gateway's address in the cluster, such as "
            "http://kernelpod.gateway:8888"
        )


def _hub(settings: Settings, hub: Hub, gateway_namespace: str) -> dict[str, Any]:
    access = servers.access_scope(hub)
    roles: dict[str, Any] = {
        "user": {"scopes": ["self", access]},
        "kernelpod-gateway": {"scopes": [*servers.GATEWAY_SCOPES], "services": [hub.service]},
    }
    config: dict[str, Any] = {
        "Spawner": {"server_token_scopes": servers.token_scopes(settings, hub)},
        "KubeSpawner": {
            "delete_grace_period": servers.grace_period_seconds(settings),
            "gid": settings.policy.gid,
            "container_security_context": restricted(),
            **claim_traits(settings, hub),
        },
    }
    names = [hub.service]
    if hub.admin_token_file:
        names.append(servers.admin_service(hub))
        roles["kernelpod-revoke"] = {"scopes": servers.admin_scopes(settings, hub), "services": names[1:]}
    admin = settings.identity.admin_scope
    if admin.startswith("custom:"):
        config["JupyterHub"] = {"custom_scopes": {admin: {"description": servers.ADMIN_SCOPE_MEANS}}}
        roles[servers.ADMIN_ROLE] = {"scopes": [admin, access]}
    return {
        # The path at which the gateway asks the hub.
        **({"baseUrl": hub.base_path} if hub.base_path else {}),
        **(_courses(settings, hub, hub.courses) if hub.courses else {}),
        **({"templateVars": notes} if (notes := servers.page_notes(settings)) else {}),
        "config": config,
        # The chart's hub ends after five starts that fail, and any user can make the start of their server fail.
        "consecutiveFailureLimit": 0,
        # The chart creates the tokens: Secret `hub`, key `hub.services.<name>.apiToken`.
        "services": {name: {"display": False} for name in names},
        "loadRoles": roles,
        "networkPolicy": {
            "ingress": [_rule("from", gateway_namespace, HUB_PORT)],
            # As the chart's own rules, but without metadata services of clouds.
            "egressAllowRules": {"cloudMetadataServer": False, "nonPrivateIPs": False, "privateIPs": False},
            "egress": hubnetworks.rules("hub", "egress"),
        },
    }


def _cull(settings: Settings) -> dict[str, Any]:
    """Return the chart's culling. Its defaults ignore kernels, so it is off if the settings cull nothing."""
    if not settings.culling.idle_seconds:
        return {"enabled": False}
    made = servers.culling(settings)
    return {
        "enabled": True,
        "timeout": made.server_idle_seconds,
        "every": made.server_look_seconds,
        "concurrency": made.concurrency,
    }


def _courses(settings: Settings, hub: Hub, file: Path) -> dict[str, Any]:
    """Return the values that let the chart's hub read the courses file: package, settings and volume."""
    tokens: Any = {"__all__": {"token"}}
    text = yamltext.dump(settings.model_dump(mode="json", exclude={"hubs": tokens}))
    code = f"{PLACE}/kernelpod.zip"
    return {
        "extraFiles": {
            "kernelpod": {"mountPath": code, "binaryData": base64.b64encode(packed()).decode()},
            "kernelpod-settings": {"mountPath": f"{PLACE}/kernelpod-settings.yaml", "stringData": text},
            **{
                f"kernelpod-{name}": {"mountPath": f"{TEMPLATES}/{name}", "stringData": page}
                for name, page in templates().items()
            },
        },
        "extraConfig": {
            # The chart runs these scripts in the order of their names.
            OUR_BLOCK: "import sys\n"
            f"sys.path.insert(0, {code!r})\n"
            "from kernelpod.z2jh.hook import configure_zero\n"
            f"configure_zero(c, {f'{PLACE}/kernelpod-settings.yaml'!r}, {hub.name!r}, {TEMPLATES!r})\n"
        },
        "extraVolumes": [
            {"name": COURSES_FILES, "persistentVolumeClaim": {"claimName": COURSES_FILES, "readOnly": True}},
        ],
        "extraVolumeMounts": [{"name": COURSES_FILES, "mountPath": str(file.parent), "readOnly": True}],
    }


def _rule(direction: str, namespace: str, port: int) -> dict[str, Any]:
    gateway = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "podSelector": {"matchLabels": dict(GATEWAY_LABELS)},
    }
    return {direction: [gateway], "ports": [{"protocol": "TCP", "port": port}]}
