"""What a user's server pod holds beside Lab: her mounts, her ids, and the container that makes her home.

Pure functions of the settings, without JupyterHub: the spawner and the values for Zero to JupyterHub share them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kernelpod.mounts import Mount, UserMounts
from kernelpod.podparts import literal, no_privileges, volume, volume_mount
from kernelpod.settings import Settings

HOME_CONTAINER = "home"
HOMES_VOLUME = "homes"
HOMES_FOLDER = "/homes"

# Arguments: the home as this container sees it, the home as admins see it, user id, group id. A home that is as
# it should be is left alone. With root_squash, root is nobody on the server: nothing can be made there, or nothing
# given away, and the admin has to.
MAKE_HOME = """\
home=$1 path=$2 uid=$3 gid=$4
fail() { echo "$1" >&2; exit 1; }
if [ -L "$home" ]; then fail "The home $path is a symbolic link; an admin must put a folder in its place."; fi
owner=$(stat -c %u "$home" 2>/dev/null)
if [ "$owner" = "$uid" ]; then exit 0; fi
fix="On the NFS server run: mkdir -p -m 0700 $path && chown $uid:$gid $path"
if [ -n "$owner" ] && [ "$owner" != 0 ]; then
  fail "The home $path belongs to the user id $owner, but this user has $uid. On the NFS server run: \
chown -R $uid:$gid $path"
fi
umask 022
mkdir -p "$(dirname "$home")" 2>/dev/null
if [ -z "$owner" ] && ! mkdir -m 0700 "$home" 2>/dev/null; then
  fail "The home $path cannot be made: root may not write there (root_squash). $fix"
fi
if ! { chown "$uid:$gid" "$home" && chmod 0700 "$home"; } 2>/dev/null; then
  if [ -z "$owner" ]; then rmdir "$home" 2>/dev/null; fi
  fail "The home $path cannot be given to its user: root may not do so there (root_squash). $fix"
fi
"""


@dataclass(frozen=True)
class Ids:
    """User id, group id and further group ids of a user's servers and kernels."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()


def volumes(mounts: UserMounts) -> list[dict[str, Any]]:
    """Return the volumes of a server pod.

    The home is a subPath of the volume that holds all homes, for NFS too: kubelet mounts every volume before the
    container that makes the home has run. The server's container sees nothing but the subPath.
    """
    home = mounts.home
    root = home.path.removesuffix(home.sub_path).rstrip("/")
    all_homes = home.model_copy(update={"name": HOMES_VOLUME, "path": root, "read_only": False})
    return [volume(all_homes), *map(volume, mounts.shared)]


def volume_mounts(mounts: UserMounts) -> list[dict[str, Any]]:
    """Return where the server sees its volumes: the home by its subPath, the rest as kernels do."""
    home = mounts.home
    own = {"name": HOMES_VOLUME, "mountPath": home.mount_path, "subPath": home.sub_path}
    return [own, *map(volume_mount, mounts.shared)]


def home_container(settings: Settings, home: Mount, ids: Ids) -> dict[str, Any]:
    """Return the init container that makes a missing home: nothing else of a user's runs as root."""
    inside = f"{HOMES_FOLDER}/{home.sub_path}"
    return {
        "name": HOME_CONTAINER,
        "image": settings.runtime.kubernetes.home_check_image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", literal(MAKE_HOME), "make-home"],
        "args": [literal(inside), literal(home.path), str(ids.uid), str(ids.gid)],
        "resources": {
            "requests": {"cpu": "10m", "memory": "16Mi"},
            "limits": {"cpu": "100m", "memory": "64Mi"},
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {
            "runAsUser": 0,
            "runAsGroup": 0,
            "runAsNonRoot": False,
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"], "add": ["CHOWN", "DAC_OVERRIDE", "FOWNER"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": [{"name": HOMES_VOLUME, "mountPath": HOMES_FOLDER}],
    }


def restricted() -> dict[str, Any]:
    """Return the security context of the server's container, as Pod Security's `restricted` wants it."""
    return {**no_privileges(), "runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
