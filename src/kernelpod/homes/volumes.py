"""Where homes and shared folders lie, and where server and kernels see them: the settings of the storage."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from kernelpod.base.fields import AbsolutePath, Name, NameTemplate, PathTemplate, Quantity, Section
from kernelpod.base.podkeys import ObjectName

# What the names of a course's mounts begin with, and those of the settings do not; of its further volumes.
COURSE_MOUNTS = "course-"
COURSE_VOLUMES = "course-volume-"
_NEEDS = {
    "nfs": ("server", "the NFS server's name"),
    "dynamic": ("server", "the NFS server's name"),
    "config_map": ("object", "the ConfigMap's name"),
    "secret": ("object", "the Secret's name"),
    "csi": ("driver", "the name of the CSI driver"),
}
# Keys that mean nothing for other kinds.
_ONLY_OF = {
    "object": ("config_map", "secret"),
    "driver": ("csi",),
    "attributes": ("csi",),
    "publish_secret": ("csi",),
}


class Volume(Section):
    """The storage behind a mount, as a pod names it; a local runtime uses the path itself."""

    kind: Literal["pvc", "nfs", "dynamic", "none", "config_map", "secret", "csi"] = "pvc"
    """A persistent volume claim (with a subPath), or an inline NFS volume. For homes also `dynamic`: each user's
    own claim in the hub's namespace, bound to a folder of an NFS server below `root`, which kernels mount inline;
    and `none`: an empty folder for each server and each kernel, lost when it ends. For mounts also `config_map`,
    `secret` and `csi` (an inline volume of a driver), mounted as a whole; only a cluster has them."""
    claim: NameTemplate = "homes"
    """Name of the claim in the kernels' namespace; it must be bound to `root` of the same export. For homes it may
    hold `{username}`, such as `claim-{username}`: then each user's home is their own claim, made by the hub."""
    server: str = Field("", pattern=r"^[A-Za-z0-9.:-]*$")
    """NFS server, for `kind: nfs` and `dynamic`."""
    namespace: NameTemplate = "hub"
    """For `kind: dynamic`: the hub's namespace, where the claims are; it may hold `{hub}`."""
    object: ObjectName | Literal[""] = ""
    """ConfigMap or Secret; one of that name must be in the hub's namespace, and one in the kernels'. Who has the
    mount can read all of it."""
    driver: str = Field("", pattern=r"^([A-Za-z0-9]([A-Za-z0-9.-]{0,61}[A-Za-z0-9])?)?$")
    """CSI driver, which must know inline (ephemeral) volumes."""
    attributes: dict[str, str] = Field({})
    """For `csi`: what the driver is told (`volumeAttributes`)."""
    publish_secret: ObjectName | Literal[""] = ""
    """For `csi`: Secret that the driver gets (`nodePublishSecretRef`), in both namespaces."""

    @property
    def own(self) -> bool:
        """Whether each user has a volume of their own, the whole of which is their home."""
        return self.kind == "none" or "{username}" in self.claim

    @property
    def folders(self) -> bool:
        """Whether a folder in it is named by a path; else it is mounted as a whole."""
        return self.kind in ("pvc", "nfs", "dynamic")

    @property
    def objects(self) -> tuple[str, ...]:
        """What of the cluster it names, as `kind/name`; nothing for NFS, whose server decides who may mount."""
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
        raise ValueError("homes need kind pvc, nfs, dynamic or none; the rest is for mounts")
    return volume


def _for_many(volume: Volume) -> Volume:
    if volume.kind not in ("pvc", "nfs") or "{" in volume.claim:
        raise ValueError("a folder of many users needs kind pvc or nfs, and one claim")
    return volume


def _for_mounts(volume: Volume) -> Volume:
    return volume if volume.kind in ("config_map", "secret", "csi") else _for_many(volume)


HomeVolume = Annotated[Volume, AfterValidator(_for_homes)]
SharedVolume = Annotated[Volume, AfterValidator(_for_many)]
MountedVolume = Annotated[Volume, AfterValidator(_for_mounts)]


def check_root(root: str | None, volume: Volume, *, writable: bool) -> None:
    """Raise ValueError if where a mount begins does not fit its volume, or if it cannot be written."""
    if volume.folders and root is None:
        raise ValueError("name root, the folder where the volume begins")
    if not volume.folders and root is not None:
        raise ValueError(f"a volume of kind {volume.kind} is mounted as a whole; leave out root")
    if volume.kind in ("config_map", "secret") and writable:
        raise ValueError(f"a volume of kind {volume.kind} cannot be written")


def shows(here: str, folder: str) -> bool:
    """Return whether somebody who sees the folder `here` sees another one of the same storage, or a part of it."""
    mine, other = f"{here.rstrip('/')}/", f"{folder.rstrip('/')}/"
    return mine.startswith(other) or other.startswith(mine)


class Claims(Section):
    """The claims of homes that are each user's own; the hub makes them, and never deletes them."""

    size: Quantity = "10Gi"
    """Size that is asked for."""
    storage_class: str | None = None
    """Absent: the cluster's default one."""


class Homes(Section):
    """Where homes lie, and where server and kernel see them."""

    root: AbsolutePath = "/home/nfs_share/claim"
    """Folder that holds every home; on NFS a path of the export."""
    path_template: PathTemplate = "{username}"
    """A home below `root`; `{username}` is KubeSpawner's slug, `{hub}` the hub's name. A claim of a user's own is
    the home as a whole."""
    mount_path: AbsolutePath = "/home/jovyan"
    """Where server and kernel see the home."""
    create_local: bool = False
    """Let the server's side make a missing home on this machine (mode 0700)."""
    volume: HomeVolume = Volume()
    """The storage behind `root`."""
    claims: Claims = Claims()
    """Claims of each user's own."""

    @model_validator(mode="after")
    def _own_home_each(self) -> Homes:
        if "{username}" not in self.path_template:
            raise ValueError("path_template needs {username}, or users would share a home")
        if self.volume.kind == "dynamic" and not self.volume.own:
            raise ValueError("dynamic volumes are claims of each user's own: name them, such as claim-{username}")
        return self


class SharedMount(Section):
    """A folder that some users see beside their home, in server and kernel alike."""

    name: Name
    """Name of the mount; unique."""
    root: AbsolutePath | None = None
    """Folder on the storage; for a claim, where the claim begins. Absent for a ConfigMap, a Secret and `csi`."""
    path_template: PathTemplate | None = None
    """The folder below `root`; all of `root` if absent."""
    mount_path: AbsolutePath
    """Where server and kernel see it."""
    read_only: bool = True
    """Whether it can be written."""
    writers: tuple[str, ...] = ()
    """Groups that may write it although it is read-only for the rest."""
    users: tuple[str, ...] = ()
    """Raw user names who get it; with neither users nor groups everybody does."""
    groups: tuple[str, ...] = ()
    """Hub groups that get it."""
    volume: MountedVolume = Volume()
    """The storage behind `root`."""

    @model_validator(mode="after")
    def _fits(self) -> SharedMount:
        check_root(self.root, self.volume, writable=not self.read_only or bool(self.writers))
        if self.path_template and self.root is None:
            raise ValueError(f"a volume of kind {self.volume.kind} is mounted as a whole; leave out path_template")
        return self

    def shows(self, folder: str) -> bool:
        """Return whether somebody who has this mount sees a folder of the same storage, or a part of it."""
        fixed = (self.path_template or "").partition("{")[0].rpartition("/")[0]
        return self.root is not None and shows(f"{self.root}/{fixed}", folder)
