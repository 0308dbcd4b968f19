"""All settings of a gateway, section by section.

The same models make `docs/settings.md`, the JSON schema and `kernelpod settings`.
"""

from __future__ import annotations

from pydantic import Field, model_validator

from kernelpod.base.fields import Seconds, Section, Size
from kernelpod.errors import SettingsError
from kernelpod.homes.volumes import COURSE_MOUNTS, Homes, SharedMount
from kernelpod.settings.culling import Culling
from kernelpod.settings.hubs import Hub, IdentitySettings, Servers
from kernelpod.settings.kernels import Kernelspecs, Policy, Start
from kernelpod.settings.pods import Pods
from kernelpod.settings.runtimes import RuntimeSettings


class Gateway(Section):
    """The HTTP side of the gateway."""

    ip: str = "127.0.0.1"
    """Address to listen on; `0.0.0.0` in a pod."""
    port: int = Field(8888, ge=0, le=65535)
    """Port to listen on; 0 takes a free one."""
    stop_kernels_on_exit: bool = False
    """Stop every kernel when the gateway is asked to end. Otherwise they live on and are found again."""
    max_body_bytes: Size = 1024 * 1024
    """Largest request body."""
    max_message_bytes: Size = 64 * 1024 * 1024
    """Largest message on a kernel's websocket, either way; a larger one is not passed on."""
    max_backlog_bytes: Size = 128 * 1024 * 1024
    """Output waiting for a client that does not read; beyond it the newest as much is kept as well, and the rest
    dropped."""
    max_offline_bytes: Size = 16 * 1024 * 1024
    """Output kept for a client that lost its connection; the oldest goes first."""
    ping_interval_seconds: Seconds = 30
    """How often an open websocket is pinged; keep it under every proxy's idle time-out."""


class Settings(Section):
    """All settings of one gateway and of the hubs it serves."""

    hubs: tuple[Hub, ...] = Field((Hub(),), min_length=1, max_length=20)
    """The hubs whose users may start kernels; their servers reach the gateway below `/hubs/<name>` of its URL."""
    gateway: Gateway = Gateway()
    identity: IdentitySettings = IdentitySettings()
    servers: Servers = Servers()
    kernelspecs: Kernelspecs = Kernelspecs()
    start: Start = Start()
    culling: Culling = Culling()
    policy: Policy = Policy()
    homes: Homes = Homes()
    mounts: tuple[SharedMount, ...] = ()
    """Folders beside the home."""
    runtime: RuntimeSettings = RuntimeSettings()
    pods: Pods = Pods()

    @model_validator(mode="after")
    def _hubs_apart(self) -> Settings:
        if len({hub.name for hub in self.hubs}) < len(self.hubs):
            raise ValueError("hubs: every hub needs a name of its own")
        return self

    def hub(self, name: str = "") -> Hub:
        """Return the hub of that name; without one, the only one. Raises SettingsError."""
        known = {hub.name: hub for hub in self.hubs}
        if not name and len(known) == 1:
            return self.hubs[0]
        if name not in known:
            raise SettingsError(f"the settings have no hub {name!r}; name one of {', '.join(known)} (hubs[].name)")
        return known[name]

    @model_validator(mode="after")
    def _no_root_pods(self) -> Settings:
        if self.runtime.kind == "kubernetes" and self.policy.uid == 0:
            raise ValueError("policy.uid: pods never run as root; 0 is for a local runtime")
        return self

    @model_validator(mode="after")
    def _servers_can_tell(self) -> Settings:
        if self.culling.idle_seconds and not self.servers.extension:
            raise ValueError(
                "culling.idle_seconds: servers without kernelpod (servers.extension: false) cannot tell that "
                "their kernels compute, and would be ended with them; install it there, or let kernelspecs say "
                "cull_idle_seconds, which ends kernels only"
            )
        return self

    @model_validator(mode="after")
    def _mounts_apart(self) -> Settings:
        names = [mount.name for mount in self.mounts]
        paths = [self.homes.mount_path, *(mount.mount_path for mount in self.mounts)]
        reserved = {"home", "connection", "shm", *(name for name in names if name.startswith(COURSE_MOUNTS))}
        if len(set(names)) < len(names) or reserved & set(names):
            raise ValueError(
                "mounts: every mount needs a name of its own, not 'home', 'connection', 'shm' or 'course-...'"
            )
        if len(set(paths)) < len(paths):
            raise ValueError("mounts: every mount needs a mount_path of its own")
        for mount in self.mounts:
            if not mount.volume.folders and self.runtime.kind == "local":
                raise ValueError(
                    f"mounts: {mount.name} is of kind {mount.volume.kind}, which only a cluster has; "
                    "remove it, or set runtime.kind: kubernetes"
                )
            writable = not mount.read_only or mount.writers
            if writable and mount.shows(self.homes.root) and mount.volume.server == self.homes.volume.server:
                raise ValueError(
                    f"mounts: {mount.name} lets users write in or above {self.homes.root}, where all homes are"
                )
        return self
