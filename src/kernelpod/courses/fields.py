"""Types of the values in courses files: identifiers, addresses of kernelspecs, and paths with placeholders."""

from __future__ import annotations

import re
import string
from typing import Annotated

from pydantic import AfterValidator, Field

from kernelpod.base.fields import is_own_segment, mixes_users
from kernelpod.kernelspecs.model import SPEC_NAME

# Placeholders that paths may contain in braces.
PLACEHOLDERS = ("mode", "semester", "course", "username")
_IDENTIFIER = re.compile(r"[A-Za-z0-9](-?[A-Za-z0-9_])*\Z", re.ASCII)
# Characters that paths must not contain; Kubernetes refuses a colon in the path of a mount. The key says whether
# the path is absolute.
_NOT_IN_PATHS = {True: re.compile(r"[\x00-\x1f\x7f:]"), False: re.compile(r"[\x00-\x1f\x7f]")}


def _identifier(text: str) -> str:
    if not _IDENTIFIER.match(text) or len(text) > 40:
        raise ValueError(
            "write at most 40 letters a-z, digits, '_' and single '-', because it is used as a folder's name; "
            "a course's title may be anything"
        )
    return text


def _spec(text: str) -> str:
    if not SPEC_NAME.match(text.partition(".")[0]):
        raise ValueError("write the name of a kernelspec, or <kernelspec>.<profile>")
    return text


def _path(text: str, *, absolute: bool) -> str:
    words = text.split("/")[absolute:]
    plain = text.startswith("/") is absolute and not {"", ".", ".."} & set(words)
    if not plain or _NOT_IN_PATHS[absolute].search(text):
        form = "an absolute path" if absolute else "a path below storage.root, without a leading '/'"
        raise ValueError(f"write {form}, without '..', '//' or a trailing '/'")
    try:
        parts = list(string.Formatter().parse(text))
    except ValueError as error:
        raise ValueError(f"not a template: {error}") from error
    for _, name, spec, conversion in parts:
        if name is not None and (name not in PLACEHOLDERS or spec or conversion):
            known = ", ".join(f"{{{word}}}" for word in PLACEHOLDERS)
            raise ValueError(f"unknown placeholder {{{name}}}; known: {known}")
    if not absolute and mixes_users(text):
        raise ValueError("put '/' between {username} and other placeholders, or two users could get one folder")
    for word in words:
        if (near := re.sub(r"_?(id|name)$", "", word)) != word and near in (*PLACEHOLDERS, "user"):
            right = "username" if near == "user" else near
            raise ValueError(f"{word!r} would be taken literally; write {{{right}}}")
    return text


def _home(text: str) -> str:
    first = text.split("/", 1)[0]
    if "{username}" not in text:
        raise ValueError("a home needs {username}, or users would share it")
    if not is_own_segment(text):
        raise ValueError("{username} must be a name of its own in the path, such as _exams/{course}/{username}")
    if first not in ("{username}", "{mode}") and not re.search(r"[^a-z0-9{}-]", first):
        raise ValueError(
            "begin with {username}, {mode} or a name that no user can have, such as '_exams': "
            "a user with that name would have these homes in their own home"
        )
    return text


Identifier = Annotated[str, AfterValidator(_identifier)]
SpecAddress = Annotated[str, AfterValidator(_spec)]
FolderPath = Annotated[str, AfterValidator(lambda text: _path(text, absolute=False))]
MountPath = Annotated[str, AfterValidator(lambda text: _path(text, absolute=True))]
HomePath = Annotated[FolderPath, AfterValidator(_home)]
Title = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")]
Id = Annotated[int, Field(ge=1, le=2**31 - 1)]
