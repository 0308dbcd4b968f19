"""What one deployment consists of: the models of deploy.yaml, and what is said when the file is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, IPvAnyNetwork, ValidationError, model_validator

from kernelpod import __version__
from kernelpod.base.clustertools import Tools
from kernelpod.base.fields import AbsolutePath, Name, ObjectPattern, Quantity, Section
from kernelpod.errors import SettingsError
from kernelpod.findings.sentences import sentences
from kernelpod.settings.sections import Settings

SMOKE_USER = "kernelpod-smoke"
Server = Annotated[str, Field(pattern=r"^[A-Za-z0-9.:-]+$")]


class Namespaces(Section):
    """The three namespaces; they are made where they are missing."""

    gateway: Name = "gateway"
    kernels: Name = "kernels"
    hub: Name = "hub"

    @model_validator(mode="after")
    def _apart(self) -> Namespaces:
        if len({self.gateway, self.kernels, self.hub}) < 3:
            raise ValueError("gateway, kernels and hub need a namespace each")
        return self


class Nfs(Section):
    """The NFS server and its folders."""

    server: Server
    """Address or name of the NFS server, as the nodes reach it."""
    homes: AbsolutePath = "/home/nfs_share/claim"
    """Exported folder that holds the homes."""
    kernelspecs: AbsolutePath | None = None
    """Exported folder above `kernelspecs`; absent: the kernelspecs in the gateway's image."""
    courses: AbsolutePath | None = None
    """Exported folder of the folders of courses, `storage.root` of the courses files; the claim is `courses`."""
    courses_files: AbsolutePath | None = None
    """Exported folder that holds the courses files and their lists; nobody but admins may write it."""


class Images(Section):
    """The images: `<prefix>gateway:<tag>`, `<prefix>hub:<tag>`, `<prefix>singleuser:<tag>`."""

    prefix: str = Field("ghcr.io/kernelpod/", pattern=r"^[A-Za-z0-9._/:-]{1,200}$")
    """What stands before the name; a registry's folder ends with `/`."""
    tag: str = Field(__version__, pattern=r"^[A-Za-z0-9._-]{1,128}$")
    """Version of all of them."""

    def named(self, name: str) -> str:
        """Return an image without its tag."""
        return f"{self.prefix}{name}"


class ClaimRequest(Section):
    """A claim of the cluster's storage."""

    size: Quantity = "1Gi"
    storage_class: str | None = None
    """Absent: the cluster's default one."""


class Database(Section):
    """Where the hub keeps who runs what; a hub that loses it loses every server and kernel."""

    claim: ClaimRequest = ClaimRequest()
    nfs: AbsolutePath | None = None
    """Instead: in this folder of the NFS server; it may be that of the homes."""
    host_path: AbsolutePath | None = None
    """Instead: in this folder of the node, for a cluster of one node."""

    @model_validator(mode="after")
    def _one(self) -> Database:
        if self.nfs and self.host_path:
            raise ValueError("give nfs or host_path, not both")
        return self


class Z2jh(Section):
    """Zero to JupyterHub, for `hub.install: z2jh`."""

    chart: str = "jupyterhub"
    """Chart as helm takes it: a folder, an archive, or a name in `repository`."""
    repository: str = "https://hub.jupyter.org/helm-chart/"
    """Helm repository of the chart; empty for a folder or an archive."""
    version: str = "4.4.0"
    """Version of the chart."""
    values: dict[str, Any] = Field(default_factory=dict)
    """Further values; they have the last word."""


class DeployedHub(Section):
    """The hub whose users start kernels."""

    install: Literal["manifests", "z2jh", "none"] = "manifests"
    """Plain manifests, Zero to JupyterHub, or a hub that is there already."""
    users: tuple[str, ...] = ()
    """Who may log in."""
    admin_users: tuple[str, ...] = ()
    """Who may also administer the hub; nobody may see another user's kernels by that."""
    authenticator: str = "dummy"
    """JupyterHub's `authenticator_class`. `dummy` is for a trial: one password, made by `deploy`, for all."""
    config: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Further traits of the hub by class, such as `{KubeSpawner: {mem_limit: 2G}}`; kept in a Secret."""
    service: Literal["ClusterIP", "NodePort", "LoadBalancer"] = "NodePort"
    """How people reach the hub."""
    url: str | None = Field(None, pattern=r"^https?://[^\s?#]+$")
    """Where people reach it, if that is not the service's own address, such as an ingress."""
    https_secret: Name | None = None
    """TLS Secret (tls.crt, tls.key) of the hub's namespace, with which the hub's proxy speaks HTTPS itself."""
    courses: str | None = Field(None, pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*$")
    """Courses file below `nfs.courses_files`; its lists then say who may log in, and `users` is not looked at."""
    courses_may_mount: tuple[ObjectPattern, ...] = ()
    """What of the cluster that file may name beside the claim `courses`, such as `[secret/licence]`."""
    internet: bool = True
    """Whether servers reach the internet; an exam says false."""
    allow_from: tuple[IPvAnyNetwork, ...] = ()
    """Networks people may come from, such as `[192.0.2.0/24]`; empty: any. The machine that deploys must be among
    them, or the smoke test fails; an ingress is asked to do it itself."""
    database: Database = Database()
    z2jh: Z2jh = Z2jh()

    @model_validator(mode="after")
    def _https(self) -> DeployedHub:
        if self.https_secret and self.install == "none":
            raise ValueError("https_secret: a hub that is there already has its own certificate; give its url")
        if self.https_secret and (self.url or "").startswith("http:"):
            raise ValueError("https_secret: the hub then speaks HTTPS; url must begin with https:")
        return self


class FurtherHub(DeployedHub):
    """Another hub at the same gateway; its name is its namespace."""

    install: Literal["manifests"] = "manifests"


class Microk8s(Section):
    """What is asked of microk8s only."""

    metallb: str | None = Field(None, pattern=r"^[0-9a-fA-F.:/,-]+$")
    """Addresses for `hub.service: LoadBalancer`, such as `10.64.140.43-10.64.140.49`."""


class Smoke(Section):
    """Who logs in for the smoke test, where the authenticator is not `dummy`."""

    user: str | None = None
    """A hub with courses knows only who is in its lists; with `dummy` the trial's password is used."""
    password_file: Path | None = None
    """File that holds the password."""
    kernelspec: str = "python-pod"
    """A kernelspec whose language is Python."""


class Deployment(Section):
    """All of deploy.yaml; only `nfs.server` has no default."""

    tools: Tools = "auto"
    """`kubectl` and `helm`, or `microk8s kubectl` and `microk8s helm3`; auto: the former if there is a kubectl."""
    context: str | None = None
    """Context of the kubeconfig; absent: the current one."""
    release: Name = "kernelpod"
    """Name of the gateway's Helm release; part of every kernel's labels."""
    namespaces: Namespaces = Namespaces()
    nfs: Nfs
    homes: Literal["pvc", "nfs", "dynamic", "none"] = "pvc"
    """How homes are mounted: by a claim for all (Pod Security `restricted` holds), as inline NFS volumes, by a
    claim for each user, of a storage class that makes folders below `nfs.homes`, or not at all: files are lost."""
    images: Images = Images()
    hub: DeployedHub = DeployedHub()
    more_hubs: dict[Name, FurtherHub] = Field(default_factory=dict)
    """Further hubs by name, which is the namespace, too: `{exam: {courses: exam.yaml, internet: false}}`."""
    microk8s: Microk8s = Microk8s()
    smoke: Smoke = Smoke()
    allow_unenforced_network: bool = False
    """Accept a cluster whose network does not enforce NetworkPolicy: kernels then reach everything."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """Further settings of the gateway (docs/settings.md); the chart gets them as they are, see `gateway`."""
    values: dict[str, Any] = Field(default_factory=dict)
    """Further values of the gateway's chart (docs/chart.md); they have the last word."""

    @model_validator(mode="after")
    def _fits(self) -> Deployment:
        names = [self.hub_name, *self.more_hubs]
        spaces = [self.namespaces.gateway, self.namespaces.kernels, self.namespaces.hub]
        for key, hub in (("hub", self.hub), *((f"more_hubs.{name}", hub) for name, hub in self.more_hubs.items())):
            lists = hub.users or hub.courses
            if hub.install != "none" and hub.authenticator == "dummy" and not lists:
                raise ValueError(f"{key}.users: name who may log in, such as [alice, bob], or a courses file")
            if hub.allow_from and hub.install != "manifests":
                raise ValueError(f"{key}.allow_from: it is for install: manifests; say it in the chart's values")
            if hub.courses and hub.install == "z2jh":
                raise ValueError(
                    f"{key}.courses: with z2jh use the values of `kernelpod hub values`, or install: manifests"
                )
            if hub.courses and not (self.nfs.courses and self.nfs.courses_files):
                raise ValueError(f"{key}.courses: name the exported folders nfs.courses and nfs.courses_files")
        if self.homes == "dynamic" and self.more_hubs and self.hub_name != self.namespaces.hub:
            raise ValueError("homes: with more_hubs, dynamic needs settings.hubs[0].name to be namespaces.hub")
        if len(set(names)) < len(names) or set(self.more_hubs) & set(spaces):
            raise ValueError("more_hubs: every hub needs a name of its own, which is no other namespace")
        return self

    @cached_property
    def gateway(self) -> Settings:
        """The gateway's settings as far as the file says them; the chart completes them."""
        return Settings.model_validate(self.settings)

    @property
    def hub_name(self) -> str:
        """The name of `hub` in the gateway's settings."""
        return self.gateway.hubs[0].name

    def hubs(self) -> list[OneHub]:
        """Return all hubs, the first one first."""
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
    """The deployment with this hub, and its namespace, as the first one."""
    first: bool = False

    @property
    def gateway_secret(self) -> str:
        """Name of the Secret that holds the gateway's copy of the token of the hub's service."""
        return "kernelpod-hub" if self.first else f"kernelpod-hub-{self.name}"

    @property
    def token_folder(self) -> str:
        """Where the gateway, and the hub itself, see that token."""
        return "/run/secrets/kernelpod" if self.first else f"/run/secrets/kernelpod-{self.name}"


def load_deployment(path: Path) -> Deployment:
    """Return the deployment of a YAML file.

    Raises SettingsError naming the file and every wrong key, those below `settings` included.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"{path} cannot be read: {error}. deploy.example.yaml is one to begin with."
        ) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise SettingsError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(data, dict):
        raise SettingsError(f"{path} must hold a mapping; deploy.example.yaml is one to begin with.")
    wrong = []
    try:
        Settings.model_validate(data.get("settings", {}))
    except ValidationError as error:
        wrong = [f"  settings.{line}" for line in sentences(error, Settings)]
        data = {**data, "settings": {}}
    try:
        deployment = Deployment.model_validate(data)
    except ValidationError as error:
        wrong = [*(f"  {line}" for line in sentences(error, Deployment)), *wrong]
    if wrong:
        raise SettingsError("\n".join([f"{path} cannot be used:", *wrong]))
    return deployment
