"""The models of the hubs in deploy.yaml."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, IPvAnyNetwork, model_validator

from kernelpod.base.fields import AbsolutePath, Name, ObjectPattern, Quantity, Section, Url
from kernelpod.settings.hubs import NfsFolder
from kernelpod.settings.origins import has_several_users
from kernelpod.settings.subdomains import above_subdomains


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
    """Whether servers can reach the internet. Set it to false for exams; they cannot ask for names then either."""
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
