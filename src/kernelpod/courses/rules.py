"""Rules for courses files beyond their form: about exams, homes, conflicting mounts and folders kept separate."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from itertools import pairwise

from kernelpod.courses.course_access import Membership, course_mounts
from kernelpod.courses.load import ROLES, Courses
from kernelpod.courses.model import Course
from kernelpod.findings.finding import Finding
from kernelpod.findings.yamlfile import Keys
from kernelpod.homes.mounts import Mount
from kernelpod.homes.volumes import COURSE_VOLUMES, Volume, canonical_server, shows
from kernelpod.settings.sections import Settings

# A user name that stands for any user when paths are compared.
ANYBODY = "anybody"
# System folders in images and folders of the container runtime. Courses must not mount anything at or below them.
SYSTEM = ("/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/proc", "/run", "/sbin", "/sys", "/usr", "/var/run")


def findings_of(courses: Courses, settings: Settings) -> list[Finding]:
    """Return the findings, sorted by file and line. A file with a finding is not used.

    A mistake in `defaults` is found in every course, but returned once.
    """
    found = [*_hub(courses, settings), *_exam(courses)]
    storage = courses.hub.storage
    found += _may_mount(courses, settings, ("storage", "volume"), storage.volume, storage.root)
    for name, course in courses.hub.offered_courses().items():
        found += _course(courses, name, course, settings)
        found += _mounts(courses, name, settings)
        found += _volumes(courses, name, course, settings)
    if not found:  # other mistakes may change the paths, so correct them first
        found += _storage(courses, settings)
    by_place = {
        (finding.file, finding.place, finding.text.partition(": ")[2]): finding for finding in reversed(found)
    }
    return sorted(by_place.values())


def _hub(courses: Courses, settings: Settings) -> Iterator[Finding]:
    hub = courses.hub
    known = list(hub.courses)
    for number, name in enumerate(hub.offered or ()):
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known[:10])}"
            yield courses.finding(("offered", number), f"there is no course {name!r}; {hint}")
    if not hub.offered_courses():
        yield courses.finding(("courses",), "the hub has no course; name at least one")
    if hub.home_template and settings.homes.volume.own:
        said = "each user has one volume (homes.volume of the settings), so homes cannot differ by course or exam"
        yield courses.finding(("home",) if hub.home else ("mode",), said)
    if hub.hub not in (names := [one.name for one in settings.hubs]):
        yield courses.finding(
            ("hub",), f"the settings have no hub {hub.hub!r}; they have {', '.join(names)} (hubs[].name)"
        )


def _exam(courses: Courses) -> Iterator[Finding]:
    hub = courses.hub
    if hub.mode != "exam":
        return
    offered = hub.offered_courses()
    if len(offered) > 1:
        said = f"an exam has exactly one course, but there are {len(offered)}: name one in offered"
        yield courses.finding(("offered",) if hub.offered else ("courses",), said)
    for name, course in offered.items():
        if len(course.semesters) > 1:
            yield courses.finding(("courses", name, "semesters"), "an exam has exactly one semester")
        if not course.network:
            said = "an exam must name the network of its kernels, such as none (an egress profile of the chart)"
            yield courses.finding(("courses", name, "network"), said)
        if not course.kernelspecs:
            said = "an exam must name the kernelspecs that students may start, such as exam-pod"
            yield courses.finding(("courses", name, "kernelspecs"), said)
        if course.exchange and {"inbound", "feedback"} - set(course.exchange.personalised):
            said = "in an exam students must not see others' submissions: name inbound and feedback"
            yield courses.finding(("courses", name, "exchange", "personalised"), said)
    if hub.home and not ("{course}" in hub.home and "{semester}" in hub.home):
        yield courses.finding(
            ("home",), "the home of an exam needs {semester} and {course}, so that each exam has its own homes"
        )


def _course(courses: Courses, name: str, course: Course, settings: Settings) -> Iterator[Finding]:
    keys: Keys = ("courses", name)
    if course.image is None:
        yield courses.finding((*keys, "image"), "there is no image; name one here or in defaults")
    said = ""
    if "{course}" not in (courses.hub.home_template or ""):
        said = "a user id by role needs a home with {course}, or a home could have two owners"
    if any(one.user_ids for one in settings.hubs if one.name == courses.hub.hub):
        said = "leave it out: each user has an id of their own here (hubs[].user_ids of the settings)"
    for role in ROLES if said else ():
        if getattr(course.roles, role).uid is not None:
            yield courses.finding((*keys, "roles", role, "uid"), said)


def _mounts(courses: Courses, name: str, settings: Settings) -> Iterator[Finding]:
    """Yield findings for mounts at or below another mount of the same server, or in a system folder."""
    semester = courses.hub.semesters(courses.hub.courses[name])[0]
    for role in ROLES:
        mounts = course_mounts(courses.hub, settings, ANYBODY, (), Membership(name, semester, role))
        places: list[tuple[str, Keys | None, Mount | None]] = [
            (mount.mount_path, _keys(name, mount), mount) for mount in mounts.all()
        ]
        # Include the settings' mounts for other users and groups, because any user may be in the course.
        seen = {mount.name for mount in mounts.all()}
        places += [(mount.mount_path, None, None) for mount in settings.mounts if mount.name not in seen]
        for path, keys, mount in places:
            if keys is None or mount is None:
                continue
            if path == "/" or any(_in(path, system) for system in SYSTEM):
                yield courses.finding(keys, f"{path} is a folder of the system; mount it elsewhere")
            for other, other_keys, other_mount in places:
                if other_mount is not mount and (_in(path, other) or (other_keys is None and _in(other, path))):
                    what = "the home" if other == mounts.home.mount_path else f"another mount at {other}"
                    yield courses.finding(keys, f"{path} is over or in {what}; use separate paths")


def _keys(course: str, mount: Mount) -> Keys | None:
    """Return the path of a mount's key in the file; None for a mount of the settings."""
    name = mount.name
    if name == "course-folder":
        return "courses", course, "folder", "mount_path"
    if name.startswith(COURSE_VOLUMES):
        return "courses", course, "volumes", name.removeprefix(COURSE_VOLUMES), "mount_path"
    if name.startswith("course-mount-"):
        return "courses", course, "mounts", name.removeprefix("course-mount-"), "mount_path"
    return ("courses", course, "exchange", "mount_path") if name.startswith("course-") else None


def _in(path: str, other: str) -> bool:
    return path == other or path.startswith(other.rstrip("/") + "/")


def _volumes(courses: Courses, name: str, course: Course, settings: Settings) -> Iterator[Finding]:
    """Yield findings for volumes that the runtime does not have, or that expose homes or folders of courses."""
    kept = {"homes": (settings.homes.root, settings.homes.volume)}
    kept["courses"] = (courses.hub.storage.root, courses.hub.storage.volume)
    for key, extra in course.volumes.items():
        keys: Keys = ("courses", name, "volumes", key)
        volume = extra.volume
        yield from _may_mount(courses, settings, (*keys, "volume"), volume, extra.root or "")
        if extra.root is None:
            if settings.runtime.kind == "local":
                said = f"a volume of kind {volume.kind} exists only in a cluster; here kernels are processes"
                yield courses.finding((*keys, "volume"), said)
            continue
        for what, (root, other) in kept.items():
            nfs = volume.kind == other.kind == "nfs"
            elsewhere = nfs and canonical_server(volume.server) != canonical_server(other.server)
            same_claim = volume.kind == other.kind == "pvc" and volume.claim == other.claim
            if same_claim or (not elsewhere and shows(extra.root, root)):
                said = f"would expose the folder of all {what} ({root}), or a part of it"
                yield courses.finding((*keys, "root"), f"{extra.root} {said}; use mounts for folders in it")


def _may_mount(courses: Courses, settings: Settings, keys: Keys, volume: Volume, root: str) -> Iterator[Finding]:
    """Yield findings for objects of the cluster, and folders of NFS servers, that the courses file may not mount.

    People who may edit the courses file need not be allowed to read all Secrets of the hub's namespace, nor all
    that an NFS server exports to the nodes.
    """
    hubs = [hub for hub in settings.hubs if hub.name == courses.hub.hub]
    if volume.kind == "nfs" and any(hub.nfs_folder(volume.server, root) is None for hub in hubs):
        said = f"courses may not mount {volume.server}:{root}; an admin can add it to hubs[].courses_nfs"
        yield courses.finding(keys, said)
    for name in volume.objects:
        if any(not hub.may_mount(name) for hub in hubs):
            said = f"courses may not mount {name}; an admin of the cluster can add it to hubs[].courses_may_mount"
            yield courses.finding(keys, said)


def _storage(courses: Courses, settings: Settings) -> Iterator[Finding]:
    """Yield findings for courses that share their own folders, and for mounts that expose an exchange or homes."""
    hub = courses.hub
    own: list[tuple[str, str, Keys]] = []
    shared: list[tuple[str, Keys]] = []
    for name, course in hub.offered_courses().items():
        keys: Keys = ("courses", name)
        for semester in hub.semesters(course):
            words = {"mode": hub.mode, "semester": semester, "course": name, "username": "{username}"}
            for key in ("folder", "exchange"):
                if part := getattr(course, key):
                    own.append((part.path.format_map(words), name, (*keys, key, "path")))
            for key, mount in course.mounts.items():
                shared.append((mount.path.format_map(words), (*keys, "mounts", key, "path")))
    yield from _apart(courses, own)
    yield from _not_shown(courses, own, shared)
    yield from _no_homes(courses, settings, [*((path, keys) for path, _, keys in own), *shared])


def _apart(courses: Courses, own: list[tuple[str, str, Keys]]) -> Iterator[Finding]:
    """Yield findings for folders and exchanges that are at or below another one."""
    # Sorted in this way, a folder comes directly before the folders in it.
    ordered = sorted(own, key=lambda one: (one[0] + "/", one[1:]))
    for (above, course, above_keys), (path, other, keys) in pairwise(ordered):
        same_thing = course == other and above_keys == keys
        if _in(path, above) and not same_thing:
            yield courses.finding(
                keys, f"{path} is, or is in, the folder {above} of {'.'.join(map(str, above_keys))}"
            )


def _not_shown(
    courses: Courses, own: list[tuple[str, str, Keys]], shared: list[tuple[str, Keys]]
) -> Iterator[Finding]:
    private = {path: keys for path, _, keys in own}
    above = {parent: keys for path, keys in private.items() for parent in _parents(path)}
    for path, keys in shared:
        if found := private.get(path) or above.get(path):
            yield courses.finding(keys, f"{path} would expose what {'.'.join(map(str, found))} keeps private")
        elif inside := next((private[one] for one in _parents(path) if "exchange" in private.get(one, ())), None):
            said = f"{path} is in {'.'.join(map(str, inside))}, which only its users may see"
            yield courses.finding(keys, said)


def _parents(path: str) -> list[str]:
    words = path.split("/")
    return ["/".join(words[:length]) for length in range(1, len(words))]


def _no_homes(courses: Courses, settings: Settings, all_paths: list[tuple[str, Keys]]) -> Iterator[Finding]:
    storage, homes = courses.hub.storage, settings.homes
    both = (storage.volume, homes.volume)
    servers = {canonical_server(volume.server) for volume in both if volume.kind == "nfs"}
    if len(servers) > 1:
        return
    for path, keys in all_paths:
        whole = f"{storage.root.rstrip('/')}/{path}"
        if _in(whole, homes.root) or _in(homes.root, whole):
            yield courses.finding(keys, f"{whole} is, contains or is in the folder of all homes ({homes.root})")
