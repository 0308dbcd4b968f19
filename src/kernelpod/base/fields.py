"""Types of the settings: sections, normalized paths, names and patterns, seconds, sizes."""

from __future__ import annotations

import re
import string
from collections.abc import Collection
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

_PLACEHOLDERS = {"hub", "username"}
_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]*[a-z0-9])?\Z", re.ASCII)

_SLUG = re.compile(r"[a-z0-9-]+\Z")
_IMAGE = re.compile(
    r"[a-z0-9][a-z0-9._/-]*(:[0-9]+/[a-z0-9._/-]+)?(?P<tag>:[\w.-]{1,128})?(?P<digest>@sha256:[0-9a-f]{64})?\Z",
    re.ASCII | re.IGNORECASE,
)


def _absolute(path: str) -> str:
    # pathlib does not normalize "//etc".
    if not path.startswith("/") or path != str(PurePosixPath(path)) or path[1:2] == "/" or ".." in path.split("/"):
        raise ValueError("write an absolute path without '..', '//' or a trailing '/'")
    return path


def _template(path: str) -> str:
    if path.startswith("/") or not path or path != str(PurePosixPath(path)) or ".." in path.split("/"):
        raise ValueError("write a relative path without '..' or '//', such as '{username}' or '{hub}/{username}'")
    try:
        names = {name for _, name, _, _ in string.Formatter().parse(path) if name is not None}
    except ValueError as error:
        raise ValueError(f"not a template: {error}") from error
    if unknown := names - _PLACEHOLDERS:
        raise ValueError(f"unknown placeholder {sorted(unknown)}; known: {sorted(_PLACEHOLDERS)}")
    if mixes_users(path):
        raise ValueError("put '/' between {username} and {hub}, or two users could get one folder")
    return path


def is_own_segment(path: str) -> bool:
    """Return whether `{username}` occurs in a path template only as a whole name between slashes.

    In `{course}{username}` the names of a course and of a user would not be told apart.
    """
    return "{username}" in path and all(part == "{username}" for part in path.split("/") if "{username}" in part)


def may_meet(one: str, other: str) -> bool:
    """Return whether a path of one template can be a path of the other, or lie below it.

    What stands for a name is a slug: lower-case letters, digits and `-`.
    """
    return all(
        left == right if not ("{" in left or "{" in right) else _fits(left, right) and _fits(right, left)
        for left, right in zip(one.split("/"), other.split("/"), strict=False)
    )


def _fits(part: str, other: str) -> bool:
    """Return whether a name of a path template can be what the other one stands for."""
    return "{" in part or "{" not in other or _SLUG.match(part) is not None


def mixes_users(path: str) -> bool:
    """Return whether a name in a path template is made of `{username}` and something else that varies."""
    return any("{username}" in part and part.count("{") > 1 for part in path.split("/"))


def _name_template(name: str) -> str:
    filled = name.replace("{username}", "u").replace("{hub}", "h")
    if not _NAME.match(filled):
        raise ValueError("write a name of lower-case letters, digits and '-'; {username} and {hub} are allowed")
    return name


def _without_login(url: str) -> str:
    if "@" in url.partition("://")[2].partition("/")[0]:
        raise ValueError("leave out the name and password before the '@'; tokens have settings of their own")
    return url


def _image(text: str) -> str:
    found = _IMAGE.match(text)
    fixed = found and (found["digest"] or found["tag"] not in (None, ":latest"))
    if not fixed or len(text) > 250:
        raise ValueError("write an image with a tag other than latest, or with a digest")
    return text


class Section(BaseModel):
    """A section of a settings file. It is immutable and rejects unknown keys."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True
    )


AbsolutePath = Annotated[str, AfterValidator(_absolute)]
PathTemplate = Annotated[str, AfterValidator(_template)]
Image = Annotated[str, AfterValidator(_image)]
Name = Annotated[str, Field(pattern=r"^[a-z]([a-z0-9-]{0,28}[a-z0-9])?$")]
NameTemplate = Annotated[str, AfterValidator(_name_template)]
Quantity = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)?[A-Za-z]{0,2}$")]
Url = Annotated[str, Field(pattern=r"^https?://[^\s?#]+$"), AfterValidator(_without_login)]
ObjectPattern = Annotated[str, Field(pattern=r"^(pvc|config_map|secret|csi)/[a-z0-9*][a-zA-Z0-9.*-]*$")]

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]
Size = Annotated[int, Field(gt=0)]


class Audience(Section):
    """Who a rule or a mount is for. With several hubs, equal names of users and groups are different people."""

    users: tuple[str, ...] = ()
    """Users that it is for, by their names in the hub. A service of the same name is nobody's namesake here."""
    groups: tuple[str, ...] = ()
    """Hub groups whose members it is for."""
    hubs: tuple[Name, ...] = ()
    """Names of the hubs whose users and groups are meant. Absent: all hubs. Where users or groups are named, it is
    required if the settings have several hubs."""

    @property
    def names_people(self) -> bool:
        """Whether it is for some users only."""
        return bool(self.users or self.groups)

    def includes(self, hub: str, user: str | None, groups: Collection[str]) -> bool:
        """Return whether it is for somebody; `user` is None for a service. If it names nobody, it is for all."""
        if self.hubs and hub not in self.hubs:
            return False
        return not self.names_people or user in self.users or not set(self.groups).isdisjoint(groups)
