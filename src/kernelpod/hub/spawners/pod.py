"""Single-user servers as pods: KubeSpawner with the mounts, ids and home of the settings.

Used beside `kernelpod.hub.config.configure`; a hub that runs in the cluster loads both from one settings file.
"""

from __future__ import annotations

import sys
from copy import deepcopy
from typing import Any

from kubespawner import KubeSpawner
from traitlets import Unicode

from kernelpod.hub import servers
from kernelpod.hub.spawners.base import KernelpodSpawner, NotSpawnedError
from kernelpod.hub.spawners.profiles import profiles
from kernelpod.pods import additions
from kernelpod.pods import server as pods
from kernelpod.pods.parts import restricted, shared_memory
from kernelpod.settings.sections import Settings

# How servers reach the hub: its Service.
HUB_URL = "http://hub:8081"
# What profiles of courses change.
PROFILE_TRAITS = (
    "image",
    "cpu_guarantee",
    "cpu_limit",
    "mem_guarantee",
    "mem_limit",
    "extra_resource_guarantees",
    "extra_resource_limits",
    "node_selector",
    "tolerations",
    "lifecycle_hooks",
    "shm",
)


def configure_kubespawner(c: Any, settings: Settings) -> None:
    """Set on the hub's configuration `c` what a hub in the cluster needs; what `c` holds already is not looked at.

    Servers and kernels outlive the hub's pod: it leaves them alone and finds them again in its database.
    """
    c.JupyterHub.spawner_class = PodSpawner
    c.JupyterHub.hub_ip = "0.0.0.0"
    # For the proxy, in the same pod: a Service leads nowhere before the hub is ready, and that needs the proxy.
    c.JupyterHub.hub_connect_ip = "127.0.0.1"
    c.KubeSpawner.hub_connect_url = HUB_URL
    c.JupyterHub.cleanup_servers = False
    c.JupyterHub.ip = "0.0.0.0"
    c.ConfigurableHTTPProxy.command = [sys.executable, "-m", "kernelpod.hub.proxy"]
    # Not beside the database: in the next pod that process number is somebody else's.
    c.ConfigurableHTTPProxy.pid_file = "/tmp/proxy.pid"  # noqa: S108 - the pod's own
    c.Spawner.environment.update({"HOME": settings.homes.mount_path, "SHELL": "/bin/bash"})
    c.KubeSpawner.start_timeout = servers.pod_timeout_seconds(settings)
    c.KubeSpawner.cmd = ["jupyterhub-singleuser"]
    c.KubeSpawner.service_account = "default"
    c.KubeSpawner.automount_service_account_token = False
    c.KubeSpawner.allow_privilege_escalation = False
    c.KubeSpawner.container_security_context = restricted()
    for name, value in pods.claim_traits(settings, c.KernelpodSpawner.of_hub).items():
        c.KubeSpawner[name] = value


class HomeNotMadeError(NotSpawnedError):
    """The container that makes homes could not make this one; the message is what it said."""


class PodSpawner(KernelpodSpawner, KubeSpawner):
    """Runs a user's server with their mounts and nobody else's, at the places where their kernels have them."""

    shm = Unicode(
        None,
        allow_none=True,
        config=True,
        help="Size of a memory volume at /dev/shm, such as 1Gi; it counts as the server's memory. "
        "Absent: the 64 MiB of a container.",
    )
    _plain: dict[str, Any] | None = None
    """What profiles change, as it was configured: a spawner whose start failed is used again."""

    def course_form(self, made: list[dict[str, Any]]) -> str:
        """Return KubeSpawner's form of these profiles."""
        return str(self._render_options_form(made))

    async def load_user_options(self) -> None:
        """Give the server the size, image and nodes of its course, and of no other one before."""
        if self.course_access is not None:
            one = self.course_access.membership
            mine = self.courses().memberships(self.user.name)
            made = [profile for profile in profiles(self.course_access.hub, mine) if profile["slug"] == one.course]
            if self._plain is None:
                self._plain = {name: deepcopy(getattr(self, name)) for name in PROFILE_TRAITS}
            for name, value in self._plain.items():
                setattr(self, name, deepcopy(value))
            self.profile_list = made
        await super().load_user_options()

    async def get_pod_manifest(self) -> Any:
        """Return KubeSpawner's pod with mounts, ids and the container that makes the home."""
        pod = await super().get_pod_manifest()
        has = self.entitlements
        mounts, ids = has.mounts, pods.Ids(has.uid, has.gid, has.supplemental_groups)
        spec, server = pod.spec, pod.spec.containers[0]
        spec.volumes = [*(spec.volumes or []), *pods.volumes(mounts)]
        make_home = pods.home_container(self.settings, mounts, ids, has.to_make)
        spec.init_containers = [make_home, *(spec.init_containers or [])]
        spec.security_context = {
            **(spec.security_context or {}),
            "supplementalGroups": list(ids.groups),
            "seccompProfile": {"type": "RuntimeDefault"},
        }
        spec.enable_service_links = False
        server.volume_mounts = [*(server.volume_mounts or []), *pods.volume_mounts(mounts)]
        if self.shm:
            volume, mount = shared_memory(self.shm)
            spec.volumes.append(volume)
            server.volume_mounts.append(mount)
        self._add_what_the_site_adds(pod, ids.uid)
        server.working_dir = mounts.home.mount_path
        server.security_context = {**server.security_context, "runAsUser": ids.uid, "runAsGroup": ids.gid}
        return pod

    def _add_what_the_site_adds(self, pod: Any, uid: int) -> None:
        """Add `pods.servers` of the settings; what the pod has already stays as it is."""
        added, metadata, spec = self.settings.pods.servers, pod.metadata, pod.spec
        metadata.labels = {**added.labels, **(metadata.labels or {})}
        metadata.annotations = {**added.annotations, **(metadata.annotations or {})}
        spec.init_containers = [*spec.init_containers, *additions.init_containers(added, uid)]
        spec.tolerations = [*(spec.tolerations or []), *additions.tolerations(added)]
        spec.host_aliases = [*(spec.host_aliases or []), *additions.host_aliases(added)]

    def is_pod_running(self, pod: Any) -> bool:
        """Return whether the server's pod runs. Raises HomeNotMadeError once it is clear that it never will."""
        status = pod["status"] if pod else {}
        for container in status.get("initContainerStatuses") or []:
            # A failed container is soon tried again; what it said is then found in the older state.
            states = (container.get("state") or {}, container.get("lastState") or {})
            ended: dict[str, Any] = next((state["terminated"] for state in states if state.get("terminated")), {})
            if container["name"] == pods.HOME_CONTAINER and ended.get("exitCode", 0) != 0:
                raise HomeNotMadeError((ended.get("message") or "The home could not be made.").strip())
        return bool(super().is_pod_running(pod))
