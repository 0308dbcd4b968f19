"""Plans the Secrets of `internal_tls`: what exists is kept, what is missing is made, what ends soon is renewed.

They stay when the key is switched off, so that a rollback finds them. `destroy` removes them.
"""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from kernelpod.deploy import rendered
from kernelpod.deploy.authority import Pair, authority, certificate, end, ends_soon
from kernelpod.deploy.cluster import Cluster, ClusterError
from kernelpod.deploy.internaltls import GATEWAY_AUTHORITY, HUB_AUTHORITIES, SECRET, TlsSecret, hub_file
from kernelpod.deploy.settings import Deployment
from kernelpod.settings.sections import Settings

AUTHORITY = "kernelpod-authority"
"""Secret in the gateway's namespace that holds the deployment's authority with its key. No pod mounts it."""


def plan(cluster: Cluster, deployment: Deployment, settings: Settings, now: datetime) -> list[TlsSecret]:
    """Return the Secrets that internal TLS needs. Nothing is changed.

    Raises ClusterError for a Secret that cannot be used.
    """
    gateway = deployment.namespaces.gateway
    ours = _read(cluster, AUTHORITY, gateway)
    root = _authority(AUTHORITY, gateway, ours, "ca", "kernelpod gateway authority", now)
    planned = [TlsSecret(AUTHORITY, gateway, ours, {"ca.crt": root.certificate, "ca.key": root.key})]
    there = _read(cluster, SECRET, gateway)
    names = _names(settings.servers.gateway_url, gateway)
    shown = certificate(names, root, _pair(there or {}, "tls"), now)
    of_gateway = {"ca.crt": root.certificate, "tls.crt": shown.certificate, "tls.key": shown.key}
    for one in deployment.hubs():
        space = one.deployment.namespaces.hub
        known, wanted = _read(cluster, SECRET, space), {GATEWAY_AUTHORITY: root.certificate}
        for name in HUB_AUTHORITIES:
            made = _authority(SECRET, space, known, name, f"{name} of {one.name}"[:64], now)
            wanted |= {f"{name}.crt": made.certificate, f"{name}.key": made.key}
        of_gateway[hub_file(one.name)] = wanted["hub-ca.crt"]
        planned.append(TlsSecret(SECRET, space, known, wanted))
    return [*planned, TlsSecret(SECRET, gateway, there, of_gateway)]


def problems(cluster: Cluster, deployment: Deployment, now: datetime) -> list[str]:
    """Return a sentence if certificates of internal TLS are missing, or one of them ends soon or has ended."""
    # The gateway's Secret has a certificate of each age: its own, and those of all authorities that make others.
    try:
        values = cluster.read_secret(SECRET, deployment.namespaces.gateway)
        first = min(end(value) for key, value in values.items() if key.endswith(".crt"))
    except ValueError:
        return ["the certificates of internal_tls are missing or damaged; run `kernelpod deploy`"]
    said = f"a certificate of internal_tls ends on {first:%Y-%m-%d}; run `kernelpod deploy`, which renews it"
    return [said] if ends_soon(first, now) else []


def _read(cluster: Cluster, name: str, space: str) -> dict[str, str] | None:
    found: dict[str, Any] | None = cluster.get("secret", name, space)
    if found is None:
        return None
    if not rendered.MANAGED.items() <= found["metadata"].get("labels", {}).items():
        raise ClusterError(
            f"internal_tls: the Secret {name} in the namespace {space} was not made by `kernelpod deploy`, which "
            "needs this name. Store it under another name and delete it."
        )
    # What is not text cannot be used, either, and is then said to be damaged.
    return {
        key: base64.b64decode(value).decode("utf-8", "replace") for key, value in found.get("data", {}).items()
    }


def _pair(values: dict[str, str], name: str) -> Pair | None:
    files = (f"{name}.crt", f"{name}.key")
    return Pair(*(values.get(file, "") for file in files)) if any(file in values for file in files) else None


def _authority(
    secret: str, space: str, values: dict[str, str] | None, name: str, called: str, now: datetime
) -> Pair:
    try:
        return authority(called, _pair(values or {}, name), now)
    except ValueError as error:
        raise ClusterError(
            f"internal_tls: {name}.crt and {name}.key in the Secret {secret} of the namespace {space} cannot be "
            f"used: {error}. Delete the Secret and deploy again; users then start their servers again."
        ) from error


def _names(gateway_url: str, space: str) -> list[str]:
    """Return the host names under which the gateway is reached, also by who forwards its port."""
    host = str(urlsplit(gateway_url).hostname)
    return [host, *([f"{host}.svc"] if host.endswith(f".{space}") else []), "localhost"]
