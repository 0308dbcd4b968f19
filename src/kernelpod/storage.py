"""Where homes and shared folders lie, and where server and kernels see them: the settings of the storage."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from kernelpod.fields import AbsolutePath, Name, NameTemplate, PathTemplate, Quantity, Section

# What the names of a course's mounts begin with, and those of the settings do not.
COURSE_MOUNTS = "course-"


class Volume(Section):
    """The storage behind a mount, as a pod names it; a local runtime uses the path itself."""

    kind: Literal["pvc", "nfs", "dynamic", "none"] = "pvc"
    """A persistent volume claim (with a subPath), or an inline NFS volume. For homes also `dynamic`: each user's
    own claim in the hub's namespace, bound to a folder of an NFS server below `root`, which kernels mount inline;
    and `none`: an empty folder for each server and each kernel, lost when it ends."""
    claim: NameTemplate = "homes"
    """Name of the claim in the kernels' namespace; it must be bound to `root` of the same export. For homes it may
    hold `{username}`, such as `claim-{username}`: then each user's claim is her home, and is made by the hub."""
    server: str = Field("", pattern=r"^[A-Za-z0-9.:-]*$")
    """NFS server, for `kind: nfs` and `dynamic`."""
    namespace: NameTemplate = "hub"
    """For `kind: dynamic`: the hub's namespace, where the claims are; it may hold `{hub}`."""

    @property
    def own(self) -> bool:
        """Whether each user has a volume of this kind for herself, all of which is her home."""
        return self.kind == "none" or "{username}" in self.claim

    def of(self, values: dict[str, str]) -> Volume:
        """Return the volume with `{hub}` and `{username}` filled in."""
        if "{" not in self.claim + self.namespace:
            return self
        update = {"claim": self.claim.format_map(values), "namespace": self.namespace.format_map(values)}
        return self.model_copy(update=update)

    @model_validator(mode="after")
    def _complete(self) -> Volume:
        if self.kind in ("nfs", "dynamic") and not self.server:
            raise ValueError(f"a volume of kind {self.kind} needs server, the NFS server's name")
        return self


def _for_many(volume: Volume) -> Volume:
    if volume.own or "{" in volume.claim:
        raise ValueError("a folder of many users needs kind pvc or nfs, and one claim; the rest is for homes")
    return volume


SharedVolume = Annotated[Volume, AfterValidator(_for_many)]


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
    her home as a whole."""
    mount_path: AbsolutePath = "/home/jovyan"
    """Where server and kernel see the home."""
    create_local: bool = False
    """Let the server's side make a missing home on this machine (mode 0700)."""
    volume: Volume = Volume()
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
    root: AbsolutePath
    """Folder on the storage; for a claim, where the claim begins."""
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
    volume: SharedVolume = Volume()
    """The storage behind `root`."""

    def shows(self, folder: str) -> bool:
        """Return whether somebody who has this mount sees a folder of the same storage, or a part of it."""
        fixed = (self.path_template or "").partition("{")[0].rpartition("/")[0]
        here = f"{self.root}/{fixed}".rstrip("/") + "/"
        return here.startswith(folder.rstrip("/") + "/") or (folder + "/").startswith(here)
