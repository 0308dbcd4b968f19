"""Where homes and shared folders lie, and where server and kernels see them: the settings of the storage."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from kernelpod.fields import AbsolutePath, Name, PathTemplate, Section

# What the names of a course's mounts begin with, and those of the settings do not.
COURSE_MOUNTS = "course-"


class Volume(Section):
    """The storage behind a mount, as a pod names it; a local runtime uses the path itself."""

    kind: Literal["pvc", "nfs"] = "pvc"
    """A persistent volume claim (with a subPath), or an inline NFS volume."""
    claim: Name = "homes"
    """Name of the claim in the kernels' namespace; it must be bound to `root` of the same export."""
    server: str = Field("", pattern=r"^[A-Za-z0-9.:-]*$")
    """NFS server, for `kind: nfs`."""

    @model_validator(mode="after")
    def _complete(self) -> Volume:
        if self.kind == "nfs" and not self.server:
            raise ValueError("an nfs volume needs server")
        return self


class Homes(Section):
    """Where homes lie, and where server and kernel see them."""

    root: AbsolutePath = "/home/nfs_share/claim"
    """Folder that holds every home; on NFS a path of the export."""
    path_template: PathTemplate = "{username}"
    """A home below `root`; `{username}` is KubeSpawner's slug, `{hub}` the hub's name."""
    mount_path: AbsolutePath = "/home/jovyan"
    """Where server and kernel see the home."""
    create_local: bool = False
    """Let the server's side make a missing home on this machine (mode 0700)."""
    volume: Volume = Volume()
    """The storage behind `root`."""

    @model_validator(mode="after")
    def _own_home_each(self) -> Homes:
        if "{username}" not in self.path_template:
            raise ValueError("path_template needs {username}, or users would share a home")
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
    volume: Volume = Volume()
    """The storage behind `root`."""
