"""Configures a JupyterHub so that its users' servers start their kernels through the gateway.

from kernelpod.hub.config import configure
configure(c, load(Path("/etc/kernelpod/settings.yaml")))
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from jupyterhub.app import JupyterHub

from kernelpod.mounts import UserMounts, mounts_for
from kernelpod.settings import Hub, Settings

# jupyter_server asks the gateway for a start time-out that is this much shorter than its own request's.
CLIENT_PAD_SECONDS = 2
SERVER_TOKEN_SCOPES = ("users:activity!user", "read:servers!server")


def configure(c: Any, settings: Settings) -> None:
    """Set on the hub's configuration `c` all that servers need; what `c` holds already is kept.

    Sets: the service that stands for the gateway, the scope that lets users and their servers use it, and
    the servers' environment, arguments and grace periods. Lists and mappings are extended, never replaced.
    """
    hub = settings.hubs[0]
    _grant(c, settings, hub)
    c.Spawner.environment.update(server_environment(settings, hub))
    # jupyter_server's own protocol is not spoken by the gateway's side; Lab would show "Unknown" for ever.
    c.Spawner.args.append("--GatewayWebSocketConnection.kernel_ws_protocol=")
    if not settings.servers.extension:
        c.Spawner.args.append("--ServerApp.log_level=WARN")
    c.KubeSpawner.delete_grace_period = math.ceil(settings.servers.grace_period_seconds)
    c.LocalProcessSpawner.interrupt_timeout = math.ceil(settings.servers.grace_period_seconds)


def _grant(c: Any, settings: Settings, hub: Hub) -> None:
    access = f"access:services!service={hub.service}"
    service = {"name": hub.service, "display": False}
    if token := hub.service_token():
        service["api_token"] = token.get_secret_value()
    c.JupyterHub.services.append(service)
    if "extra_user_scopes" in JupyterHub.class_trait_names():
        c.JupyterHub.extra_user_scopes.update({access})
    else:  # JupyterHub 5 and before
        c.JupyterHub.load_roles.append({"name": "user", "scopes": ["self", access]})
    c.JupyterHub.load_roles.append({"name": "kernelpod-gateway", "services": [hub.service], "scopes": ["read:servers"]})
    c.Spawner.server_token_scopes = [*SERVER_TOKEN_SCOPES, access, *settings.servers.extra_token_scopes]
    admin = settings.identity.admin_scope
    if admin.startswith("custom:"):
        c.JupyterHub.custom_scopes.update({admin: {"description": "See and stop every kernel of this hub."}})
        c.JupyterHub.load_roles.append({"name": "kernelpod-admin", "scopes": [admin, access]})


def server_environment(settings: Settings, hub: Hub) -> dict[str, str | Callable[[Any], str]]:
    """Return the environment of single-user servers; values that differ by user are functions of the spawner.

    Every time-out of the way from browser to kernel follows from `start.launch_timeout_seconds`: the
    server waits a little longer than the gateway, so the user reads the gateway's reason.
    """
    url = settings.servers.gateway_url.rstrip("/")
    launch = settings.start.launch_timeout_seconds
    return {
        "JUPYTER_GATEWAY_URL": url,
        # Explicit: the default is made by replacing "http" anywhere in the lower-cased URL.
        "JUPYTER_GATEWAY_WS_URL": f"ws{url.removeprefix('http')}",
        "JUPYTER_GATEWAY_AUTH_TOKEN": lambda spawner: str(spawner.api_token),
        "JUPYTER_GATEWAY_REQUEST_TIMEOUT": f"{math.ceil(launch) + CLIENT_PAD_SECONDS}",
        "JUPYTER_GATEWAY_CONNECT_TIMEOUT": f"{math.ceil(settings.servers.connect_timeout_seconds)}",
        "JUPYTER_GATEWAY_RETRY_MAX": "60",
        "JUPYTER_GATEWAY_RETRY_INTERVAL": "1",
        "JUPYTER_GATEWAY_RETRY_INTERVAL_MAX": "10",
        "JUPYTER_GATEWAY_MAX_REQUEST_RETRIES": "5",
        "JUPYTER_GATEWAY_ALLOWED_ENVS": "",
        "KERNEL_PATH": lambda spawner: server_mounts(settings, hub, spawner).home.path,
    }


def server_mounts(settings: Settings, hub: Hub, spawner: Any) -> UserMounts:
    """Return what a user's server mounts: the same answer that her kernels get."""
    groups = tuple(sorted(group.name for group in spawner.user.groups))
    return mounts_for(settings, hub.name, spawner.user.name, groups)
