"""What every single-user server is told, whoever its user is; pure functions of the settings."""

from __future__ import annotations

import math
import sys

from kernelpod.settings.culling import Schedule, schedule
from kernelpod.settings.hubs import Hub
from kernelpod.settings.sections import Settings

# jupyter_server asks the gateway for a start time-out that is this much shorter than its own request's.
CLIENT_PAD_SECONDS = 2
# From the kernel's end to the answer of the gateway, beside what the kernel itself takes.
DELETE_OVERHEAD_SECONDS = 2
# The server's own end.
SERVER_END_SECONDS = 5
# An image may have to be pulled.
SERVER_START_SECONDS = 300
# What the gateway's service needs to see whose servers run.
GATEWAY_SCOPES = ("read:servers",)
# JupyterHub's idle culler, as a service of the hub, and what it needs to find and to stop servers.
CULLER = "jupyterhub-idle-culler"
CULLER_SCOPES = ("list:users", "read:servers", "delete:servers")
ADMIN_SCOPE_MEANS = "See and stop every kernel of this hub."


def access_scope(hub: Hub) -> str:
    """Return the scope that lets users and their servers use the gateway."""
    return f"access:services!service={hub.service}"


def token_scopes(settings: Settings, hub: Hub) -> list[str]:
    """Return what a server's token may do: it opens the gateway, and nothing of the server."""
    needed = ["users:activity!user", "read:servers!server", access_scope(hub)]
    return [*needed, *settings.servers.extra_token_scopes]


def arguments(settings: Settings) -> list[str]:
    """Return the arguments of servers."""
    # jupyter_server's own protocol is not spoken by the gateway's side; Lab would show "Unknown" for ever.
    made = ["--GatewayWebSocketConnection.kernel_ws_protocol="]
    return made if settings.servers.extension else [*made, "--ServerApp.log_level=WARN"]


def page_notes(settings: Settings) -> dict[str, str]:
    """Return variables of templates by which the hub's pages say that homes are not kept; none where they are."""
    if settings.homes.volume.kind != "none":
        return {}
    said = "Files are not kept: your server and each kernel begin with an empty home, which is lost when they end."
    return {"announcement_home": said, "announcement_spawn": said}


def gateway_url(settings: Settings, hub: Hub) -> str:
    """Return where servers of a hub reach the gateway; one of several hubs is named in the path."""
    url = settings.servers.gateway_url.rstrip("/")
    return f"{url}/hubs/{hub.name}" if len(settings.hubs) > 1 else url


def environment(settings: Settings, hub: Hub) -> dict[str, str]:
    """Return the environment that all servers of a hub share.

    Every time-out of the way from browser to kernel follows from `start.launch_timeout_seconds`: the
    server waits a little longer than the gateway, so the user reads the gateway's reason.
    """
    url = gateway_url(settings, hub)
    launch = settings.start.launch_timeout_seconds
    return {
        "JUPYTER_GATEWAY_URL": url,
        # Explicit: the default is made by replacing "http" anywhere in the lower-cased URL.
        "JUPYTER_GATEWAY_WS_URL": f"ws{url.removeprefix('http')}",
        "JUPYTER_GATEWAY_REQUEST_TIMEOUT": f"{math.ceil(launch) + CLIENT_PAD_SECONDS}",
        "JUPYTER_GATEWAY_CONNECT_TIMEOUT": f"{math.ceil(settings.servers.connect_timeout_seconds)}",
        "JUPYTER_GATEWAY_RETRY_MAX": "60",
        "JUPYTER_GATEWAY_RETRY_INTERVAL": "1",
        "JUPYTER_GATEWAY_RETRY_INTERVAL_MAX": "10",
        "JUPYTER_GATEWAY_MAX_REQUEST_RETRIES": "5",
        "JUPYTER_GATEWAY_ALLOWED_ENVS": "",
        **_activity(settings),
    }


def _activity(settings: Settings) -> dict[str, str]:
    """Return what servers are told of reporting their activity; nothing where none is culled."""
    if not settings.culling.idle_seconds:
        return {}
    made = culling(settings)
    return {
        "JUPYTERHUB_ACTIVITY_INTERVAL": f"{made.report_seconds}",
        "KERNELPOD_ACTIVITY_SECONDS": f"{made.ask_seconds:g}",
        "KERNELPOD_ACTIVITY_BUSY": settings.culling.busy,
    }


def culling(settings: Settings) -> Schedule:
    """Return when servers end, and who looks how often; as if never, where `culling.idle_seconds` is 0."""
    return schedule(settings.culling.idle_seconds, settings.start.grace_period_seconds + DELETE_OVERHEAD_SECONDS)


def culler_command(settings: Settings) -> list[str]:
    """Return the command of the hub's culler."""
    made = culling(settings)
    return [
        *(sys.executable, "-m", "kernelpod.hub.culler", f"{made.first_look_seconds}"),
        f"--timeout={made.server_idle_seconds}",
        f"--cull-every={made.server_look_seconds}",
        f"--concurrency={made.concurrency}",
    ]


def grace_period_seconds(settings: Settings) -> int:
    """Return how long a stopping server may take: it deletes its kernels one after another.

    At least `servers.grace_period_seconds`, and enough for as many kernels as one user may run. Without such a
    limit nothing can be computed; the setting then stands alone.
    """
    policy = settings.policy
    limits = [policy.max_kernels_per_user, *(rule.max_kernels_per_user for rule in policy.rules)]
    most = max((limit for limit in limits if limit is not None), default=0)
    one = settings.start.grace_period_seconds + DELETE_OVERHEAD_SECONDS
    needed = most * one + SERVER_END_SECONDS if most else 0
    return math.ceil(max(settings.servers.grace_period_seconds, needed))


def pod_timeout_seconds(settings: Settings) -> int:
    """Return how long KubeSpawner waits for a pod: to start, and, by the same time-out, to end."""
    return SERVER_START_SECONDS + grace_period_seconds(settings)
