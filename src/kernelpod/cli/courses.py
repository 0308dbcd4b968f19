"""`kernelpod courses`: checks a courses file and shows what a user gets from it."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from kernelpod.base.quantities import format_bytes, format_millicores
from kernelpod.cli.options import load_settings, settings_option
from kernelpod.cli.places import context_option
from kernelpod.cli.specs.image_checks import ask_for_images
from kernelpod.courses.check import check_courses as find_findings
from kernelpod.courses.check import shared_origins
from kernelpod.courses.course_access import CourseAccess, Membership, chosen
from kernelpod.courses.model import Course, HubFile
from kernelpod.courses.roster import Roster
from kernelpod.errors import KernelpodError
from kernelpod.findings import forms
from kernelpod.findings.finding import FindingsError
from kernelpod.homes.mounts import Mount
from kernelpod.hub.spawners.profiles import asks_something, profiles
from kernelpod.kernelspecs.folders import read_all
from kernelpod.start.entitlements import Entitlements, entitlements
from kernelpod.start.identity import Identity, Owner

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
file_argument = click.argument("file", type=click.Path(path_type=Path, dir_okay=False))


@click.group()
def courses() -> None:
    """Check a hub's courses file, and show what a user gets from it.

    \b
    Examples:
      kernelpod courses check courses.yaml
      kernelpod courses show courses.yaml --user alice
    """


@courses.command()
@file_argument
@settings_option
@click.option(
    "--kernelspecs",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder of kernelspecs. Without it, names of kernelspecs are not checked.",
)
@click.option(
    "--images",
    type=click.Choice(["registry", "nodes"]),
    help="Look up server images in their registries or on the cluster's nodes. Without it, they are not checked.",
)
@context_option
@json_option
def check(
    file: Path,
    settings_file: Path | None,
    kernelspecs: Path | None,
    images: str | None,
    context: str,
    as_json: bool,
) -> None:
    """Check a courses file and the lists it names. Print each finding with its location; exit 1 for errors.

    \b
    Example:
      kernelpod courses check courses.yaml --settings settings.yaml --kernelspecs kernelspecs --images registry
    """
    specs = {spec.address for spec in read_all(kernelspecs)} if kernelspecs else None
    ask = functools.partial(ask_for_images, choice=images, context=context) if images else None
    settings = load_settings(settings_file)
    findings = [*find_findings(file, settings, specs, ask), *shared_origins(file, settings)]
    errors = sum(finding.level == "error" for finding in findings)
    if as_json:
        click.echo(forms.as_json(findings), nl=False)
    else:
        for finding in findings:
            click.echo(finding.as_text())
        click.echo(f"{file}: {errors} errors, {len(findings) - errors} warnings")
    raise SystemExit(1 if errors else 0)


@courses.command()
@file_argument
@click.option("--user", "username", required=True, help="User name as the hub spells it.")
@click.option("--group", "groups", multiple=True, help="Hub group of the user; repeat for more.")
@click.option("--course", help="Course to show. Default: the user's first.")
@click.option("--semester", help="Semester to show. Default: the user's first.")
@settings_option
@json_option
def show(
    file: Path,
    username: str,
    groups: tuple[str, ...],
    course: str | None,
    semester: str | None,
    settings_file: Path | None,
    as_json: bool,
) -> None:
    """Print a user's profiles, mounts of server and kernels, ids, limits and network.

    \b
    Example:
      kernelpod courses show courses.yaml --user alice --course ml --semester ws25
    """
    settings = load_settings(settings_file)
    roster = Roster(file, settings)
    roster.refresh()
    hub = roster.hub
    if hub is None:
        raise FindingsError(list(roster.findings))
    for finding in roster.findings:
        click.echo(finding.as_text(), err=True)
    mine = roster.memberships(username)
    if not mine:
        raise KernelpodError(f"{username!r} is in no course of {hub.hub!r}, or is not allowed, or is blocked")
    options = {key: value for key, value in (("profile", course), ("semester", semester)) if value is not None}
    one = chosen(mine, options)
    if one is None:
        known = ", ".join(f"{member.course} {member.semester}" for member in mine)
        raise KernelpodError(f"{username!r} is not in {' '.join(options.values())}; their courses: {known}")
    identity = Identity(Owner(hub=hub.hub, kind="user", name=username), tuple(sorted(groups)))
    has = entitlements(settings, identity, CourseAccess(hub, one))
    if as_json:
        click.echo(json.dumps(_as_dict(hub, mine, one, has), indent=2, ensure_ascii=False))
        return
    for title, lines in (
        (f"{username} on the hub {hub.hub!r} ({hub.mode})", _profiles(hub, mine)),
        (f"{one.course} {one.semester}, as {one.role}", _given(hub.courses[one.course], one.role, has)),
        ("mounts of server and kernels", _mounts(has)),
    ):
        click.echo(title)
        for line in lines:
            click.echo(f"  {line}".rstrip())


def _as_dict(hub: HubFile, mine: tuple[Membership, ...], one: Membership, has: Entitlements) -> dict[str, Any]:
    return {
        "hub": hub.hub,
        "mode": hub.mode,
        "memberships": [asdict(member) for member in mine],
        "asked": asks_something(profiles(hub, mine)),
        "course": hub.courses[one.course].model_dump(mode="json", exclude={"students", "graders", "admins"}),
        **asdict(one),
        "mounts": [mount.model_dump(mode="json") for mount in has.mounts.all()],
        "uid": has.uid,
        "gid": has.gid,
        "supplemental_groups": list(has.supplemental_groups),
        "kernelspecs": sorted(has.kernelspecs),
        "network": has.network,
    }


def _profiles(hub: HubFile, mine: tuple[Membership, ...]) -> Iterator[str]:
    made = profiles(hub, mine)
    width = max(len(profile["slug"]) for profile in made)
    for profile in made:
        name = profile["slug"]
        roles = ", ".join(dict.fromkeys(one.role for one in mine if one.course == name))
        yield f"{name:{width}}  {hub.courses[name].title or name} ({roles})"
        for key in profile["profile_options"]:
            yield f"{'':{width}}  {key}: {', '.join(_choices(hub, mine, name)[key])}"
    if not asks_something(made):
        yield "There is nothing to choose, so the user gets no form."


def _choices(hub: HubFile, mine: tuple[Membership, ...], name: str) -> dict[str, list[str]]:
    course = hub.courses[name]
    return {
        "semester": [one.semester for one in mine if one.course == name],
        "image": [str(course.image), *(f"{title} ({image})" for title, image in course.images.items())],
        "size": [course.resources.shown(), *(f"{title} ({size.shown()})" for title, size in course.sizes.items())],
    }


def _given(course: Course, role: str, has: Entitlements) -> Iterator[str]:
    size = getattr(course.roles, role).resources or course.resources
    low, most = size.guarantee, size.limit
    yield f"server image   {course.image}"
    yield f"server CPU     {format_millicores(low.cpu)} guaranteed, at most {format_millicores(most.cpu)}"
    yield f"server memory  {format_bytes(low.memory)} guaranteed, at most {format_bytes(most.memory)}"
    if size.gpus:
        yield f"server GPUs    {size.gpus.count} {size.gpus.resource}"
    if size.shm is not None:
        yield f"server memory  at most {format_bytes(size.shm)} of it in /dev/shm"
    more_groups = "".join(f", {group}" for group in has.supplemental_groups)
    yield f"uid, gid       {has.uid}, {has.gid}{more_groups}"
    yield f"kernelspecs    {', '.join(sorted(has.kernelspecs)) or 'all that their groups may use'}"
    yield f"kernel network {course.network or 'set by the kernelspec'}"
    for command in course.after_start:
        yield f"after start    {command}"


def _mounts(has: Entitlements) -> Iterator[str]:
    mounts = has.mounts.all()
    width = max(len(mount.mount_path) for mount in mounts)
    for mount in mounts:
        yield f"{mount.mount_path:{width}}  {'ro' if mount.read_only else 'rw'}  {_where(mount)}"


def _where(mount: Mount) -> str:
    volume = mount.volume
    if volume.kind == "none":
        return "not stored: empty in each server and kernel, and lost when it ends"
    if volume.kind == "dynamic":
        return f"claim {volume.claim} in the namespace {volume.namespace}"
    if volume.kind in ("config_map", "secret"):
        return f"{'ConfigMap' if volume.kind == 'config_map' else 'Secret'} {volume.object}"
    if volume.kind == "csi":
        return f"CSI driver {volume.driver}"
    return f"{volume.server}:{mount.path}" if volume.kind == "nfs" else f"claim {volume.claim}: {mount.path}"
