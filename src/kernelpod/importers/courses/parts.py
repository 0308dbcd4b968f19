"""Imports the image, the resources and the profiles of one hub of the old layout."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from pydantic import TypeAdapter, ValidationError

from kernelpod.base.fields import Image
from kernelpod.base.quantities import format_bytes, format_millicores, parse_bytes, parse_millicores
from kernelpod.courses.fields import Identifier, Title
from kernelpod.courses.model import ServerResources
from kernelpod.findings.secrets import is_secret
from kernelpod.importers.report import Part

_AMOUNTS: tuple[tuple[str, str, str], ...] = (
    ("cpu_guarantee", "guarantee", "cpu"),
    ("mem_guarantee", "guarantee", "memory"),
    ("cpu_limit", "limit", "cpu"),
    ("mem_limit", "limit", "memory"),
)
_PARSE: dict[str, Callable[[str], int]] = {"cpu": parse_millicores, "memory": parse_bytes}
_SHOW: dict[str, Callable[[int], str]] = {"cpu": format_millicores, "memory": format_bytes}
# In KubeSpawner these units are powers of 1024; in Kubernetes they are powers of 1000.
_SPAWNER_MEMORY = re.compile(r"\d+(\.\d+)?[KMGT]\Z")
_IMAGE: TypeAdapter[str] = TypeAdapter(Image)
# What servers get where a source says only a part.
USUAL = ServerResources()
TITLE: TypeAdapter[str] = TypeAdapter(Title)
_ID: TypeAdapter[str] = TypeAdapter(Identifier)
# Maximum length of a command in `after_start`.
MAX_COMMAND = 4096


def fits(kind: TypeAdapter[str], value: str) -> str:
    """Return why a value does not fit a type; empty if it fits."""
    try:
        kind.validate_python(value)
    except ValidationError as error:
        return str(error.errors(include_url=False)[0]["msg"]).removeprefix("Value error, ")
    return ""


def legal_id(name: str) -> str:
    """Return a valid id for a course or semester; empty if the name has no valid characters."""
    return name if not fits(_ID, name) else re.sub(r"[^A-Za-z0-9_]+", "-", name).strip("-_")[:40].strip("-_")


def image_of(part: Part, instead: str) -> str:
    """Take `image`, a string or a mapping with name and tag. `instead` replaces an image without a fixed tag."""
    if "image" not in part:
        if instead:
            part.note("image", "added", "from --image")
        return instead
    value = part.take("image")
    if isinstance(value, str):
        image = value
    else:
        named = Part(part.made, part.below("image"), value)
        image = ":".join(word for word in (named.text("name"), named.text("tag")) if word)
        named.drop("only name and tag are imported; the hub decides when a node pulls")
    why = fits(_IMAGE, image)
    if not why:
        part.note("image", "kept")
        return image
    if instead:
        part.note("image", "changed", f"{image[:100]} has no fixed tag; replaced by --image")
        return instead
    part.note("image", "dropped", f"{image[:100]}: {why}; set one with --image")
    return ""


def hub_name(name: str, most: int = 30) -> str:
    """Return a valid name for a hub, of so many characters at most."""
    legal = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return (legal if legal[:1].isalpha() else f"hub-{legal}")[:most].strip("-")


def literal(name: str) -> str:
    """Return a name as it is written into a path that may have placeholders."""
    return name.replace("{", "{{").replace("}", "}}")


def resources_of(part: Part, usual: ServerResources = USUAL) -> dict[str, dict[str, str]]:
    """Take the four amounts; empty if there is none. If only some are set, the others are the usual ones."""
    found: dict[str, dict[str, str]] = {"guarantee": {}, "limit": {}}
    for key, which, resource in _AMOUNTS:
        if key in part and (text := _amount(part, key, resource)):
            found[which][resource] = text
    if not any(found.values()):
        return {}
    for resource in ("cpu", "memory"):
        parse, show = _PARSE[resource], _SHOW[resource]
        low, high = found["guarantee"].get(resource), found["limit"].get(resource)
        if low is None:
            most = parse(high) if high else getattr(usual.limit, resource)
            low = show(min(getattr(usual.guarantee, resource), most))
            part.note("", "added", f"a guarantee of {low} {resource}: the source has none")
        if high is None:
            high = show(max(getattr(usual.limit, resource), parse(low)))
            part.note("", "added", f"a limit of {high} {resource}: the source has none")
        found["guarantee"][resource], found["limit"][resource] = low, high
    return {which: {name: found[which][name] for name in ("cpu", "memory")} for which in found}


def _amount(part: Part, key: str, resource: str) -> str:
    text = part.text(key)
    spawners = resource == "memory" and bool(_SPAWNER_MEMORY.match(text))
    made = f"{text}i" if spawners else text
    if not text:
        return ""
    try:
        if re.fullmatch(r"0+(\.0+)?[A-Za-z]*", text):
            raise ValueError("0 means no amount")
        _PARSE[resource](made)
    except ValueError as error:
        part.note(key, "dropped", str(error)[:200])
        return ""
    if spawners:
        part.note(key, "changed", f"it is {made} now, because {text[-1]} in KubeSpawner is a power of 1024")
    else:
        part.note(key, "kept")
    return made


def profiles_of(part: Part) -> dict[str, Any]:
    """Take `profile_list`; return images and sizes that users can choose."""
    listed = part.section("profile_list")
    flags = [listed.flag("enable"), listed.flag("enabled")]
    if False in flags or not listed:
        listed.drop("the profiles are switched off")
        return {}
    listed.note("", "changed", "users choose image and size separately, in all courses")
    images: dict[str, str] = {}
    sizes: dict[str, Any] = {}
    for profile in listed.numbered("profiles"):
        title = profile.text("display_name")
        if why := fits(TITLE, title):
            profile.note("display_name", "dropped", f"the profile has no valid title: {why}")
            continue
        override = profile.section("kubespawner_override")
        if "image" in override and (image := image_of(override, "")):
            images[title] = image
        if size := resources_of(override):
            sizes[title] = size
        override.drop("only image and resources of a profile are imported")
        profile.drop("the default choice is the hub's image and size")
    listed.drop("unknown key")
    return {key: value for key, value in (("images", images), ("sizes", sizes)) if value}


def commands_of(part: Part, key: str = "commands") -> list[str]:
    """Take shell commands, which run in a server after its start."""
    commands = []
    for keys, command in part.words(key):
        if len(command) > MAX_COMMAND:
            part.made.note(keys, "dropped", f"it is longer than {MAX_COMMAND} characters; add it to the image")
        else:
            commands.append(command)
        if is_secret("", command):
            part.made.note(
                keys, "warning", "it looks as if a secret is in it: put that into a file that is mounted"
            )
    if commands:
        part.note(key, "changed", "after_start: they run in order, even if one of them fails")
    return commands
