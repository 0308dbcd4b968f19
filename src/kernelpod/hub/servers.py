"""Computes the configuration that all single-user servers share. Pure functions of the settings."""

from __future__ import annotations

import math
import sys
from typing import Any

from kernelpod.settings.culling import Schedule, schedule
from kernelpod.settings.hubs import Hub
from kernelpod.settings.sections import Settings

# jupyter_server asks the gateway for a start time-out that is this much shorter than its own request's.
CLIENT_PAD_SECONDS = 2
# Time that deleting a kernel takes in addition to the kernel's own end.
DELETE_OVERHEAD_SECONDS = 2
# Time that a server takes to end after its kernels.
SERVER_END_SECONDS = 5
# Time that a server may take to start; an image may have to be pulled.
SERVER_START_SECONDS = 300
# Scopes that the gateway's service needs to list users' servers.
GATEWAY_SCOPES = ("read:servers",)
# Scopes that `kernelpod users revoke` needs in the hub.
REVOKING_SCOPES = ("delete:servers", "read:servers", "tokens")
# Name of the service of JupyterHub's idle culler, and the scopes that it needs to find and stop servers.
CULLER = "jupyterhub-idle-culler"
CULLER_SCOPES = ("list:users", "read:servers", "delete:servers")
# Who may revoke users. It has no members until the hub's configuration names some.
ADMIN_ROLE = "kernelpod-admin"
ADMIN_SCOPE_MEANS = "See and stop every kernel of this hub, and revoke its users."


def access_scope(hub: Hub) -> str:
    """Return the scope with which users and their servers may use the gateway."""
    return f"access:services!service={hub.service}"


def admin_service(hub: Hub) -> str:
    """Return the name of the service whose token is in `hubs[].admin_token_file`."""
    return f"{hub.service}-admin"


def admin_scopes(settings: Settings, hub: Hub) -> list[str]:
    """Return the scopes of a token that revokes users: at the hub, and at the gateway."""
    return [*REVOKING_SCOPES, settings.identity.admin_scope, access_scope(hub)]


def token_scopes(settings: Settings, hub: Hub) -> list[str]:
    """Return the scopes of a server's token: they allow to use the gateway, but not the server itself."""
    # read:users!user: tells when the hub made the user; a later user of the same name gets none of their kernels.
    needed = ["users:activity!user", "read:users!user", "read:servers!server", access_scope(hub)]
    return [*needed, *settings.servers.extra_token_scopes]


def arguments(settings: Settings) -> list[str]:
    """Return the command-line arguments of servers."""
    # The gateway does not support jupyter_server's own websocket protocol; Lab would show "Unknown" for ever.
    made = ["--GatewayWebSocketConnection.kernel_ws_protocol="]
    return made if settings.servers.extension else [*made, "--ServerApp.log_level=WARN"]


def page_notes(settings: Settings) -> dict[str, str]:
    """Return template variables that announce on the hub's pages that homes are not kept; empty if they are."""
    if settings.homes.volume.kind != "none":
        return {}
    said = "Files are not kept: your server and each kernel begin with an empty home, which is lost when they end."
    return {"announcement_home": said, "announcement_spawn": said}


def subdomains(hub: Hub) -> dict[str, Any]:
    """Return the traits of JupyterHub that give each server a host of its own; empty if they share the hub's."""
    if hub.subdomain_host is None:
        return {}
    # With __Host-, browsers refuse a login cookie that a server's page sets for another host.
    return {
        "subdomain_host": hub.subdomain_host,
        "cookie_host_prefix_enabled": hub.subdomain_host.startswith("https:"),
    }


def proxy_command(subdomain_host: str) -> list[str]:
    """Return the command that runs the proxy. With a `subdomain_host` it keeps the hub's pages on that host."""
    command = [sys.executable, "-m", "kernelpod.hub.proxy"]
    return [*command, f"--hub-url={subdomain_host}"] if subdomain_host else command


def gateway_url(settings: Settings, hub: Hub) -> str:
    """Return the URL of the gateway for servers of a hub. If there are several hubs, the path names the hub."""
    url = settings.servers.gateway_url.rstrip("/")
    return f"{url}/hubs/{hub.name}" if len(settings.hubs) > 1 else url


def environment(settings: Settings, hub: Hub) -> dict[str, str]:
    """Return the environment that all servers of a hub share.

    All time-outs between the browser and the kernel are computed from `start.launch_timeout_seconds`. The server
    waits a little longer than the gateway, so that the user sees the gateway's error message.
    """
    url, authority = gateway_url(settings, hub), settings.servers.gateway_ca_file
    launch = settings.start.launch_timeout_seconds
    return {
        "JUPYTER_GATEWAY_URL": url,
        # Set explicitly, because the default replaces "http" anywhere in the lower-cased URL.
        "JUPYTER_GATEWAY_WS_URL": f"ws{url.removeprefix('http')}",
        **({"JUPYTER_GATEWAY_CA_CERTS": authority} if authority else {}),
        "JUPYTER_GATEWAY_REQUEST_TIMEOUT": f"{math.ceil(launch) + CLIENT_PAD_SECONDS}",
        "JUPYTER_GATEWAY_CONNECT_TIMEOUT": f"{math.ceil(settings.servers.connect_timeout_seconds)}",
        "JUPYTER_GATEWAY_RETRY_MAX": "60",
        "JUPYTER_GATEWAY_RETRY_INTERVAL": "1",
        "JUPYTER_GATEWAY_RETRY_INTERVAL_MAX": "10",
        "JUPYTER_GATEWAY_MAX_REQUEST_RETRIES": "5",
        "JUPYTER_GATEWAY_ALLOWED_ENVS": "",
        **({"KERNELPOD_FOUND_KERNELS": "end"} if settings.servers.found_kernels == "end" else {}),
        **_activity(settings),
    }


def _activity(settings: Settings) -> dict[str, str]:
    """Return the environment that makes servers report their activity; empty if culling is off."""
    if not settings.culling.idle_seconds:
        return {}
    made = culling(settings)
    return {
        "JUPYTERHUB_ACTIVITY_INTERVAL": f"{made.report_seconds}",
        "KERNELPOD_ACTIVITY_SECONDS": f"{made.ask_seconds:g}",
        "KERNELPOD_ACTIVITY_BUSY": settings.culling.busy,
    }


def culling(settings: Settings) -> Schedule:
    """Return the intervals and limits of idle culling. They have no effect if `culling.idle_seconds` is 0."""
    return schedule(settings.culling.idle_seconds, settings.start.grace_period_seconds + DELETE_OVERHEAD_SECONDS)


def culler_command(settings: Settings) -> list[str]:
    """Return the command that runs the hub's culler."""
    made = culling(settings)
    return [
        *(sys.executable, "-m", "kernelpod.hub.culler", f"{made.first_look_seconds}"),
        f"--timeout={made.server_idle_seconds}",
        f"--cull-every={made.server_look_seconds}",
        f"--concurrency={made.concurrency}",
    ]


def grace_period_seconds(settings: Settings) -> int:
    """Return how many seconds a server may take to stop; it deletes its kernels one after another.

    This is at least `servers.grace_period_seconds`, and enough to delete as many kernels as a user may run. If
    there is no such limit, it is `servers.grace_period_seconds`.
    """
    policy = settings.policy
    limits = [policy.max_kernels_per_user, *(rule.max_kernels_per_user for rule in policy.rules)]
    most = max((limit for limit in limits if limit is not None), default=0)
    one = settings.start.grace_period_seconds + DELETE_OVERHEAD_SECONDS
    needed = most * one + SERVER_END_SECONDS if most else 0
    return math.ceil(max(settings.servers.grace_period_seconds, needed))


def pod_timeout_seconds(settings: Settings) -> int:
    """Return how many seconds KubeSpawner waits for a pod to start and, with the same time-out, to end."""
    return SERVER_START_SECONDS + grace_period_seconds(settings)
