"""The model of deploy.yaml, and the loader that reports what is wrong in it. Its hubs are in `hubsettings`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from kernelpod import __version__
from kernelpod.base.clustertools import Tools
from kernelpod.base.fields import AbsolutePath, Name, Section
from kernelpod.deploy.hubsettings import DeployedHub, FurtherHub
from kernelpod.errors import SettingsError
from kernelpod.findings.finding import FindingsError
from kernelpod.findings.yamlfile import read_tree
from kernelpod.settings.sections import Settings

# A plain name, because charts of Zero to JupyterHub before 4.0 let no others log in.
SMOKE_USER = "kernelpodsmoke"
Server = Annotated[str, Field(pattern=r"^[A-Za-z0-9.:-]+$")]


class Namespaces(Section):
    """The three namespaces. Missing ones are created."""

    gateway: Name = "gateway"
    kernels: Name = "kernels"
    hub: Name = "hub"

    @model_validator(mode="after")
    def _apart(self) -> Namespaces:
        if len({self.gateway, self.kernels, self.hub}) < 3:
            raise ValueError("gateway, kernels and hub must be different namespaces")
        return self


MountOption = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,40}(=[A-Za-z0-9.:_/-]{1,100})?$")]
# Of nfs(5), the options that belong to a server and not to what is done on it.
WAY = frozenset(
    ("nfsvers", "vers", "minorversion", "proto", "port", "mountproto", "mountport", "sec", "lock", "nolock")
)


class Nfs(Section):
    """The NFS server and its folders."""

    server: Server
    """Address or name of the NFS server, as the nodes reach it. `deploy` must find the name, too: its addresses
    are denied to kernels."""
    homes: AbsolutePath = "/home/nfs_share/claim"
    """Exported folder of the homes."""
    kernelspecs: AbsolutePath | None = None
    """Exported folder of releases, which holds `kernelspecs`. Absent: the kernelspecs in the gateway's image."""
    courses: AbsolutePath | None = None
    """Exported folder of the courses' folders, `storage.root` of the courses files. Its claim is `courses`."""
    courses_files: AbsolutePath | None = None
    """Exported folder of the courses files, of their lists, and of files of user ids. Only administrators may
    write to it."""
    mount_options: tuple[MountOption, ...] = ("nfsvers=4.1", "hard")
    """How nodes mount homes (with `homes: pvc`), the courses' folders and the hub's database: options of nfs(5).
    Those that belong to the server, such as `nfsvers=3` and `nolock`, count for kernelspecs and courses files,
    too."""

    @property
    def way(self) -> list[str]:
        """The mount options that tell how the server is reached, which all its clients need."""
        return [option for option in self.mount_options if option.partition("=")[0] in WAY]


class Images(Section):
    """The images: `<prefix>gateway:<tag>`, `<prefix>hub:<tag>`, `<prefix>singleuser:<tag>`."""

    prefix: str = Field("ghcr.io/kernelpod/", pattern=r"^[A-Za-z0-9._/:-]{1,200}$")
    """Prefix of the names. A registry's folder ends with `/`."""
    tag: str = Field(__version__, pattern=r"^[A-Za-z0-9._-]{1,128}$")
    """Tag of all images."""

    def named(self, name: str) -> str:
        """Return the full name of an image without its tag."""
        return f"{self.prefix}{name}"


class Microk8s(Section):
    """Options for microk8s only."""

    metallb: str | None = Field(None, pattern=r"^[0-9a-fA-F.:/,-]+$")
    """Addresses for `hub.service: LoadBalancer`, such as `10.64.140.43-10.64.140.49`."""


class Smoke(Section):
    """The user of the smoke test, if the authenticator is not `dummy` or the hub has courses."""

    user: str | None = None
    """Name of the user. On a hub with courses, they must be in a list. `dummy` needs no password file."""
    password_file: Path | None = None
    """File that holds the password."""
    kernelspec: str = "python-pod"
    """The kernelspec to test. Its language must be Python."""


class Deployment(Section):
    """The content of deploy.yaml. Only `nfs.server` is required."""

    tools: Tools = "auto"
    """`kubectl` and `helm`, or `microk8s kubectl` and `microk8s helm3`. auto: the first if kubectl exists."""
    without_helm: bool = False
    """Install the gateway with kubectl alone, from the manifests that the chart gives. What was installed so stays
    so. Not with `hub.install: z2jh`, which is a chart."""
    context: str | None = None
    """Context of the kubeconfig. Absent: the current one."""
    release: Name = "kernelpod"
    """Name of the gateway's Helm release. It is also part of every kernel's labels."""
    namespaces: Namespaces = Namespaces()
    nfs: Nfs
    homes: Literal["pvc", "nfs", "dynamic", "none"] = "pvc"
    """How homes are mounted. `pvc`: one claim for all users, which Pod Security `restricted` allows. `nfs`: inline
    NFS volumes. `dynamic`: a claim for each user, from a storage class that creates folders below `nfs.homes`.
    `none`: no homes; files are lost when a server or kernel ends."""
    images: Images = Images()
    hub: DeployedHub = DeployedHub()
    more_hubs: dict[Name, FurtherHub] = Field(default_factory=dict)
    """Additional hubs by name, which is also the namespace: `{exam: {courses: exam.yaml, internet: false}}`."""
    microk8s: Microk8s = Microk8s()
    smoke: Smoke = Smoke()
    internal_tls: bool = False
    """Let hubs, their proxies, servers and gateway speak HTTPS to each other, with certificates that `deploy`
    makes and renews (docs/https.md). Changing it ends running servers. Requires `hub.install: manifests`."""
    allow_unenforced_network: bool = False
    """Accept a network that does not enforce NetworkPolicy. Kernels can then reach every address."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """More settings of the gateway (docs/settings.md). The chart gets them unchanged; see also `gateway`."""
    values: dict[str, Any] = Field(default_factory=dict)
    """More values for the gateway's chart (docs/chart.md). They override all others."""

    @model_validator(mode="after")
    def _fits(self) -> Deployment:
        names = [self.hub_name, *self.more_hubs]
        spaces = [self.namespaces.gateway, self.namespaces.kernels, self.namespaces.hub]
        for key, hub in (("hub", self.hub), *((f"more_hubs.{name}", hub) for name, hub in self.more_hubs.items())):
            lists = hub.users or hub.courses
            if hub.install != "none" and hub.authenticator == "dummy" and not lists:
                raise ValueError(f"{key}.users: list who may log in, such as [alice, bob], or set courses")
            if hub.install == "z2jh" and self.without_helm:
                raise ValueError(f"without_helm: {key}.install is z2jh, a chart that only Helm installs")
            if hub.allow_from and hub.install != "manifests":
                raise ValueError(f"{key}.allow_from: requires install: manifests; use the chart's values instead")
            if hub.courses and not (self.nfs.courses and self.nfs.courses_files):
                raise ValueError(f"{key}.courses: set the exported folders nfs.courses and nfs.courses_files")
            if hub.user_ids and not self.nfs.courses_files:
                raise ValueError(f"{key}.user_ids: set the exported folder nfs.courses_files, which has the file")
        if "mount_options" in self.nfs.model_fields_set and self.homes != "pvc" and not self.nfs.courses:
            raise ValueError("nfs.mount_options: Kubernetes lets only claims have them; set homes: pvc")
        if self.homes == "dynamic" and self.more_hubs and self.hub_name != self.namespaces.hub:
            raise ValueError("homes: with dynamic and more_hubs, settings.hubs[0].name must equal namespaces.hub")
        if len(set(names)) < len(names) or set(self.more_hubs) & set(spaces):
            raise ValueError("more_hubs: every hub needs a unique name that is not the name of another namespace")
        return self

    @model_validator(mode="after")
    def _internal_tls(self) -> Deployment:
        if not self.internal_tls:
            return self
        if self.hub.install != "manifests":
            raise ValueError(
                "internal_tls: requires hub.install: manifests. With another hub, give the gateway certificate "
                "files (docs/https.md, Between servers, gateway and hub)"
            )
        gateway, servers, hub = self.gateway.gateway, self.gateway.servers, self.gateway.hubs[0]
        for key, given in {
            "gateway.cert_file": gateway.cert_file,
            "servers.gateway_ca_file": servers.gateway_ca_file,
            "hubs.ca_file": hub.ca_file,
            "hubs.cert_file": hub.cert_file,
        }.items():
            if given:
                raise ValueError(f"internal_tls: remove settings.{key}; `deploy` sets it")
        for key, url, is_given in (
            ("servers.gateway_url", servers.gateway_url, "gateway_url" in servers.model_fields_set),
            ("hubs.api_url", hub.api_url, "api_url" in hub.model_fields_set),
        ):
            if is_given and not url.startswith("https:"):
                raise ValueError(f"internal_tls: settings.{key} must begin with https:, or be absent")
        return self

    @property
    def manifests_secret(self) -> str:
        """Name of the Secret of the gateway's namespace with the manifests of a gateway installed without Helm."""
        return f"{self.release}-manifests"

    @cached_property
    def gateway(self) -> Settings:
        """The gateway's settings in this file, before the chart completes them."""
        return Settings.model_validate(self.settings)

    @property
    def hub_name(self) -> str:
        """The name of `hub` in the gateway's settings."""
        return self.gateway.hubs[0].name

    def hubs(self) -> list[OneHub]:
        """Return all hubs, beginning with `hub`."""
        first = OneHub(self.hub_name, self, first=True)
        return [first, *(OneHub(name, self._of(name, hub)) for name, hub in self.more_hubs.items())]

    def own_hubs(self) -> list[OneHub]:
        """Return the hubs that deploy installs."""
        return [one for one in self.hubs() if one.deployment.hub.install != "none"]

    def _of(self, name: str, hub: FurtherHub) -> Deployment:
        spaces = self.namespaces.model_copy(update={"hub": name})
        return self.model_copy(update={"hub": hub, "namespaces": spaces})


@dataclass(frozen=True)
class OneHub:
    """One hub of a deployment."""

    name: str
    deployment: Deployment
    """The deployment with this hub as `hub` and its namespace as `namespaces.hub`."""
    first: bool = False

    @property
    def gateway_secret(self) -> str:
        """Name of the Secret that holds the gateway's copy of the hub's service token."""
        return "kernelpod-hub" if self.first else f"kernelpod-hub-{self.name}"

    @property
    def token_folder(self) -> str:
        """Mount path of that token in the gateway and in the hub."""
        return "/run/secrets/kernelpod" if self.first else f"/run/secrets/kernelpod-{self.name}"


def load_deployment(path: Path, *, without_helm: bool = False) -> Deployment:
    """Return the deployment that a YAML file describes, with `without_helm` if it is to be so.

    Raises SettingsError, which names the place of every mistake, including those below `settings`. It repeats no
    value.
    """
    try:
        tree = read_tree(path, such_as="nfs: and hub:")
    except FindingsError as error:
        raise SettingsError(f"{error.message}\nStart with deploy.example.yaml.") from None
    data, wrong = {**tree.data, **({"without_helm": True} if without_helm else {})}, []
    try:
        Settings.model_validate(data.get("settings", {}))
    except ValidationError as error:
        wrong = tree.findings(error, Settings, ("settings",))
        data = {**data, "settings": {}}
    try:
        deployment = Deployment.model_validate(data)
    except ValidationError as error:
        wrong = [*tree.findings(error, Deployment), *wrong]
    if wrong:
        raise FindingsError(wrong, "the deployment's file")
    return deployment
