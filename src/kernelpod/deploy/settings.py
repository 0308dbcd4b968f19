"""The models of deploy.yaml, and the loader that reports what is wrong in it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, IPvAnyNetwork, ValidationError, model_validator

from kernelpod import __version__
from kernelpod.base.clustertools import Tools
from kernelpod.base.fields import AbsolutePath, Name, ObjectPattern, Quantity, Section, Url
from kernelpod.errors import SettingsError
from kernelpod.findings.finding import FindingsError
from kernelpod.findings.yamlfile import read_tree
from kernelpod.settings.hubs import NfsFolder
from kernelpod.settings.origins import has_several_users
from kernelpod.settings.sections import Settings
from kernelpod.settings.subdomains import above_subdomains

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


class Nfs(Section):
    """The NFS server and its folders."""

    server: Server
    """Address or name of the NFS server, as the nodes reach it."""
    homes: AbsolutePath = "/home/nfs_share/claim"
    """Exported folder of the homes."""
    kernelspecs: AbsolutePath | None = None
    """Exported folder of releases, which holds `kernelspecs`. Absent: the kernelspecs in the gateway's image."""
    courses: AbsolutePath | None = None
    """Exported folder of the courses' folders, `storage.root` of the courses files. Its claim is `courses`."""
    courses_files: AbsolutePath | None = None
    """Exported folder of the courses files, of their lists, and of files of user ids. Only administrators may
    write to it."""


class Images(Section):
    """The images: `<prefix>gateway:<tag>`, `<prefix>hub:<tag>`, `<prefix>singleuser:<tag>`."""

    prefix: str = Field("ghcr.io/kernelpod/", pattern=r"^[A-Za-z0-9._/:-]{1,200}$")
    """Prefix of the names. A registry's folder ends with `/`."""
    tag: str = Field(__version__, pattern=r"^[A-Za-z0-9._-]{1,128}$")
    """Tag of all images."""

    def named(self, name: str) -> str:
        """Return the full name of an image without its tag."""
        return f"{self.prefix}{name}"


class ClaimRequest(Section):
    """A claim on the cluster's storage."""

    size: Quantity = "1Gi"
    storage_class: str | None = None
    """Absent: the cluster's default storage class."""


class Database(Section):
    """Storage of the hub's database, which records the running servers. If it is lost, the hub forgets them."""

    claim: ClaimRequest = ClaimRequest()
    nfs: AbsolutePath | None = None
    """Instead of a claim, use this folder of the NFS server. It may be the folder of the homes."""
    host_path: AbsolutePath | None = None
    """Instead of a claim, use this folder of the node. Only for clusters of one node."""

    @model_validator(mode="after")
    def _one(self) -> Database:
        if self.nfs and self.host_path:
            raise ValueError("give nfs or host_path, not both")
        return self


class Z2jh(Section):
    """Zero to JupyterHub, for `hub.install: z2jh`."""

    chart: str = "jupyterhub"
    """The chart: a folder, an archive, or a name in `repository`."""
    repository: str = "https://hub.jupyter.org/helm-chart/"
    """Helm repository of the chart. Empty for a folder or an archive."""
    version: str = "4.4.0"
    """Version of the chart."""
    values: dict[str, Any] = Field(default_factory=dict)
    """More values. They override all others."""


class DeployedHub(Section):
    """The hub whose users start kernels."""

    install: Literal["manifests", "z2jh", "none"] = "manifests"
    """Plain manifests, Zero to JupyterHub, or none if the hub already exists."""
    users: tuple[str, ...] = ()
    """Users who may log in."""
    admin_users: tuple[str, ...] = ()
    """Users who may log in and administer the hub. They cannot see other users' kernels."""
    authenticator: str = "dummy"
    """JupyterHub's `authenticator_class`. `dummy` is for trials: all users share one generated password."""
    config: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """More configuration by class and trait, such as `{KubeSpawner: {mem_limit: 2G}}`. Stored in a Secret."""
    service: Literal["ClusterIP", "NodePort", "LoadBalancer"] = "NodePort"
    """Type of the hub's public service."""
    url: Url | None = None
    """The hub's public URL, if it differs from the service's address, for example with an ingress."""
    subdomains: bool = False
    """Give each server a host of its own below that of `url`, so that no user's page can act as another user.
    Names and certificate must cover `hub.example.org` and `*.hub.example.org`."""
    https_secret: Name | None = None
    """TLS Secret (tls.crt, tls.key) in the hub's namespace. With it, the hub's proxy serves HTTPS."""
    courses: str | None = Field(None, pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*$")
    """Courses file below `nfs.courses_files`. Its lists then decide who may log in, and `users` is ignored."""
    user_ids: str | None = Field(None, pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*$")
    """File of user ids below `nfs.courses_files`, in the form of passwd(5): each user has ids of their own in
    servers, in kernels and on the storage."""
    courses_may_mount: tuple[ObjectPattern, ...] = ()
    """Objects that the courses file may mount besides the claim `courses`, such as `[secret/licence]`."""
    courses_nfs: tuple[NfsFolder, ...] = ()
    """NFS folders that the courses file may mount, such as `[{server: 10.0.0.9, root: /export/scans}]`."""
    internet: bool = True
    """Whether servers can reach the internet. Set it to false for exams."""
    allow_from: tuple[IPvAnyNetwork, ...] = ()
    """Networks of clients that may connect, such as `[192.0.2.0/24]`. Empty: all. The smoke test fails unless they
    include the machine that deploys. With an ingress, configure the restriction there."""
    database: Database = Database()
    z2jh: Z2jh = Z2jh()

    @model_validator(mode="after")
    def _https(self) -> DeployedHub:
        if self.https_secret and self.install == "none":
            raise ValueError("https_secret: an existing hub has its own certificate; set url instead")
        if self.https_secret and (self.url or "").startswith("http:"):
            raise ValueError("https_secret: url must begin with https:, since the hub serves HTTPS")
        return self

    @model_validator(mode="after")
    def _subdomains(self) -> DeployedHub:
        if not self.subdomains:
            return self
        if self.install == "none":
            raise ValueError(
                "subdomains: an existing hub is not changed; set its JupyterHub.subdomain_host instead"
            )
        if self.url is None:
            raise ValueError(
                "subdomains: set url to the hub's address in browsers, such as https://hub.example.org"
            )
        above_subdomains(self.url)
        return self

    @property
    def shares_its_origin(self) -> bool:
        """Whether several users' servers share the hub's origin. An existing hub is not known."""
        given = self.subdomains or self.config.get("JupyterHub", {}).get("subdomain_host")
        several = self.courses or has_several_users({*self.users, *self.admin_users}, self.config)
        return bool(several) and not given and self.install != "none"


class FurtherHub(DeployedHub):
    """An additional hub of the same gateway. Its name is also its namespace."""

    install: Literal["manifests"] = "manifests"


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
            if hub.allow_from and hub.install != "manifests":
                raise ValueError(f"{key}.allow_from: requires install: manifests; use the chart's values instead")
            if hub.courses and not (self.nfs.courses and self.nfs.courses_files):
                raise ValueError(f"{key}.courses: set the exported folders nfs.courses and nfs.courses_files")
            if hub.user_ids and not self.nfs.courses_files:
                raise ValueError(f"{key}.user_ids: set the exported folder nfs.courses_files, which has the file")
        if self.homes == "dynamic" and self.more_hubs and self.hub_name != self.namespaces.hub:
            raise ValueError("homes: with dynamic and more_hubs, settings.hubs[0].name must equal namespaces.hub")
        if len(set(names)) < len(names) or set(self.more_hubs) & set(spaces):
            raise ValueError("more_hubs: every hub needs a unique name that is not the name of another namespace")
        return self

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


def load_deployment(path: Path) -> Deployment:
    """Return the deployment that a YAML file describes.

    Raises SettingsError, which names the place of every mistake, including those below `settings`. It repeats no
    value.
    """
    try:
        tree = read_tree(path, such_as="nfs: and hub:")
    except FindingsError as error:
        raise SettingsError(f"{error.message}\nStart with deploy.example.yaml.") from None
    data, wrong = tree.data, []
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
