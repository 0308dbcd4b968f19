"""Settings of the storage: the volumes of homes and shared folders, and the paths they are mounted at."""

from __future__ import annotations

import ipaddress
import socket
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from kernelpod.base.fields import (
    AbsolutePath,
    Audience,
    Name,
    NameTemplate,
    PathTemplate,
    Quantity,
    Section,
    is_own_segment,
    may_meet,
)
from kernelpod.base.podkeys import ObjectName

# Prefixes of the names of a course's mounts and volumes. Mounts of the settings must not use the first one.
COURSE_MOUNTS = "course-"
COURSE_VOLUMES = "course-volume-"
_NEEDS = {
    "nfs": ("server", "the NFS server's name"),
    "dynamic": ("server", "the NFS server's name"),
    "config_map": ("object", "the ConfigMap's name"),
    "secret": ("object", "the Secret's name"),
    "csi": ("driver", "the name of the CSI driver"),
}
# Keys that are only allowed for these kinds of volumes.
_ONLY_OF = {
    "object": ("config_map", "secret"),
    "driver": ("csi",),
    "attributes": ("csi",),
    "publish_secret": ("csi",),
}


class Volume(Section):
    """The volume behind a mount, as in a pod's spec. The local runtime uses the path instead."""

    kind: Literal["pvc", "nfs", "dynamic", "none", "config_map", "secret", "csi"] = "pvc"
    """`pvc` is a persistent volume claim (mounted with a subPath), `nfs` an inline NFS volume. Homes may also use
    `dynamic` and `none`. `dynamic`: each user has their own claim in the hub's namespace, bound to a folder of an
    NFS server below `root`, which kernels mount inline. `none`: each server and each kernel has an empty folder
    that is deleted when it ends. Mounts may also use `config_map`, `secret` and `csi` (an inline volume of a
    driver); these exist only in a cluster and are mounted as a whole."""
    claim: NameTemplate = "homes"
    """Name of the claim in the kernels' namespace. It must be bound to `root` of the same export. For homes the
    name may contain `{username}`, such as `claim-{username}`; then each user has their own claim, created by the
    hub, and the whole claim is their home."""
    server: str = Field("", pattern=r"^[A-Za-z0-9.:-]*$")
    """NFS server, for `kind: nfs` and `dynamic`."""
    namespace: NameTemplate = "hub"
    """For `kind: dynamic`: the hub's namespace, where the claims are. It may contain `{hub}`."""
    object: ObjectName | Literal[""] = ""
    """Name of the ConfigMap or Secret. It must exist in the hub's namespace and in the kernels' namespace. Users
    can read everything in it."""
    driver: str = Field("", pattern=r"^([A-Za-z0-9]([A-Za-z0-9.-]{0,61}[A-Za-z0-9])?)?$")
    """Name of the CSI driver. The driver must support inline (ephemeral) volumes."""
    attributes: dict[str, str] = Field({})
    """For `csi`: the driver's `volumeAttributes`."""
    publish_secret: ObjectName | Literal[""] = ""
    """For `csi`: name of the Secret that the driver gets (`nodePublishSecretRef`). It must exist in both
    namespaces."""

    @property
    def own(self) -> bool:
        """Whether each user has their own volume, which is their home as a whole."""
        return self.kind == "none" or "{username}" in self.claim

    @property
    def folders(self) -> bool:
        """Whether folders of the volume can be mounted by their paths; if not, it is mounted as a whole."""
        return self.kind in ("pvc", "nfs", "dynamic")

    @property
    def objects(self) -> tuple[str, ...]:
        """The objects of the cluster that the volume uses, as `kind/name`.

        There are none for NFS: the NFS server itself controls who may mount.
        """
        name = {"pvc": self.claim, "dynamic": self.claim, "csi": self.driver}.get(self.kind, self.object)
        given = {"secret": self.publish_secret, self.kind: name}
        return tuple(f"{kind}/{one}" for kind, one in given.items() if one)

    def of(self, values: dict[str, str]) -> Volume:
        """Return the volume with `{hub}` and `{username}` filled in."""
        if "{" not in self.claim + self.namespace:
            return self
        update = {"claim": self.claim.format_map(values), "namespace": self.namespace.format_map(values)}
        return self.model_copy(update=update)

    @model_validator(mode="after")
    def _complete(self) -> Volume:
        needed, what = _NEEDS.get(self.kind, ("", ""))
        if needed and not getattr(self, needed):
            raise ValueError(f"a volume of kind {self.kind} needs {needed}, {what}")
        for key, kinds in _ONLY_OF.items():
            if getattr(self, key) and self.kind not in kinds:
                raise ValueError(f"{key} is for volumes of kind {' or '.join(kinds)}; this one is {self.kind}")
        return self


def _for_homes(volume: Volume) -> Volume:
    if not volume.folders and volume.kind != "none":
        raise ValueError("homes need kind pvc, nfs, dynamic or none; other kinds are for mounts")
    return volume


def _for_many(volume: Volume) -> Volume:
    if volume.kind not in ("pvc", "nfs") or "{" in volume.claim:
        raise ValueError("a shared folder needs kind pvc or nfs, and one claim for all users")
    return volume


def _for_mounts(volume: Volume) -> Volume:
    return volume if volume.kind in ("config_map", "secret", "csi") else _for_many(volume)


HomeVolume = Annotated[Volume, AfterValidator(_for_homes)]
SharedVolume = Annotated[Volume, AfterValidator(_for_many)]
MountedVolume = Annotated[Volume, AfterValidator(_for_mounts)]


def check_root(root: str | None, volume: Volume, *, writable: bool) -> None:
    """Raise ValueError if a mount's `root` does not fit its volume, or if the volume cannot be written."""
    if volume.folders and root is None:
        raise ValueError("root is missing: name the folder where the volume begins")
    if not volume.folders and root is not None:
        raise ValueError(f"a volume of kind {volume.kind} is mounted as a whole; leave out root")
    if volume.kind in ("config_map", "secret") and writable:
        raise ValueError(f"a volume of kind {volume.kind} cannot be written")


def shows(here: str, folder: str) -> bool:
    """Return whether one of two folders on the same storage is, or contains, the other.

    If so, a user with access to `here` has access to `folder` or to a part of it.
    """
    mine, other = f"{here.rstrip('/')}/", f"{folder.rstrip('/')}/"
    return mine.startswith(other) or other.startswith(mine)


def canonical_server(server: str) -> str:
    """Return one spelling for all that name the same server without a look-up: of letters, dots and addresses."""
    plain = server.lower().rstrip(".")
    try:
        address = ipaddress.ip_address(plain)
    except ValueError:
        # As the C library reads them: 10.5, 0x0a.0.0.5 and 167772165 are addresses, too.
        try:
            return str(ipaddress.IPv4Address(socket.inet_aton(plain)))
        except (OSError, ValueError):
            return plain
    return str((address.version == 6 and address.ipv4_mapped) or address)


class Claims(Section):
    """Claims for homes where each user has their own. The hub creates them and never deletes them."""

    size: Quantity = "10Gi"
    """Requested size."""
    storage_class: str | None = None
    """Storage class; absent: the cluster's default."""


class Homes(Section):
    """Where homes are on the storage, and where servers and kernels mount them."""

    root: AbsolutePath = "/home/nfs_share/claim"
    """Folder that contains all homes; on NFS a path of the export."""
    path_template: PathTemplate = "{username}"
    """Path of a home below `root`. `{username}` is KubeSpawner's slug of the user name, `{hub}` the hub's name. It
    is not used if each user has their own claim, because the whole claim is the home."""
    slug: Literal["safe", "escape"] = "safe"
    """How user names become names of folders, in `path_template` and in those of `mounts`: `safe` as KubeSpawner
    since 7 (Zero to JupyterHub 4.0), such as `jo-doe---0a1b2c3d`; `escape` as before, such as `jo-2edoe`, for
    existing homes. Claims of users are found by both."""
    service_path_template: PathTemplate | None = None
    """Path of the home of a hub's service, where `{username}` is the slug of the service's name, such as
    `_services/{username}`. It cannot be the path of a user's home. Absent: services have no homes, so they start
    no kernels."""
    shared_homes: bool = False
    """Whether users of equal names in several hubs are the same people and share a home. If false, and several
    hubs have no courses, `path_template` (or the name of each user's claim) needs `{hub}`."""
    mount_path: AbsolutePath = "/home/jovyan"
    """Path of the home in servers and kernels."""
    create_local: bool = False
    """Whether a spawner on this machine creates missing homes (mode 0700)."""
    volume: HomeVolume = Volume()
    """The volume behind `root`."""
    claims: Claims = Claims()
    """How the hub creates claims, if each user has their own."""

    @model_validator(mode="after")
    def _own_home_each(self) -> Homes:
        if "{username}" not in self.path_template:
            raise ValueError("path_template needs {username}, or users would share a home")
        if not is_own_segment(self.path_template):
            raise ValueError(
                "path_template: {username} must be a name of its own in the path, such as a/{username}"
            )
        if self.service_path_template is not None:
            self._check_services(self.service_path_template)
        if self.volume.kind == "dynamic" and not self.volume.own:
            raise ValueError(
                "with kind dynamic each user has their own claim: set claim, such as claim-{username}"
            )
        return self

    def _check_services(self, template: str) -> None:
        if not is_own_segment(template):
            raise ValueError(
                "service_path_template: {username} must be a name of its own, such as _services/{username}"
            )
        if self.volume.own:
            raise ValueError("service_path_template: services have no homes where each user has their own claim")
        if may_meet(template, self.path_template):
            raise ValueError(
                "service_path_template could be the path of a user's home, or lie in one; begin it with a name "
                "that no user has, such as _services/{username}"
            )


class SharedMount(Audience):
    """A folder that is mounted in the servers and kernels of all or some users, in addition to their homes."""

    name: Name
    """Unique name of the mount."""
    root: AbsolutePath | None = None
    """Folder on the storage; for a claim, the root of the claim. Absent for a ConfigMap, a Secret and `csi`."""
    path_template: PathTemplate | None = None
    """Path of the folder below `root`. Absent: the whole `root` is mounted."""
    mount_path: AbsolutePath
    """Path of the folder in servers and kernels."""
    read_only: bool = True
    """Whether the folder is mounted read-only."""
    writers: tuple[str, ...] = ()
    """Groups for which the folder is writable even if `read_only` is true."""
    volume: MountedVolume = Volume()
    """The volume behind `root`."""

    @model_validator(mode="after")
    def _fits(self) -> SharedMount:
        check_root(self.root, self.volume, writable=not self.read_only or bool(self.writers))
        if self.path_template and self.root is None:
            raise ValueError(f"a volume of kind {self.volume.kind} is mounted as a whole; leave out path_template")
        return self

    def shows(self, folder: str) -> bool:
        """Return whether a user with this mount has access to a folder of the same storage, or to a part of it."""
        fixed = (self.path_template or "").partition("{")[0].rpartition("/")[0]
        return self.root is not None and shows(f"{self.root}/{fixed}", folder)
