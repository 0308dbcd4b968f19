"""Every setting, once.

The same models make `docs/settings.md`, the JSON schema and `kernelpod settings`.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, model_validator

from kernelpod.base.fields import AbsolutePath, Count, Name, ObjectPattern, Seconds, Section, Size
from kernelpod.base.podkeys import ObjectName, SchedulingKey
from kernelpod.base.quantities import Bytes, Millicores
from kernelpod.errors import SettingsError
from kernelpod.homes.volumes import COURSE_MOUNTS, Homes, SharedMount
from kernelpod.settings.culling import Culling


class Hub(Section):
    """A JupyterHub whose users may start kernels."""

    name: Name = "hub"
    """Name of the hub in records, labels and logs; part of every owner, so never reuse one."""
    api_url: str = Field("http://127.0.0.1:8081/hub/api", pattern=r"^https?://[^\s?#]+$")
    """Where the gateway reaches the hub's REST API; across namespaces `http://hub.<namespace>:8081/hub/api`."""
    service: Name = "kernelpod"
    """Name of the hub service that stands for the gateway; callers need `access:services!service=<it>`."""
    token: SecretStr | None = None
    """The service's own token, for the check at start; better given as `token_file`."""
    token_file: Path | None = None
    """File that holds the service's own token."""
    timeout_seconds: Seconds = 5
    """How long one question to the hub may take."""
    courses: Path | None = None
    """Courses file of the hub, where hub and gateway both read it; absent: a hub without courses."""
    courses_may_mount: tuple[ObjectPattern, ...] = ()
    """What of the cluster its courses file may name beside the claim `courses`: `secret/licence-*`, `pvc/data`,
    `config_map/pip`, `csi/<driver>`. `*` is any text; the hub's own Secrets are such objects, too."""

    @model_validator(mode="after")
    def _one_token(self) -> Hub:
        if self.token and self.token_file:
            raise ValueError("give token or token_file, not both")
        return self

    def may_mount(self, kind_and_name: str) -> bool:
        """Return whether its courses file may name this object of the cluster."""
        allowed = ("pvc/courses", *self.courses_may_mount)
        return any(fnmatchcase(kind_and_name, pattern) for pattern in allowed)

    def service_token(self) -> SecretStr | None:
        """Return the service's own token, or None where none is configured.

        Raises SettingsError if the token file cannot be read or is empty.
        """
        if self.token_file is None:
            return self.token
        try:
            text = self.token_file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise SettingsError(f"hubs.token_file {self.token_file}: {error.strerror}") from error
        if not text:
            raise SettingsError(f"hubs.token_file {self.token_file} is empty; write the service's token into it")
        return SecretStr(text)


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


class Identity(Section):
    """How callers are proven."""

    cache_seconds: Seconds = 30
    """How long the hub's answer for a token is used without asking again."""
    negative_cache_seconds: Seconds = 5
    """How long a refused token is refused without asking again."""
    stale_seconds: Seconds = 600
    """While the hub cannot be asked: how long a proven token still reaches the kernels it owns."""
    recheck_seconds: Seconds = 60
    """How often the token behind an open websocket is proven again."""
    admin_scope: str = Field("custom:kernelpod:admin", min_length=1)
    """Who holds this scope sees and stops every kernel of the hub."""
    metrics_scope: str = Field("read:metrics", min_length=1)
    """Who holds this scope may read `/metrics`."""


class Servers(Section):
    """What single-user servers are told by the hub."""

    gateway_url: str = Field("http://127.0.0.1:8888", pattern=r"^https?://[^\s?#]+$")
    """Where servers reach the gateway; across namespaces `http://<service>.<namespace>:8888`."""
    connect_timeout_seconds: Seconds = 10
    """How long connecting to the gateway may take."""
    grace_period_seconds: Seconds = 30
    """How long a stopping server may take; it deletes its kernels one after another meanwhile."""
    orphan_seconds: float = Field(300, ge=0)
    """Kernels whose server the hub has not listed for this long are ended; 0 leaves them. The gateway's service
    needs the scope `read:servers` for it."""
    extra_token_scopes: tuple[str, ...] = ()
    """Further scopes for every server's token, beside the three that are needed."""
    extension: bool = True
    """Whether kernelpod is installed beside jupyter_server; without it servers log warnings only, since
    jupyter_server writes every token of its environment to its log at each kernel start."""


class Bounds(Section):
    """The most of each resource; what is absent is not bounded."""

    cpu: Millicores | None = None
    """Processor time, such as `2` or `500m`."""
    memory: Bytes | None = None
    """Memory, such as `4Gi`."""
    gpus: Count | None = None
    """Whole GPUs."""


class Kernelspecs(Section):
    """Where the published kernelspecs lie, and what they may say."""

    path: Path = Path("/srv/kernelpod/kernelspecs")
    """The one folder kernelspecs are read from; no user, system or native kernels beside it."""
    default: str = "python-pod"
    """Kernelspec of a request that names none."""
    refresh_seconds: Seconds = 2
    """How long a listing is used before the folder is looked at again."""
    allowed_images: tuple[str, ...] = ()
    """Patterns (`*`) of images that kernelspecs may use, others are not listed; empty: all."""
    service_accounts: tuple[ObjectName, ...] = ()
    """Service accounts of the kernels' namespace that kernelspecs may name; others are not listed."""
    bounds: Bounds = Bounds()
    """The most that a kernelspec may give or let users wish for; one with more is not listed."""


class Start(Section):
    """Starting and stopping a kernel."""

    launch_timeout_seconds: Seconds = 60
    """From the request until the kernel answers; a client may ask for less. Every other time-out
    of the way from browser to kernel is computed from this one."""
    grace_period_seconds: Seconds = 10
    """How long a kernel may take to end by itself before it is killed."""
    spare_seconds: Seconds = 900
    """How long a prewarmed kernel waits for its user, where a kernelspec says `prewarm`."""


class Rule(Section):
    """What differs for some users; of several matching rules the first that sets a value wins."""

    users: tuple[str, ...] = ()
    """Raw user names the rule is for."""
    groups: tuple[str, ...] = ()
    """Hub groups the rule is for."""
    uid: int | None = Field(None, ge=1, le=2**31 - 1)
    """User id of kernels and servers."""
    gid: int | None = Field(None, ge=1, le=2**31 - 1)
    """Group id of kernels and servers."""
    supplemental_groups: tuple[Annotated[int, Field(ge=1, le=2**31 - 1)], ...] | None = None
    """Further group ids."""
    max_kernels_per_user: Count | None = None
    """Kernels one of these users may run."""
    bounds: Bounds | None = None
    """The most one of their kernels may have; kernelspecs and profiles with more are not offered to them."""

    @model_validator(mode="after")
    def _for_somebody(self) -> Rule:
        if not (self.users or self.groups):
            raise ValueError("a rule names users or groups")
        return self


class Policy(Section):
    """What a proven user may have."""

    uid: int = Field(1000, ge=0, le=2**31 - 1)
    """User id of kernels and servers where no rule says otherwise; 0 only in a local sandbox."""
    gid: int = Field(100, ge=0, le=2**31 - 1)
    """Group id of kernels and servers where no rule says otherwise."""
    max_kernels: Count | None = None
    """Kernels that may run in all."""
    max_kernels_per_user: Count | None = None
    """Kernels one user may run where no rule says otherwise."""
    over_bounds: Literal["clamp", "refuse"] = "clamp"
    """A wish over the kernelspec's bound is cut to the bound, or refused."""
    rules: tuple[Rule, ...] = ()
    """Exceptions for users and groups."""


class Local(Section):
    """Kernels as processes of this machine."""

    state_dir: Path = Path("/run/kernelpod")
    """Folder for records and sockets of running kernels (0700); short, since it is part of socket names."""
    sandbox: Literal["required", "none"] = "required"
    """Run kernels in a bubblewrap sandbox; `none` leaves users unprotected from each other."""
    search_path: tuple[AbsolutePath, ...] = ()
    """Folders put first on PATH; what the image is for a pod."""
    read_only_paths: tuple[AbsolutePath, ...] = ()
    """Further folders kernels may read, such as the environment their command lies in."""

    @model_validator(mode="after")
    def _short(self) -> Local:
        if len(str(self.state_dir)) > 60 or not self.state_dir.is_absolute():
            raise ValueError("state_dir must be absolute and at most 60 characters (names of sockets are short)")
        return self


class Kubernetes(Section):
    """Kernels as pods."""

    namespace: Name = "kernels"
    """Namespace of kernel pods; never chosen by a client."""
    release: Name = "kernelpod"
    """Name of this installation, as label `app.kubernetes.io/instance`; a gateway sees only its own kernels."""
    kubeconfig: Path | None = None
    """File that says how to reach the cluster; absent: the pod's own service account, else kubectl's default."""
    context: str = ""
    """Context of the kubeconfig; empty: its current one."""
    template: Path | None = None
    """Pod template instead of the shipped one; beside what the plan says it may add where pods are scheduled."""
    scheduling: dict[SchedulingKey, Any] = Field({})
    """What the spec of every kernel's pod says of scheduling, in Kubernetes' own words, such as
    `nodeSelector: {purpose: kernels}`; a kernelspec's keys come on top."""
    home_check_image: str = Field("", pattern=r"^[A-Za-z0-9._/:@-]{0,250}$")
    """Image with the command `test`, such as the gateway's: looks whether a home on a claim exists, since kubelet
    would make the folder. Needed where `homes.volume.kind` is pvc."""
    starts_at_once: int = Field(5, ge=1)
    """Kernels that start at the same time; the others wait, each user in turn."""
    heal_seconds: Seconds = 20
    """How long a start waits for what may heal by itself: no room on a node, a registry or NFS server away."""
    request_timeout_seconds: Seconds = 10
    """How long one request to the API server may take."""
    exec_signals: bool = False
    """Interrupt kernels that only know signals by `pods/exec`; the gateway's Role must allow it."""


class Runtime(Section):
    """Where kernels run; never chosen by a kernelspec or a client."""

    kind: Literal["local", "kubernetes"] = "kubernetes"
    """Pods of a cluster, or processes of this machine."""
    local: Local = Local()
    kubernetes: Kubernetes = Kubernetes()


class Settings(Section):
    """All settings of one gateway and of the hubs it serves."""

    hubs: tuple[Hub, ...] = Field((Hub(),), min_length=1, max_length=20)
    """The hubs whose users may start kernels; their servers reach the gateway below `/hubs/<name>` of its URL."""
    gateway: Gateway = Gateway()
    identity: Identity = Identity()
    servers: Servers = Servers()
    kernelspecs: Kernelspecs = Kernelspecs()
    start: Start = Start()
    culling: Culling = Culling()
    policy: Policy = Policy()
    homes: Homes = Homes()
    mounts: tuple[SharedMount, ...] = ()
    """Folders beside the home."""
    runtime: Runtime = Runtime()

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
