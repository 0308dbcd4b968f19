"""Builds parts of a user's server pod: volumes, mounts, ids, and the container that creates the home.

All functions are pure functions of the settings and do not import JupyterHub. The spawner and the values for Zero
to JupyterHub share them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kernelpod.homes.mounts import Mount, UserMounts
from kernelpod.homes.volumes import COURSE_MOUNTS, COURSE_VOLUMES
from kernelpod.pods import parts as podparts
from kernelpod.pods.parts import literal
from kernelpod.settings.hubs import Hub
from kernelpod.settings.sections import Settings

HOME_CONTAINER = "home"
HOMES_VOLUME = "homes"
HOMES_FOLDER = "/homes"
COURSES_VOLUME = "courses"
COURSES_FOLDER = "/courses"

# Arguments: the home's path in this container, the home's path for admins, user id, group id, then folders of the
# exchange. Correct folders are not changed. A user's own volume (a home that ends with a slash) is not changed
# either if everyone may write to it. With root_squash, root is mapped to nobody on the NFS server and may not
# create folders or change their owner; then an admin must do so.
MAKE_HOME = """\
home=$1 path=$2 uid=$3 gid=$4
shift 4
fail() { echo "$1" >&2; exit 1; }
for folder; do
  if [ -L "$folder" ]; then fail "The courses' folder ${folder#/courses/} is a symbolic link; remove it."; fi
  if [ -d "$folder" ]; then continue; fi
  umask 002
  mkdir -p "$(dirname "$folder")" 2>/dev/null
  # A folder for graders, or for graders and one student. Users with this mount cannot see the folders beside it.
  if ! { mkdir -m 0770 "$folder" && chown "$uid:$gid" "$folder"; } 2>/dev/null && [ ! -d "$folder" ]; then
    fail "The courses' folder ${folder#/courses/} cannot be created: root may not write there (root_squash). \
On the NFS server run there: mkdir -p -m 0770 ${folder#/courses/} && chown $uid:$gid ${folder#/courses/}"
  fi
done
if [ -L "$home" ]; then fail "The home $path is a symbolic link; an admin must replace it with a folder."; fi
if [ -e "$home" ] && [ ! -d "$home" ]; then fail "The home $path is not a folder; an admin must move it away."; fi
case $home in */) case $(stat -c %a "$home") in *7) exit 0 ;; esac ;; esac
owner=$(stat -c %u "$home" 2>/dev/null)
if [ "$owner" = "$uid" ]; then exit 0; fi
fix="On the NFS server run: mkdir -p -m 0700 $path && chown $uid:$gid $path (for all users: kernelpod homes make)"
case $owner in 65534 | 4294967294) fail "The home $path belongs to nobody here (user id $owner). If it does not \
on the NFS server, this node and the server name users differently (NFS 4): give both the same Domain in \
/etc/idmapd.conf, or mount with nfsvers=3. If it does: chown -R $uid:$gid $path" ;; esac
if [ -n "$owner" ] && [ "$owner" != 0 ]; then
  fail "The home $path belongs to user id $owner, but this user has $uid. On the NFS server run: \
chown -R $uid:$gid $path"
fi
umask 022
mkdir -p "$(dirname "$home")" 2>/dev/null
if [ -z "$owner" ] && ! mkdir -m 0700 "$home" 2>/dev/null; then
  fail "The home $path cannot be created: root may not write there (root_squash). $fix"
fi
if ! { chown "$uid:$gid" "$home" && chmod 0700 "$home"; } 2>/dev/null; then
  if [ -z "$owner" ]; then rmdir "$home" 2>/dev/null; fi
  fail "The owner of the home $path cannot be changed: root may not do so there (root_squash). $fix"
fi
"""


@dataclass(frozen=True)
class Ids:
    """User id, group id and supplemental group ids of a user's servers and kernels."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()


def volumes(mounts: UserMounts) -> list[dict[str, Any]]:
    """Return the volumes of a server pod.

    The home is mounted as a subPath of the volume with all homes, for NFS too, because kubelet mounts all volumes
    before the init container creates the home. The server's container sees only the subPath. The same is true of
    the folders of a course.
    """
    return podparts.volumes(_wholes(mounts))


def _wholes(mounts: UserMounts) -> list[Mount]:
    """Return a mount of all homes, one of all courses if the user is in one, and the other mounts unchanged."""
    course = [mount for mount in mounts.shared if _is_of_course(mount)]
    rest = [mount for mount in mounts.shared if not _is_of_course(mount)]
    return [_whole(mounts.home, HOMES_VOLUME), *(_whole(mount, COURSES_VOLUME) for mount in course[:1]), *rest]


def _is_of_course(mount: Mount) -> bool:
    return mount.name.startswith(COURSE_MOUNTS) and not mount.name.startswith(COURSE_VOLUMES)


def _whole(mount: Mount, name: str) -> Mount:
    root = mount.path.removesuffix(mount.sub_path).rstrip("/")
    return mount.model_copy(update={"name": name, "path": root, "sub_path": "", "read_only": False})


def volume_mounts(mounts: UserMounts) -> list[dict[str, Any]]:
    """Return the server's volume mounts: home and course with subPaths, the rest as in kernels."""
    home, wholes = mounts.home, _wholes(mounts)
    seen = dict(zip((mount.name for mount in wholes), podparts.volume_mounts(wholes), strict=True))
    own = {"name": HOMES_VOLUME, "mountPath": home.mount_path}
    if home.sub_path:
        own["subPath"] = home.sub_path
    return [
        own,
        *(_in_course(mount, seen) if _is_of_course(mount) else seen[mount.name] for mount in mounts.shared),
    ]


def _in_course(mount: Mount, seen: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {
        "name": seen[COURSES_VOLUME]["name"],
        "mountPath": mount.mount_path,
        "subPath": mount.sub_path,
        "readOnly": mount.read_only,
    }


def home_container(
    settings: Settings, mounts: UserMounts, ids: Ids, exchange: Sequence[str] = ()
) -> dict[str, Any]:
    """Return the init container that creates a missing home. No other container of the user runs as root.

    It also creates the folders of the `exchange`, whose paths are relative to the courses' root.
    """
    home = mounts.home
    inside = f"{HOMES_FOLDER}/{home.sub_path}"
    arguments = [inside, home.path, str(ids.uid), str(ids.gid), *(f"{COURSES_FOLDER}/{one}" for one in exchange)]
    wholes = podparts.volume_mounts(_wholes(mounts)[: 2 if exchange else 1])
    folders = (HOMES_FOLDER, COURSES_FOLDER)
    return {
        "name": HOME_CONTAINER,
        "image": settings.runtime.kubernetes.home_check_image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", literal(MAKE_HOME), "make-home"],
        "args": [literal(argument) for argument in arguments],
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
        "volumeMounts": [
            {"name": one["name"], "mountPath": folder} for one, folder in zip(wholes, folders, strict=False)
        ],
    }


def claim_traits(settings: Settings, hub: Hub) -> dict[str, Any]:
    """Return KubeSpawner's traits that create a user's own claim before the server starts; empty without one."""
    homes = settings.homes
    if homes.volume.kind == "none" or not homes.volume.own:
        return {}
    return {
        "storage_pvc_ensure": True,
        # KubeSpawner's {username} is the same slug.
        "pvc_name_template": homes.volume.of({"hub": hub.name, "username": "{username}"}).claim,
        "storage_capacity": homes.claims.size,
        "storage_access_modes": ["ReadWriteMany"],
        **({"storage_class": homes.claims.storage_class} if homes.claims.storage_class else {}),
        # The files of a home are kept when the account is deleted.
        "delete_pvc": False,
    }
