"""Converts a hub of exams, where each active exam has a configuration and a list, to one courses file for each."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from kernelpod.courses.fields import FolderPath, MountPath
from kernelpod.courses.model import ServerResources
from kernelpod.findings.finding import FindingsError
from kernelpod.findings.yamlfile import read_tree
from kernelpod.importers.courses.examfiles import Exam, exams_of
from kernelpod.importers.courses.folders import personal_of
from kernelpod.importers.courses.hubs import write_hubs
from kernelpod.importers.courses.lists import OldLists
from kernelpod.importers.courses.parts import TITLE, fits, hub_name, image_of, legal_id, literal, resources_of
from kernelpod.importers.quoting import quoted
from kernelpod.importers.report import Imported, ImportingError, Part

_PATH: TypeAdapter[str] = TypeAdapter(FolderPath)
_PLACE: TypeAdapter[str] = TypeAdapter(MountPath)
# What the hub's own code takes where its file says nothing.
_EXCHANGE_ROOT = "/srv/nbgrader/exchange"
_USUAL = ServerResources.model_validate(
    {"guarantee": {"cpu": "1m", "memory": "1Gi"}, "limit": {"cpu": 2, "memory": "2Gi"}}
)
_SHARES = "/srv/shares"
_READ = dict.fromkeys(("student", "grader", "admin"), "ro")
# Names of hubs have at most 30 characters.
_LONGEST = 30
_SIZES = "only CPU and memory are imported"
_MOUNTS = {
    "exchange": "it is the exchange's path below storage.root",
    "share": "it is the path of mounts below storage.root",
    "home": "homes are below homes.root of the settings",
}


@dataclass
class _Folder:
    """A folder on a volume of the old hub."""

    part: Part
    volume: str
    path: str


@dataclass
class _Old:
    """What all exams of the old hub have."""

    made: Imported
    lists: OldLists
    folders: dict[str, _Folder]
    """Those that the file names, but for shares that no course can mount."""
    exchange_root: str
    image: str
    resources: dict[str, Any]
    instead: str
    kernelspecs: list[str]


def imported_exams(config: Path, image: str = "", kernelspecs: Sequence[str] = ()) -> Imported:
    """Return courses files, lists and settings for a hub of exams and the folders beside its file.

    `image` is for exams whose image has no fixed tag. `kernelspecs` are those of all exams. Raises ImportingError.
    """
    try:
        return _imported(config, image, kernelspecs)
    except FindingsError as error:
        raise ImportingError("\n".join(finding.as_text() for finding in error.findings)) from error


def _imported(config: Path, image: str, kernelspecs: Sequence[str]) -> Imported:
    made = Imported(read_tree(config, "nbgrader: and mounts:"))
    top = Part(made, (), made.tree.data)
    nbgrader = top.section("nbgrader")
    exams = exams_of(made, nbgrader, config.parent)
    if not exams:
        said = [
            *(note.as_text() for note in made.notes),
            f"{config}: there is no active exam that can be taken over",
        ]
        raise ImportingError("\n".join(said))
    old = _shared(made, top, nbgrader, exams, image, kernelspecs)
    hubs: dict[str, dict[str, Any]] = {}
    for exam in exams:
        name = _name(exam, hubs)
        made.note(exam.keys, "changed", f"it is a hub of its own now, {name}, with the file {name}.yaml")
        hubs[name] = _hub(exam, name, old)
    _ask(exams, old)
    write_hubs(made, hubs, old.lists)
    return made


def _shared(
    made: Imported, top: Part, nbgrader: Part, exams: list[Exam], image: str, kernelspecs: Sequence[str]
) -> _Old:
    """Take what all exams have."""
    folders = _folders(top.section("mounts"))
    _leave_commands(top)
    lacking = {key for exam in exams for key in ("image", "resources") if not exam.tree.data.get(key)}
    old = _Old(
        made=made,
        lists=OldLists(made, made.tree.spot(()).file.parent),
        folders=folders,
        exchange_root=_exchange_root(nbgrader, _EXCHANGE_ROOT),
        image=image_of(top, image) if "image" in lacking else "",
        resources=_resources(top) if "resources" in lacking else {},
        instead=image,
        kernelspecs=list(kernelspecs),
    )
    for key in [key for key in ("image", "resources") if key in top]:
        top.take(key)
        top.note(key, "dropped", f"each active exam has {key} of its own")
    if "commands" in nbgrader:
        nbgrader.take("commands")
        nbgrader.note("commands", "dropped", "the old hub read them, and did not run them")
    nbgrader.drop("unknown key")
    top.drop("unknown key")
    return old


def _name(exam: Exam, taken: dict[str, Any]) -> str:
    """Return the name of an exam's hub, of which its course may be cut short."""
    when = hub_name(f"x-{exam.when}").removeprefix("x")
    for number in range(1, len(taken) + 2):
        end = f"{when[:20]}-{number}" if number > 1 else when[:20]
        name = hub_name(f"{hub_name(exam.course, _LONGEST - len(end))}{end}")
        if name not in taken:
            break
    return name


def _folders(mounts: Part) -> dict[str, _Folder]:
    """Take the folders of the old hub; its volumes are in the values of its chart, and not in this file."""
    found: dict[str, _Folder] = {}
    for key, why in _MOUNTS.items():
        if key not in mounts:
            mounts.note(key, "warning", f"the file has no mounts.{key}: look where the old hub had it")
            continue
        one = mounts.section(key)
        volume, path = one.text("name"), one.text("subPath").strip("/")
        one.drop("a folder has the name of its volume and a subPath only")
        found[key] = _Folder(one, volume, posixpath.normpath(path) if path else "")
        one.note("", "changed", f"{why}; the values of the old hub say what the volume {volume!r} is")
    if "temp" in mounts:
        mounts.section("temp").note("", "dropped", "it was at /tmp, which each server has as a folder of its own")
    mounts.drop("unknown key")
    mounts.note("", "added", "storage: the claim `courses`, because the source does not say what its volumes are")
    exchange, share = found.get("exchange"), found.get("share")
    if exchange and share and exchange.volume != share.volume:
        why = f"it is on {share.volume!r}, and the exchange on {exchange.volume!r}: write volumes of courses"
        found.pop("share").part.note("", "left", why)
    return found


def _leave_commands(part: Part) -> None:
    """Leave commands to the admin. They ran before a server began, and those of courses run when it has."""
    sections = part.section("commands")
    for name in sections.names():
        for keys, command in sections.words(name):
            why = f"it ran before a server began: put it into the image, or into after_start: {quoted(command)}"
            part.made.note(keys, "left", why)


def _exchange_root(part: Part, usual: str) -> str:
    given = part.text("exchange_root")
    if not given:
        return usual
    root = f"/{literal(given).strip('/')}"
    if why := fits(_PLACE, root):
        part.note("exchange_root", "dropped", why)
        return usual
    part.note("exchange_root", "kept")
    return root


def _resources(part: Part) -> dict[str, Any]:
    """Take amounts; those that are missing are the old hub's."""
    found = resources_of(own := part.section("resources"), _USUAL)
    own.drop(_SIZES)
    if found:
        return found
    part.note("", "added", "resources: those of the old hub's code, 1m to 2 CPU and 1Gi to 2Gi memory")
    return {"guarantee": {"cpu": "1m", "memory": "1Gi"}, "limit": {"cpu": "2", "memory": "2Gi"}}


def _hub(exam: Exam, name: str, old: _Old) -> dict[str, Any]:
    """Return the courses file of an exam, still without the column of user names."""
    part = Part(old.made, (exam.file,), exam.tree.data)
    own = {key for key in ("image", "resources") if part.peek(key)}
    for key in [key for key in ("image", "resources") if key in part and key not in own]:
        part.take(key)
        part.note(key, "dropped", "it is empty: that of the hub counts")
    id_ = legal_id(exam.id)
    course: dict[str, Any] = {} if id_ == exam.id or fits(TITLE, exam.id) else {"title": exam.id}
    course |= {
        "image": image_of(part, old.instead) if "image" in own else old.image,
        "resources": _resources(part) if "resources" in own else old.resources,
        "network": "none",
        "kernelspecs": old.kernelspecs,
        "exchange": _exchange(part, exam, old),
        "mounts": _shares(part, exam, old),
    }
    part.note("", "added", "network: none, because an exam must allow explicitly what its kernels can reach")
    _leave_commands(part)
    part.drop("unknown key")
    course = {key: value for key, value in course.items() if value}
    if exam.list is None:
        old.made.note(exam.keys, "warning", "there is no list of its users: nobody can start it")
        course["students"] = []
    else:
        course["students"] = old.lists.copy(exam.list, f"lists/exam/{name}.csv")
    return {"hub": name, "mode": "exam", "semester": legal_id(exam.when), "courses": {id_: course}}


def _exchange(part: Part, exam: Exam, old: _Old) -> dict[str, Any]:
    """Take what is said of the exchange."""
    said = part.section("exchange")
    personal, root = personal_of(said, "exam"), _exchange_root(said, old.exchange_root)
    said.drop("unknown key")
    if "exchange" not in old.folders:
        part.note("", "warning", "there is no exchange: the old hub's file has no mounts.exchange")
        return {}
    path = posixpath.join(literal(old.folders["exchange"].path), literal(exam.course), literal(exam.id))
    place = f"{root}/{literal(exam.id)}"
    if why := fits(_PATH, path) or fits(_PLACE, place):
        part.note("", "warning", f"there is no exchange: {why}")
        return {}
    why = "its folders of users are inbound/<user>, not personalized-inbound/<user>: move the existing ones"
    part.note("", "added", f"exchange: {path} below storage.root; {why}")
    return {"path": path, "mount_path": place, "personalised": personal}


def _shares(part: Part, exam: Exam, old: _Old) -> dict[str, Any]:
    """Return the mounts of shared folders, which nobody writes."""
    made: dict[str, Any] = {}
    if (share := old.folders.get("share")) is None:
        return made
    for key, name, folder in (("public", "public", "public"), ("course", exam.course, f"courses/{exam.course}")):
        path, place = posixpath.join(literal(share.path), literal(folder)), f"{_SHARES}/{literal(name)}"
        if why := fits(_PATH, path) or fits(_PLACE, place):
            part.note("", "warning", f"{place} is not mounted: {why}")
        elif place not in [one["mount_path"] for one in made.values()]:
            made[key] = {"path": path, "mount_path": place, "access": _READ}
    return made


def _ask(exams: list[Exam], old: _Old) -> None:
    """Ask what no courses file can have as it was."""
    home = old.folders.get("home")
    on = f" on the volume {home.volume!r}" if home else ""
    for exam in exams:
        was = posixpath.join(home.path if home else "", "exam", exam.when, f"{exam.course}-alice", "home")
        now = posixpath.join("exam", legal_id(exam.when), legal_id(exam.id), "alice")
        why = f"the home of alice was {was}{on}, and would be {now} below homes.root"
        old.made.ask("homes-move", exam.keys, why)
    why = (
        "the old hub may have mounted inbound read-only, for its code says so; students write to their own inbound"
    )
    if exchange := old.folders.get("exchange"):
        old.made.ask("writable", exchange.part.keys, why)
    for (_, id_), others in _periods(exams).items():
        if len(others) > 1:
            why = f"{id_} has {len(others)} active periods, whose exams have one exchange, as before"
            old.made.note(others[-1].keys, "warning", why)


def _periods(exams: list[Exam]) -> dict[tuple[str, str], list[Exam]]:
    """Return the exams by what names their exchange."""
    found: dict[tuple[str, str], list[Exam]] = {}
    for exam in exams:
        found.setdefault((exam.course, exam.id), []).append(exam)
    return found
