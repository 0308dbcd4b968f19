"""Runs single-user servers as pods: KubeSpawner with the mounts, ids and home of the settings.

A hub in the cluster uses it together with `kernelpod.hub.config.configure`, with the same settings.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

from kubespawner import KubeSpawner
from traitlets import Bool, Unicode

from kernelpod.base.names import KUBESPAWNER_USER
from kernelpod.errors import KernelpodError
from kernelpod.hub import servers
from kernelpod.hub.spawners.base import FOLDERS_STATUS, KernelpodSpawner, NotSpawnedError
from kernelpod.hub.spawners.knownhosts import NO_DNS, host_aliases
from kernelpod.hub.spawners.profiles import profiles
from kernelpod.pods import server as pods
from kernelpod.pods.parts import restricted, shared_memory
from kernelpod.pods.serverfields import server_fields, variables
from kernelpod.settings.sections import Settings

# URL of the hub for servers: its Service.
HUB_URL = "http://hub:8081"
# Files of a server's Secret with JupyterHub.internal_ssl: whom it trusts, and by what it checks the gateway.
SERVERS_TRUST, GATEWAY_AUTHORITY = "notebooks-ca_trust.crt", "gateway-ca.crt"
# Traits that profiles of courses change.
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
    """Set everything that a hub in the cluster needs on its configuration `c`, overriding earlier values.

    Servers and kernels outlive the hub's pod. The next pod finds them in the hub's database.
    """
    c.JupyterHub.spawner_class = PodSpawner
    c.JupyterHub.hub_ip = "0.0.0.0"
    # For the proxy in the same pod. The Service has no endpoint until the hub is ready, and that needs the proxy.
    c.JupyterHub.hub_connect_ip = "127.0.0.1"
    c.KubeSpawner.hub_connect_url = HUB_URL
    c.JupyterHub.cleanup_servers = False
    c.JupyterHub.ip = "0.0.0.0"
    # Not on the database's volume: in the next pod, another process may have this id.
    c.ConfigurableHTTPProxy.pid_file = "/tmp/proxy.pid"  # noqa: S108 - the pod's own
    c.Spawner.environment.update(variables(settings))
    c.KubeSpawner.start_timeout = servers.pod_timeout_seconds(settings)
    c.KubeSpawner.cmd = ["jupyterhub-singleuser"]
    c.KubeSpawner.service_account = "default"
    c.KubeSpawner.automount_service_account_token = False
    c.KubeSpawner.allow_privilege_escalation = False
    c.KubeSpawner.container_security_context = restricted()
    for name, value in pods.claim_traits(settings, c.KernelpodSpawner.of_hub).items():
        c.KubeSpawner[name] = value


class HomeNotMadeError(NotSpawnedError):
    """The init container could not make the user's home. The message is the container's."""


class PodSpawner(KernelpodSpawner, KubeSpawner):
    """Runs a user's server in a pod with only their own mounts, at the same paths as in their kernels."""

    shm = Unicode(
        None,
        allow_none=True,
        config=True,
        help="Size of a memory volume at /dev/shm, such as 1Gi. It counts towards the server's memory. "
        "Absent: a container's default of 64 MiB.",
    )
    gateway_ca_file = Unicode(
        None,
        allow_none=True,
        config=True,
        help="With JupyterHub.internal_ssl: file of the authorities by which servers check the gateway (PEM), as "
        f"the hub sees it. Servers find it as {GATEWAY_AUTHORITY} beside their certificate.",
    )
    dns = Bool(
        True,
        config=True,
        help="Whether servers can ask for names. Without, they have the addresses of hub and gateway only, and no "
        "network policy should allow them DNS.",
    )
    _plain: dict[str, Any] | None = None
    """The configured values of PROFILE_TRAITS, because a spawner is used again after a failed start."""

    def course_form(self, made: list[dict[str, Any]]) -> str:
        """Return KubeSpawner's form of these profiles."""
        return str(self._render_options_form(made))

    async def load_user_options(self) -> None:
        """Apply the size, image and nodes of the server's course, without those of an earlier start."""
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
        if self._has_own_claim and not self._pvc_exists:
            # KubeSpawner looks for claims of its names before version 7 only where it knows of a server of before.
            self._state_kubespawner_version = "unknown"

    async def get_pod_manifest(self) -> Any:
        """Return KubeSpawner's pod with mounts, ids and the init container that makes the home."""
        pod = await super().get_pod_manifest()
        has = self.entitlements
        ids = pods.Ids(has.uid, has.gid, has.supplemental_groups)
        mounts = has.mounts.with_home_claim(await self._own_claim()) if self._has_own_claim else has.mounts
        ours, server = server_fields(self.settings, mounts, ids, has.to_make), pod.spec.containers[0]
        for part, fields in ((pod.metadata, ours.metadata), (pod.spec, ours.spec), (server, ours.container)):
            _add(part, fields)
        if not self.dns:
            _add(pod.spec, {**NO_DNS, "hostAliases": await self._known_hosts()})
        if self.shm:
            volume, mount = shared_memory(self.shm)
            pod.spec.volumes.append(volume)
            server.volume_mounts.append(mount)
        return pod

    @property
    def _has_own_claim(self) -> bool:
        """Whether the home is a claim of the user's own, which the gateway looks up as well."""
        volume = self.settings.homes.volume
        return bool(volume.own and volume.kind != "none")

    async def _own_claim(self) -> str:
        """Return the name of the user's claim, which exists. Raises NotSpawnedError if it is another user's.

        By its name, claim-a-2eb is that of the user a-2eb; KubeSpawner before version 7 made it for a.b.
        """
        claim = await self.api.read_namespaced_persistent_volume_claim(
            self.pvc_name, self.namespace, _request_timeout=self.k8s_api_request_timeout
        )
        if (claim.metadata.annotations or {}).get(KUBESPAWNER_USER, self.user.name) != self.user.name:
            said = f"Your home, the claim {self.pvc_name}, was made for another user. Tell an admin."
            raise NotSpawnedError(said, FOLDERS_STATUS)
        return str(self.pvc_name)

    async def _known_hosts(self) -> list[dict[str, Any]]:
        try:
            return await host_aliases((self.hub_connect_url, self.settings.servers.gateway_url))
        except KernelpodError as error:
            raise NotSpawnedError(str(error), 503) from error

    def get_secret_manifest(self, owner_reference: Any) -> Any:
        """Return KubeSpawner's Secret of the server's certificate, with the authorities that the server trusts.

        KubeSpawner adds all others, among them that of servers: each of them could then connect to this one.
        """
        secret = super().get_secret_manifest(owner_reference)
        files = {SERVERS_TRUST: self.cert_paths["cafile"], GATEWAY_AUTHORITY: self.gateway_ca_file}
        for name, file in files.items():
            if file:
                secret.data[name] = b64encode(Path(file).read_bytes()).decode()
        return secret

    def is_pod_running(self, pod: Any) -> bool:
        """Return whether the server's pod runs. Raises HomeNotMadeError if its home could not be made."""
        status = pod["status"] if pod else {}
        for container in status.get("initContainerStatuses") or []:
            # A failed container is soon restarted. Its message is then in lastState.
            states = (container.get("state") or {}, container.get("lastState") or {})
            ended: dict[str, Any] = next((state["terminated"] for state in states if state.get("terminated")), {})
            if container["name"] == pods.HOME_CONTAINER and ended.get("exitCode", 0) != 0:
                said = (ended.get("message") or "The home could not be made.").strip()
                raise HomeNotMadeError(said, FOLDERS_STATUS)
        return bool(super().is_pod_running(pod))


def _add(part: Any, fields: dict[str, Any]) -> None:
    """Add fields to a part of KubeSpawner's pod."""
    names = {kubernetes: name for name, kubernetes in part.attribute_map.items()}
    for key, value in fields.items():
        name = names[key]
        setattr(part, name, _JOINED.get(key, _joined)(getattr(part, name), value))


def _joined(theirs: Any, ours: Any) -> Any:
    """Return lists one after the other, and mappings merged. Our values take precedence."""
    if isinstance(ours, list):
        return [*(theirs or []), *ours]
    return {**(theirs or {}), **ours} if isinstance(ours, dict) else ours


def _kept(theirs: dict[str, str] | None, ours: dict[str, str]) -> dict[str, str]:
    """Return both. What the pod already contains takes precedence."""
    return {**ours, **(theirs or {})}


def _home_first(theirs: list[Any] | None, ours: list[Any]) -> list[Any]:
    """Return the container that makes the home, an admin's containers, and the site's."""
    return [ours[0], *(theirs or []), *ours[1:]]


def _disk_limited(resources: Any, ours: dict[str, dict[str, str]]) -> Any:
    """Set request and limit of the node's disk, unless `extra_resource_limits` and the like set them."""
    if "ephemeral-storage" not in {**resources.requests, **resources.limits}:
        resources.requests = {**resources.requests, **ours["requests"]}
        resources.limits = {**resources.limits, **ours["limits"]}
    return resources


# How fields are joined that are not joined like the others.
_JOINED: dict[str, Callable[[Any, Any], Any]] = {
    "labels": _kept,
    "annotations": _kept,
    "initContainers": _home_first,
    "resources": _disk_limited,
}
