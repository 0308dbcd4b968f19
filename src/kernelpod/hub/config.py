"""Configures a JupyterHub so that its users' servers start their kernels through the gateway.

from kernelpod.hub.config import configure
configure(c, load(Path("/etc/kernelpod/settings.yaml")))
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jupyterhub.app import JupyterHub

from kernelpod.hub import servers
from kernelpod.mounts import UserMounts, mounts_for
from kernelpod.settings import Hub, Settings


def configure(c: Any, settings: Settings) -> None:
    """Set on the hub's configuration `c` all that servers need; what `c` holds already is kept.

    Sets: the service that stands for the gateway, the scope that lets users and their servers use it, and
    the servers' environment, arguments and grace periods. Lists and mappings are extended, never replaced.
    """
    hub = settings.hubs[0]
    _grant(c, settings, hub)
    c.Spawner.environment.update(server_environment(settings, hub))
    c.Spawner.args.extend(servers.arguments(settings))
    c.KubeSpawner.delete_grace_period = servers.grace_period_seconds(settings)
    c.LocalProcessSpawner.interrupt_timeout = servers.grace_period_seconds(settings)


def _grant(c: Any, settings: Settings, hub: Hub) -> None:
    access = servers.access_scope(hub)
    service = {"name": hub.service, "display": False}
    if token := hub.service_token():
        service["api_token"] = token.get_secret_value()
    c.JupyterHub.services.append(service)
    if "extra_user_scopes" in JupyterHub.class_trait_names():
        c.JupyterHub.extra_user_scopes.update({access})
    else:  # JupyterHub 5 and before
        c.JupyterHub.load_roles.append({"name": "user", "scopes": ["self", access]})
    gateway = {"name": "kernelpod-gateway", "services": [hub.service], "scopes": [*servers.GATEWAY_SCOPES]}
    c.JupyterHub.load_roles.append(gateway)
    c.Spawner.server_token_scopes = servers.token_scopes(settings, hub)
    admin = settings.identity.admin_scope
    if admin.startswith("custom:"):
        c.JupyterHub.custom_scopes.update({admin: {"description": servers.ADMIN_SCOPE_MEANS}})
        c.JupyterHub.load_roles.append({"name": "kernelpod-admin", "scopes": [admin, access]})


def server_environment(settings: Settings, hub: Hub) -> dict[str, str | Callable[[Any], str]]:
    """Return the environment of single-user servers; values that differ by user are functions of the spawner."""
    return {
        **servers.environment(settings),
        "JUPYTER_GATEWAY_AUTH_TOKEN": lambda spawner: str(spawner.api_token),
        "KERNEL_PATH": lambda spawner: server_mounts(settings, hub, spawner).home.path,
    }


def server_mounts(settings: Settings, hub: Hub, spawner: Any) -> UserMounts:
    """Return what a user's server mounts: the same answer that her kernels get."""
    groups = tuple(sorted(group.name for group in spawner.user.groups))
    return mounts_for(settings, hub.name, spawner.user.name, groups)
