"""What users choose from at spawn, as KubeSpawner's `profile_list` has it: pure functions of memberships."""

from __future__ import annotations

import html
from typing import Any

from kernelpod.courses.model import Course, HubFile, ServerResources
from kernelpod.courses.offers import Membership
from kernelpod.names import safe_slug

# Key of the first choice; no slug of a title is like it.
USUAL = "-"
_CHOICE_LENGTH = 40


def profiles(hub: HubFile, memberships: tuple[Membership, ...]) -> list[dict[str, Any]]:
    """Return one profile a course, in the order of the memberships.

    Semesters, images and sizes are options where there is more than one. `user_options` then hold the course as
    `profile` and a choice by the name of its option, such as `semester`; `courses.offers.chosen` reads them.
    """
    semesters: dict[str, list[str]] = {}
    for one in memberships:
        semesters.setdefault(one.course, []).append(one.semester)
    return [_profile(name, hub.courses[name], mine) for name, mine in semesters.items()]


def asks_something(made: list[dict[str, Any]]) -> bool:
    """Return whether there is anything to choose: one profile without options needs no form."""
    return len(made) > 1 or any(profile["profile_options"] for profile in made)


def _profile(name: str, course: Course, semesters: list[str]) -> dict[str, Any]:
    images = {title: {"image": image} for title, image in course.images.items()}
    sizes = {title: _size(size) for title, size in course.sizes.items()}
    usual_size: dict[str, dict[str, Any]] = {f"Usual: {course.resources.shown()}": {}}
    options: dict[str, tuple[str, dict[str, dict[str, Any]]]] = {
        "semester": ("Semester", {semester: {} for semester in semesters}),
        "image": ("Image", {f"Usual: {course.image}": {}, **images}),
        "size": ("Size", {**usual_size, **sizes}),
    }
    override: dict[str, Any] = {
        "image": course.image,
        **_size(course.resources),
        "node_selector": dict(course.node_selector),
        "tolerations": [one.model_dump(exclude_defaults=True) for one in course.tolerations],
    }
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
    """Return choices by their keys, which a form sends back: a semester itself, else a slug of the title."""
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
    }


def literal(text: str) -> str:
    """Return words for KubeSpawner's form: it escapes no HTML, and JupyterHub renders the form as a template."""
    return html.escape(text).replace("{", "&#123;").replace("}", "&#125;")
