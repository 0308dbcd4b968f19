"""What a user's server pod holds beside Lab: mounts, ids, and the container that makes the home.

Pure functions of the settings, without JupyterHub: the spawner and the values for Zero to JupyterHub share them.
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

# Arguments: the home as this container sees it, the home as admins see it, user id, group id, then folders of the
# exchange. What is as it should be is left alone, and so is a volume of the user's own (a home that ends with a
# slash) where everybody may write. With root_squash, root is nobody on the server: nothing can be
# made there, or nothing given away, and the admin has to.
MAKE_HOME = """\
home=$1 path=$2 uid=$3 gid=$4
shift 4
fail() { echo "$1" >&2; exit 1; }
for folder; do
  if [ -L "$folder" ]; then fail "The folder ${folder#/courses/} of the courses is a symbolic link; remove it."; fi
  if [ -d "$folder" ]; then continue; fi
  umask 002
  mkdir -p "$(dirname "$folder")" 2>/dev/null
  # A folder of graders and one student, or of graders; whoever has it mounted sees nothing beside it.
  if ! { mkdir -m 0770 "$folder" && chown "$uid:$gid" "$folder"; } 2>/dev/null && [ ! -d "$folder" ]; then
    fail "The folder ${folder#/courses/} of the courses cannot be made: root may not write there (root_squash). \
On the NFS server run there: mkdir -p -m 0770 ${folder#/courses/} && chown $uid:$gid ${folder#/courses/}"
  fi
done
if [ -L "$home" ]; then fail "The home $path is a symbolic link; an admin must put a folder in its place."; fi
case $home in */) case $(stat -c %a "$home") in *7) exit 0 ;; esac ;; esac
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
    container that makes the home has run. The server's container sees nothing but the subPath. So are the folders
    of a course.
    """
    return podparts.volumes(_wholes(mounts))


def _wholes(mounts: UserMounts) -> list[Mount]:
    """Return all homes, all courses if the user has one, and the other mounts as they are."""
    course = [mount for mount in mounts.shared if _is_of_course(mount)]
    rest = [mount for mount in mounts.shared if not _is_of_course(mount)]
    return [_whole(mounts.home, HOMES_VOLUME), *(_whole(mount, COURSES_VOLUME) for mount in course[:1]), *rest]


def _is_of_course(mount: Mount) -> bool:
    return mount.name.startswith(COURSE_MOUNTS) and not mount.name.startswith(COURSE_VOLUMES)


def _whole(mount: Mount, name: str) -> Mount:
    root = mount.path.removesuffix(mount.sub_path).rstrip("/")
    return mount.model_copy(update={"name": name, "path": root, "sub_path": "", "read_only": False})


def volume_mounts(mounts: UserMounts) -> list[dict[str, Any]]:
    """Return where the server sees its volumes: home and course by their subPaths, the rest as kernels do."""
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
    """Return the init container that makes a missing home: nothing else of a user's runs as root.

    It makes the folders of the `exchange` too, given below the courses' root.
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
    """Return KubeSpawner's traits that make a user's own claim before their server starts, if they have one."""
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
        # The files of a home outlive the account.
        "delete_pvc": False,
    }
