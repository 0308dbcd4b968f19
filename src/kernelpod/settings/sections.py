"""The Settings model: all settings of a gateway, section by section.

`docs/settings.md`, the JSON schema and `kernelpod settings` are made from the same models.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, model_validator

from kernelpod.base.fields import Audience, Seconds, Section, Size
from kernelpod.errors import SettingsError
from kernelpod.homes.volumes import COURSE_MOUNTS, Homes, SharedMount, canonical_server, shows
from kernelpod.settings.culling import Culling
from kernelpod.settings.hubs import Hub, IdentitySettings, Servers
from kernelpod.settings.kernels import Kernels, Kernelspecs, Policy, Start
from kernelpod.settings.pods import Pods
from kernelpod.settings.runtimes import RuntimeSettings


class Gateway(Section):
    """The gateway's HTTP server and websockets."""

    ip: str = "127.0.0.1"
    """Address to listen on; use `0.0.0.0` in a pod."""
    port: int = Field(8888, ge=0, le=65535)
    """Port to listen on; 0 picks a free port."""
    cert_file: Path | None = None
    """Certificate with which the gateway serves HTTPS (PEM, with those of intermediate authorities). It is read
    again when it has been renewed, and used at once, or where gateways are several when each of them has it.
    Absent: HTTP."""
    key_file: Path | None = None
    """The certificate's private key."""
    replicated: bool = False
    """Whether several gateways with these settings run at a time, on one cluster or one machine. One of them leads
    and runs the kernels. The others pass requests on to it and listen to its kernels; when it ends, another one
    leads within two seconds, and pages go on where they were."""
    stop_kernels_on_exit: bool = False
    """Whether all kernels are stopped when the gateway shuts down. If false, they keep running and are found again
    at the next start."""
    max_body_bytes: Size = 256 * 1024
    """Largest body of a request for a kernel. Other requests need none, and theirs is not kept."""
    max_connections: int = Field(4000, ge=10)
    """How many connections may be open, websockets included; at most half of the process's limit of open files. A
    quarter of them may have shown no valid token; then the oldest of the address that has the most is closed."""
    max_connections_per_user: int = Field(200, ge=1)
    """How many of them one user may have. A server has a websocket for each page of a notebook, and a few more."""
    max_starts: int = Field(200, ge=1)
    """How many requests for a kernel may be under way."""
    max_starts_per_user: int = Field(10, ge=1)
    """How many of them may be one user's."""
    max_message_bytes: Size = 64 * 1024 * 1024
    """Largest message on a kernel's websocket, in either direction. Larger messages are dropped."""
    max_backlog_bytes: Size = 128 * 1024 * 1024
    """How much of one kernel's output waits for pages that read too slowly, once for all its pages. Beyond it, the
    oldest output is dropped, and the page is told. As much may wait of what pages send to the kernel."""
    max_offline_bytes: Size = 16 * 1024 * 1024
    """How much of one kernel's output is kept for pages that lost their connection. The oldest goes first."""
    max_user_backlog_bytes: Size = 256 * 1024 * 1024
    """How much may wait for all kernels of one user, and for their pages. Beyond it, the oldest output of the
    kernel for which most waits is dropped."""
    max_total_backlog_bytes: Size = 1024 * 1024 * 1024
    """How much may wait for all kernels. Beyond it, output is dropped of the user for whom most waits. Keep it
    well below the gateway's memory limit."""
    iopub_msg_rate_limit: float = Field(1000, ge=0, allow_inf_nan=False)
    """How many messages of output per second a kernel may send to its pages. Beyond it, output is not shown, and
    the cell says so. 0: no limit. jupyter_server has a trait of this name, but it ignores these kernels."""
    iopub_data_rate_limit: float = Field(1_000_000, ge=0, allow_inf_nan=False)
    """How many bytes of printed output per second a kernel may send to its pages. 0: no limit."""
    ping_interval_seconds: Seconds = 30
    """How often an open websocket is pinged. Keep it shorter than the idle time-out of every proxy."""

    @model_validator(mode="after")
    def _certificate_and_key(self) -> Gateway:
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file belong together; give both")
        return self

    @model_validator(mode="after")
    def _kernels_of_all(self) -> Gateway:
        if self.replicated and self.stop_kernels_on_exit:
            raise ValueError("stop_kernels_on_exit would end kernels that another gateway takes over; remove it")
        return self


class Audit(Section):
    """The audit log: one line of JSON for each start, stop, denial, takeover, login and change of rights."""

    enabled: bool = True
    """Whether the audit log is written."""
    file: Path | None = None
    """File that lines are appended to; it may be moved away at any time. Absent: the gateway's standard output.
    Its other messages go to the standard error output."""
    hub_file: Path | None = None
    """The same for what is done at the hubs, such as logins and changes of users' rights, which each hub writes
    itself. It may be the same file, if hub and gateway run under one user id. Absent: the hub's standard output.
    """


# A pod's user namespace has the ids from 0 to this one.
_MOST_ID = 65535


class Settings(Section):
    """All settings of one gateway and of the hubs it serves."""

    hubs: tuple[Hub, ...] = Field((Hub(),), min_length=1, max_length=20)
    """The hubs whose users may start kernels. Their servers use the gateway at `/hubs/<name>` below its URL."""
    gateway: Gateway = Gateway()
    audit: Audit = Audit()
    identity: IdentitySettings = IdentitySettings()
    servers: Servers = Servers()
    kernelspecs: Kernelspecs = Kernelspecs()
    kernels: Kernels = Kernels()
    start: Start = Start()
    culling: Culling = Culling()
    policy: Policy = Policy()
    homes: Homes = Homes()
    mounts: tuple[SharedMount, ...] = ()
    """Folders mounted in addition to the home."""
    runtime: RuntimeSettings = RuntimeSettings()
    pods: Pods = Pods()

    @model_validator(mode="after")
    def _hubs_apart(self) -> Settings:
        if len({hub.name for hub in self.hubs}) < len(self.hubs):
            raise ValueError("hubs: every hub needs its own name")
        return self

    @model_validator(mode="after")
    def _people_of_their_hubs(self) -> Settings:
        known = {hub.name for hub in self.hubs}
        audiences: dict[str, Audience] = {f"mounts.{mount.name}": mount for mount in self.mounts}
        audiences |= {f"policy.rules.{number}": rule for number, rule in enumerate(self.policy.rules)}
        names = ", ".join(sorted(known))
        for place, audience in audiences.items():
            if unknown := sorted(set(audience.hubs) - known):
                raise ValueError(f"{place}.hubs: there is no hub {unknown[0]!r}; name one of {names}")
            if len(known) > 1 and audience.names_people and not audience.hubs:
                raise ValueError(
                    f"{place}.hubs: name the hubs whose users and groups are meant, of {names}; equal names of "
                    "several hubs may be different people"
                )
        return self

    @model_validator(mode="after")
    def _homes_of_their_hubs(self) -> Settings:
        homes = self.homes
        volume = homes.volume
        template = f"{volume.namespace}/{volume.claim}" if volume.own else homes.path_template
        plain = [hub.name for hub in self.hubs if not hub.courses]
        if len(plain) > 1 and "{hub}" not in template and not homes.shared_homes:
            raise ValueError(
                f"homes: the hubs {' and '.join(plain)} would share homes: put {{hub}} into path_template (or "
                "into the claim's name or namespace), or set homes.shared_homes: true if equal names are the "
                "same people"
            )
        return self

    @model_validator(mode="after")
    def _fit_for_user_namespaces(self) -> Settings:
        if not self.runtime.kubernetes.user_namespaces:
            return self
        place = "runtime.kubernetes.user_namespaces"
        named = [("homes.volume", self.homes.volume), *((f"mounts.{one.name}", one.volume) for one in self.mounts)]
        for where, volume in named:
            if volume.kind in ("nfs", "dynamic"):
                raise ValueError(
                    f"{place}: {where} is on NFS, which has no id-mapped mounts, so pods with it do not start; "
                    "use volumes of another file system, or set it to false"
                )
        if any(hub.user_ids for hub in self.hubs):
            raise ValueError(
                f"{place}: a file of user ids (hubs.user_ids) may have larger ids than pods can have with it"
            )
        ids = [self.policy.uid, self.policy.gid]
        for rule in self.policy.rules:
            ids += (rule.uid or 0, rule.gid or 0, *(rule.supplemental_groups or ()))
        if max(ids) > _MOST_ID:
            raise ValueError(f"{place}: user and group ids must be at most {_MOST_ID}; change those of policy")
        return self

    def hub(self, name: str = "") -> Hub:
        """Return the hub with this name, or the only hub if `name` is empty. Raises SettingsError."""
        known = {hub.name: hub for hub in self.hubs}
        if not name and len(known) == 1:
            return self.hubs[0]
        if name not in known:
            raise SettingsError(f"the settings have no hub {name!r}; name one of {', '.join(known)} (hubs[].name)")
        return known[name]

    @model_validator(mode="after")
    def _no_root_pods(self) -> Settings:
        if self.runtime.kind == "kubernetes" and self.policy.uid == 0:
            raise ValueError("policy.uid: pods never run as root; 0 is allowed only with runtime.kind: local")
        return self

    @model_validator(mode="after")
    def _servers_can_check(self) -> Settings:
        if self.servers.gateway_ca_file and not self.servers.extension:
            raise ValueError(
                "servers.gateway_ca_file: servers without kernelpod (servers.extension: false) check the gateway "
                "by the system's authorities only. Install kernelpod there, or add the authority to the system's"
            )
        return self

    @model_validator(mode="after")
    def _servers_can_tell(self) -> Settings:
        if self.culling.idle_seconds and not self.servers.extension:
            raise ValueError(
                "culling.idle_seconds: servers without kernelpod (servers.extension: false) cannot report that "
                "their kernels are busy, and would be culled with them. Install kernelpod there, or set "
                "cull_idle_seconds in kernelspecs, which culls kernels only"
            )
        return self

    @model_validator(mode="after")
    def _courses_apart_from_homes(self) -> Settings:
        homes = self.homes
        for hub in self.hubs:
            for one in hub.courses_nfs if homes.volume.server else ():
                same = canonical_server(one.server) == canonical_server(homes.volume.server)
                if same and shows(one.root, homes.root):
                    raise ValueError(
                        f"hubs: courses_nfs of {hub.name} would let the courses file mount homes ({homes.root}); "
                        "name folders that neither are in it nor contain it"
                    )
        return self

    @model_validator(mode="after")
    def _mounts_apart(self) -> Settings:
        names = [mount.name for mount in self.mounts]
        paths = [self.homes.mount_path, *(mount.mount_path for mount in self.mounts)]
        courses = (name for name in names if name.startswith(COURSE_MOUNTS))
        reserved = {"home", "connection", "connection-own", "shm", *courses}
        if len(set(names)) < len(names) or reserved & set(names):
            raise ValueError(
                "mounts: every mount needs its own name, other than 'home', 'connection', 'connection-own', 'shm' "
                "and 'course-...'"
            )
        if len(set(paths)) < len(paths):
            raise ValueError("mounts: every mount needs its own mount_path")
        for mount in self.mounts:
            if not mount.volume.folders and self.runtime.kind == "local":
                raise ValueError(
                    f"mounts: {mount.name} is of kind {mount.volume.kind}, which exists only in a cluster; "
                    "remove it, or set runtime.kind: kubernetes"
                )
            writable = not mount.read_only or mount.writers
            if writable and mount.shows(self.homes.root) and mount.volume.server == self.homes.volume.server:
                raise ValueError(
                    f"mounts: {mount.name} lets users write in or above {self.homes.root}, the folder of all homes"
                )
        return self
