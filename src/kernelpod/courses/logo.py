"""Reads a hub's logo and checks that it is an image, by its content and not by the file's name."""

from __future__ import annotations

import base64
import logging
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.parsers import expat

from kernelpod.courses.files import folders_of, opened
from kernelpod.courses.load import Courses
from kernelpod.courses.roster import Roster
from kernelpod.findings.finding import Finding
from kernelpod.settings.sections import Settings

MAX_BYTES = 100_000
KEYS = ("theme", "logo")
_SVG = "http://www.w3.org/2000/svg"

log = logging.getLogger(__name__)


class BadLogo(Exception):
    """The file cannot be used as a logo; the text says why."""


@dataclass(frozen=True)
class Logo:
    """An image that browsers can show."""

    media_type: str
    content: bytes

    @property
    def url(self) -> str:
        """The image as a data URL for an `img` element. There, an SVG runs no scripts and fetches nothing."""
        return f"data:{self.media_type};base64,{base64.b64encode(self.content).decode()}"


def logo_of(content: bytes) -> Logo:
    """Return the image in a file's content. Raises BadLogo."""
    if len(content) > MAX_BYTES:
        raise BadLogo(f"the file is larger than {MAX_BYTES} bytes; it would be part of every page")
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return _whole("image/png", content, b"IEND")
    if content.startswith(b"\xff\xd8\xff"):
        return _whole("image/jpeg", content, b"\xff\xd9")
    if content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        _check_svg(content)
        return Logo("image/svg+xml", content)
    raise BadLogo("the file is empty" if not content else "this is not a PNG, JPEG or SVG")


def _whole(media_type: str, content: bytes, end: bytes) -> Logo:
    if end not in content:
        raise BadLogo("the image is cut off")
    return Logo(media_type, content)


def _check_svg(content: bytes) -> None:
    """Raise BadLogo for an SVG that browsers would not show, or that contains scripts or entities."""
    roots: list[str] = []

    def begins(name: str, _attributes: dict[str, str]) -> None:
        if not roots:
            roots.append(name)
        if name.rpartition(" ")[2].lower() == "script":
            raise BadLogo("the SVG holds a script; save it without")

    def refuse_entities(*_: Any) -> None:
        raise BadLogo("the SVG declares entities; save it as a plain SVG")

    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler, parser.EntityDeclHandler = begins, refuse_entities
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        raise BadLogo(f"this is not an SVG: {error}") from error
    if roots[0] != f"{_SVG} svg":
        raise BadLogo(f'this is not an SVG: the first element must be <svg xmlns="{_SVG}">')


def read_logo(courses: Courses, settings: Settings) -> Logo | Finding | None:
    """Return the logo that a courses file names, or a finding if it cannot be used; None if none is named."""
    if (path := logo_path(courses)) is None:
        return None
    try:
        with opened(path, folders_of(courses, settings)) as found:
            if not stat.S_ISREG(os.fstat(found).st_mode):
                raise BadLogo("this is not a regular file")
            with open(found, "rb", closefd=False) as file:
                return logo_of(file.read(MAX_BYTES + 1))
    except BadLogo as error:
        return courses.finding(KEYS, f"{path}: {error}")
    except FileNotFoundError:
        return courses.finding(KEYS, f"there is no file {path}")
    except (OSError, ValueError) as error:
        return courses.finding(KEYS, f"{path} cannot be read: {getattr(error, 'strerror', None) or error}")


def logo_path(courses: Courses) -> Path | None:
    """Return the path of the logo, which is relative to the file that names it."""
    named = courses.hub.theme.logo
    return courses.tree.spot(KEYS).file.parent / named if named else None


class RosterWithLogo(Roster):
    """The courses and users of a hub, and its logo. If a new logo cannot be used, the last valid one is kept."""

    logo: Logo | None = None
    _logo_fault: Finding | None = None

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The current findings in the courses file and the lists, and about the logo."""
        return (*super().findings, *([self._logo_fault] if self._logo_fault else ()))

    def refresh(self) -> None:
        """Read files that have changed. Raises nothing for files that cannot be used."""
        super().refresh()
        if self._courses is None:
            return
        found = read_logo(self._courses, self._settings)
        finding = found if isinstance(found, Finding) else None
        if finding and finding != self._logo_fault:
            log.warning("logo: %s; the last valid one is shown, if there was one", finding.as_text())
        self._logo_fault = finding
        if not isinstance(found, Finding):
            self.logo = found
