"""Choices on the spawn page, as a `profile_list` of KubeSpawner. Pure functions of memberships."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

from kernelpod.base.names import safe_slug
from kernelpod.base.quantities import format_bytes
from kernelpod.courses.course_access import Membership
from kernelpod.courses.model import HubFile, ServerResources

# Key of the first choice. It can never be the slug of a title.
USUAL = "-"
_CHOICE_LENGTH = 40


def profiles(hub: HubFile | None, memberships: tuple[Membership, ...]) -> list[dict[str, Any]]:
    """Return one profile for each course, in the order of the memberships, or none without a courses file.

    Semesters, images and sizes are options if there is more than one. `user_options` then contain the course as
    `profile`, and each choice under the name of its option, such as `semester`. `course_access.chosen` reads them.
    """
    semesters: dict[str, list[Membership]] = {}
    for one in memberships:
        semesters.setdefault(one.course, []).append(one)
    return [_profile(hub, name, mine) for name, mine in semesters.items()] if hub else []


def asks_something(made: list[dict[str, Any]]) -> bool:
    """Return whether there is anything to choose. A single profile without options needs no form."""
    return len(made) > 1 or any(profile["profile_options"] for profile in made)


def settled(made: list[dict[str, Any]], one: Membership, wish: Mapping[str, Any]) -> dict[str, str]:
    """Return the `user_options` of a server for this membership, with those wishes that its profile offers."""
    profile = next(profile for profile in made if profile["slug"] == one.course)
    kept = {
        key: wish[key]
        for key, option in profile["profile_options"].items()
        if isinstance(wish.get(key), str) and wish[key] in option["choices"]
    }
    return {**kept, "profile": one.course, "semester": one.semester}


def chosen(made: list[dict[str, Any]], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the traits that the profile and the choices of settled `user_options` give a server."""
    profile = next(profile for profile in made if profile["slug"] == options["profile"])
    traits = dict(profile["kubespawner_override"])
    for key, option in profile["profile_options"].items():
        choices = option["choices"]
        usual = next(choice for choice in choices.values() if choice["default"])
        traits |= choices.get(options.get(key), usual)["kubespawner_override"]
    return traits


def _profile(hub: HubFile, name: str, mine: list[Membership]) -> dict[str, Any]:
    course, semesters = hub.courses[name], [one.semester for one in mine]
    images = {title: {"image": image} for title, image in course.images.items()}
    sizes = {title: _size(size) for title, size in course.sizes.items()}
    # If there are several semesters, the user's role in the first one determines the server's size.
    usual = getattr(course.roles, mine[0].role).resources or course.resources
    usual_size: dict[str, dict[str, Any]] = {f"Usual: {usual.shown()}": {}}
    options: dict[str, tuple[str, dict[str, dict[str, Any]]]] = {
        "semester": ("Semester", {semester: {} for semester in semesters}),
        "image": ("Image", {f"Usual: {course.image}": {}, **images}),
        "size": ("Size", {**usual_size, **sizes}),
    }
    override: dict[str, Any] = {
        "image": course.image,
        **_size(usual),
    }
    if course.node_selector:
        override["node_selector"] = dict(course.node_selector)
    if course.tolerations:
        override["tolerations"] = [one.model_dump(exclude_defaults=True) for one in course.tolerations]
    if course.after_start:
        command = ["sh", "-c", "\n".join(course.after_start)]
        override["lifecycle_hooks"] = {"postStart": {"exec": {"command": command}}}
    return {
        "slug": name,
        "display_name": literal(course.title or name),
        "kubespawner_override": override,
        "profile_options": {
            key: {"display_name": title, "choices": _choices(key, choices)}
            for key, (title, choices) in options.items()
            if len(choices) > 1
        },
    }


def _choices(option: str, choices: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return choices by the keys that the form submits: semesters themselves, otherwise slugs of titles."""
    made = {}
    for number, (title, override) in enumerate(choices.items()):
        key = title if option == "semester" else safe_slug(title, _CHOICE_LENGTH) if number else USUAL
        made[key] = {"display_name": literal(title), "default": number == 0, "kubespawner_override": override}
    return made


def _size(size: ServerResources) -> dict[str, Any]:
    gpus = {size.gpus.resource: str(size.gpus.count)} if size.gpus else {}
    return {
        "cpu_guarantee": size.guarantee.cpu / 1000,
        "cpu_limit": size.limit.cpu / 1000,
        "mem_guarantee": size.guarantee.memory,
        "mem_limit": size.limit.memory,
        "extra_resource_guarantees": gpus,
        "extra_resource_limits": gpus,
        "shm": format_bytes(size.shm) if size.shm is not None else None,
    }


def literal(text: str) -> str:
    """Return a text escaped for KubeSpawner's form, which does not escape HTML and is rendered as a template."""
    return html.escape(text).replace("{", "&#123;").replace("}", "&#125;")
