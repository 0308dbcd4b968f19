"""Imports the exchange, the extra mounts and their storage of one hub of the old layout."""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from typing import Any

from pydantic import TypeAdapter, ValidationError

from kernelpod.courses.fields import FolderPath, MountPath
from kernelpod.courses.model import Storage
from kernelpod.importers.courses.parts import fits
from kernelpod.importers.readonly import is_read_only
from kernelpod.importers.report import Part

# The paths of every course's exchange in the code of the old hub.
EXCHANGE = {"path": "_nbgrader/exchange/{course}", "mount_path": "/srv/nbgrader/exchange/{course}"}
_KINDS: dict[str, TypeAdapter[str]] = {"subPath": TypeAdapter(FolderPath), "mountPath": TypeAdapter(MountPath)}
_LITERAL = {"course_id": "{course}", "semester_id": "{semester}", "username": "{username}"}
_WORDS = {**_LITERAL, "{username}": "{username}"}


def exchange_of(part: Part, mode: str) -> dict[str, Any]:
    """Take `nbgrader`; return the exchange, with its personal folders."""
    nbgrader = part.section("nbgrader")
    personal = personal_of(nbgrader, mode)
    nbgrader.drop("unknown key")
    part.note("", "added", "exchange: at the paths in the old hub's code, below storage.root")
    return {**EXCHANGE, "personalised": personal}


def personal_of(nbgrader: Part, mode: str) -> list[str]:
    """Take what is said of personal folders of an exchange; return the folders that are personal."""
    said = {key: _is_personal(nbgrader, f"personalized_{key}") for key in ("inbound", "outbound", "feedback")}
    # In an exam students never see submissions of others. Otherwise this is only the default.
    asked = {**said, "feedback": said["feedback"] is not False, "inbound": said["inbound"] is not False}
    personal = [key for key, yes in asked.items() if yes or (mode == "exam" and key != "outbound")]
    for key, given in said.items():
        if given is None:
            continue
        if given != (key in personal):
            nbgrader.note(f"personalized_{key}", "changed", "in an exam students never see submissions of others")
        elif given:
            why = f"folders are {key}/<user>, not personalized-{key}/...: move the existing ones"
            nbgrader.note(f"personalized_{key}", "changed", why)
        else:
            nbgrader.note(f"personalized_{key}", "kept")
    if "assignment_id" in nbgrader:
        nbgrader.take("assignment_id")
        nbgrader.note("assignment_id", "dropped", "the exchange shows all released assignments")
    return personal


def _is_personal(nbgrader: Part, key: str) -> bool | None:
    """Take whether folders are personal. What is no boolean makes them so: nothing is shared by a mistake."""
    value = nbgrader.take(key)
    if isinstance(value, bool | None):
        return value
    nbgrader.note(key, "changed", "true or false was expected here: its folders are personal")
    return True


def mounts_of(part: Part, mode: str, *, by_role: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """Take `extra_mounts`; return the storage and mounts by name. With `by_role` only graders write to them."""
    extra = part.section("extra_mounts")
    if extra.flag("enabled") is False:
        extra.drop("the mounts are switched off")
        return {}, {}
    volumes = {one.text("name"): one for one in extra.numbered("volumes")}
    wanted = [(one, one.text("name")) for one in extra.numbered("volume_mounts")]
    extra.drop("unknown key")
    if not wanted:
        return {}, {}
    main = Counter(name for _, name in wanted).most_common(1)[0][0]
    mounts: dict[str, Any] = {}
    seen: dict[str, tuple[str, str]] = {}
    for one, volume in wanted:
        if volume != main:
            why = f"courses have only one storage, which is {main!r}; use `mounts` of the settings for this one"
            one.note("", "dropped", why)
            continue
        if made := _mount(one, mode, seen, by_role=by_role):
            mounts[_name(made["mount_path"], mounts)] = made
    return _storage(part, volumes, main), mounts


def _mount(one: Part, mode: str, seen: dict[str, tuple[str, str]], *, by_role: bool) -> dict[str, Any]:
    """Return a mount; empty if it is invalid or if another mount has the same mount path."""
    path, mount_path = _path(one, "subPath"), _path(one, "mountPath")
    read_only = is_read_only(one)
    if not path or not mount_path:
        one.drop("the mount is dropped")
        return {}
    if mount_path in seen:
        same = seen[mount_path] == (path, mount_path)
        one.note("", "dropped", "it occurs twice" if same else f"{mount_path} is used by an earlier mount")
        return {}
    seen[mount_path] = (path, mount_path)
    access = dict.fromkeys(("student", "grader", "admin"), "ro" if read_only and not by_role else "rw")
    if by_role:
        access["student"] = "ro"
        one.note("", "kept", "students read it, and graders write to it, as before")
    elif mode == "exam" and not read_only:
        access["student"] = "ro"
        one.note("", "changed", "read-only in an exam, because students could exchange files in it")
    else:
        one.note("", "kept", "read-only" if read_only else "students can write to it, as before")
    one.drop("mounts of courses have only path, mount_path and access")
    return {"path": path, "mount_path": mount_path, "access": access}


def _path(one: Part, key: str) -> str:
    """Return a normalized path with placeholders; empty, with a note, if it is invalid."""
    given = one.text(key)
    if not given:
        one.note(key, "dropped", "a mount needs subPath and mountPath")
        return ""
    words = given.strip("/").split("/") if ".." in given.split("/") else posixpath.normpath(given).split("/")
    named = [_WORDS.get(word) or re.sub(r"([{}])", r"\1\1", word) for word in words]
    path = "/".join(named).strip("/")
    path = f"/{path}" if key == "mountPath" else path
    if why := fits(_KINDS[key], path):
        one.note(key, "dropped", why)
        return ""
    if set(words) & set(_LITERAL):
        one.note(key, "changed", f"it is {path} now; the old hub took the words literally")
    return path


def _name(mount_path: str, taken: dict[str, Any]) -> str:
    words = re.sub(r"[^a-z0-9]+", "-", posixpath.basename(mount_path).lower()).strip("-")
    name = (words if words[:1].isalpha() else f"m-{words}")[:26].strip("-")
    number = 2
    whole = name
    while whole in taken:
        whole, number = f"{name}-{number}", number + 1
    return whole


def _storage(part: Part, volumes: dict[str, Part], main: str) -> dict[str, Any]:
    for name, volume in volumes.items():
        if name != main:
            volume.note("", "dropped", "no imported mount uses it")
    volume = volumes.get(main) or Part(part.made, part.keys, {})
    nfs, claim = volume.section("nfs"), volume.section("persistentVolumeClaim").text("claimName")
    made: dict[str, Any] = {}
    if nfs:
        root = posixpath.normpath(nfs.text("path") or "/")
        made = {"root": root, "volume": {"kind": "nfs", "server": nfs.text("server")}}
    elif claim:
        made = {"volume": {"kind": "pvc", "claim": claim}}
    try:
        Storage.model_validate(made)
    except ValidationError:
        made = {}
    if made:
        volume.note("", "kept", "it is the storage of all courses")
        volume.drop("only NFS folders and claims are imported")
    return made
