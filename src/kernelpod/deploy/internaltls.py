"""What `internal_tls` changes in settings, chart values, traits and manifests, as pure functions of deploy.yaml.

Each hub has authorities of its own, with which JupyterHub makes the certificates of its internal_ssl. The gateway
has a certificate of the deployment's authority and shows it to the hubs; servers check the gateway by that
authority.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from kernelpod.deploy.settings import Deployment, OneHub

SECRET = "kernelpod-internal-tls"  # noqa: S105 - a name
"""Name of the Secret that gateway and hubs mount, each that of its own namespace."""
PLACE = "/run/secrets/internal-tls"
"""Its mount path."""
VOLUME = "internal-tls"
# The authorities whose keys the hub needs: for its API, for servers, and for what the proxy shows to both.
# JupyterHub makes another one for the proxy's API, which nobody outside of the pod needs.
HUB_AUTHORITIES = ("hub-ca", "notebooks-ca", "proxy-client-ca")
GATEWAY_AUTHORITY = "gateway-ca.crt"
"""File of the deployment's authority in a hub's Secret."""
# Where PodSpawner puts it in each server (KubeSpawner.secret_mount_path).
SERVERS_TRUST = f"/etc/jupyterhub/ssl/{GATEWAY_AUTHORITY}"
# Of the hub's pod; the next one makes its certificates anew.
CERTIFICATES = "/tmp/internal-ssl"  # noqa: S108 - the pod's own
HUB_URL = "https://hub:8081"
# KubeSpawner gives each server a Secret and a Service, and looks whether those of before are gone.
SERVERS_RULE = {"apiGroups": [""], "resources": ["secrets", "services"], "verbs": ["get", "create", "delete"]}


@dataclass(frozen=True)
class TlsSecret:
    """One Secret of internal TLS: what it holds in the cluster, and what it should hold."""

    name: str
    namespace: str
    former: dict[str, str] | None = field(repr=False)
    """None: there is no such Secret."""
    values: dict[str, str] = field(repr=False)

    @property
    def certificates(self) -> str:
        """The certificates without their keys."""
        return "".join(value for key, value in sorted(self.values.items()) if key.endswith(".crt"))


def hub_file(name: str) -> str:
    """Return the file name of a hub's authority in the gateway's Secret."""
    return f"hub-{name}.crt"


def settings(deployment: Deployment) -> dict[str, Any]:
    """Return the gateway's settings but those of hubs; empty without internal TLS."""
    if not deployment.internal_tls:
        return {}
    return {"gateway": _shown(), "servers": {"gateway_ca_file": SERVERS_TRUST}}


def hub_settings(one: OneHub) -> dict[str, str]:
    """Return the gateway's settings of a hub; empty without internal TLS."""
    if not one.deployment.internal_tls:
        return {}
    url = f"https://hub.{one.deployment.namespaces.hub}:8081/hub/api"
    return {"api_url": url, "ca_file": f"{PLACE}/{hub_file(one.name)}", **_shown()}


def _shown() -> dict[str, str]:
    return {"cert_file": f"{PLACE}/tls.crt", "key_file": f"{PLACE}/tls.key"}


def hub_traits(one: OneHub) -> dict[str, dict[str, Any]]:
    """Return the hub's configuration by class and trait; empty without internal TLS."""
    if not one.deployment.internal_tls:
        return {}
    authorities = {name: {"cert": f"{PLACE}/{name}.crt", "key": f"{PLACE}/{name}.key"} for name in HUB_AUTHORITIES}
    gateway = f"{PLACE}/{GATEWAY_AUTHORITY}"
    hub = {
        "internal_ssl": True,
        "internal_certs_location": CERTIFICATES,
        # The gateway is the only service that asks the hub from elsewhere.
        "external_ssl_authorities": {**authorities, "services-ca": {"cert": gateway}},
        "trusted_alt_names": ["DNS:hub", f"DNS:hub.{one.deployment.namespaces.hub}"],
    }
    return {
        "JupyterHub": hub,
        "KubeSpawner": {"hub_connect_url": HUB_URL},
        "PodSpawner": {"gateway_ca_file": gateway},
    }


def volume() -> dict[str, Any]:
    """Return the volume of the Secret, for a pod whose group reads it."""
    return {"name": VOLUME, "secret": {"secretName": SECRET, "defaultMode": 0o440}}


def mount() -> dict[str, Any]:
    """Return the mount of that volume."""
    return {"name": VOLUME, "mountPath": PLACE, "readOnly": True}


def hub_pod(one: OneHub) -> dict[str, Any]:
    """Return the patch of the hub's pod: the Secret, and probes through the proxy.

    Kubernetes has no certificate to show to the hub's API.
    """
    scheme = {"scheme": "HTTPS"} if one.deployment.hub.https_secret else {}
    probe = {"httpGet": {"port": "public", **scheme}}
    container = {"name": "hub", "startupProbe": probe, "livenessProbe": probe, "volumeMounts": [mount()]}
    return {"containers": [container], "volumes": [volume()]}
