"""The section `theme` of a courses file, and the computation of readable text colours."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, WithJsonSchema

from kernelpod.base.fields import Section
from kernelpod.courses.fields import Title

WHITE, BLACK = "#ffffff", "#000000"
# Contrast of WCAG 2, level AA, for text. Black or white text always reaches it: the worst case is 4.58.
READABLE = 4.5
_COLOUR = re.compile(r"#[0-9a-f]{6}\Z", re.ASCII | re.IGNORECASE)


def _colour(text: str) -> str:
    if not _COLOUR.match(text):
        raise ValueError("write a colour as '#rrggbb', in quotes: without quotes it is a comment in YAML")
    return text.lower()


Colour = Annotated[
    str, AfterValidator(_colour), WithJsonSchema({"type": "string", "pattern": "^#[0-9A-Fa-f]{6}$"})
]
# Text without control characters, except line breaks.
Words = Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[^\x00-\x09\x0b-\x1f\x7f]*$")]


class Announcement(Section):
    """A message to all users."""

    text: Words
    """Plain text of the message; line breaks are kept."""
    level: Literal["info", "warning"] = "info"
    """How the message looks."""


class Colours(Section):
    """Background colours. Text on them is white if that is readable, else black."""

    bar: Colour | None = None
    """Colour of the bar at the top and of the head of the login form."""
    button: Colour | None = None
    """Colour of the main buttons, such as sign in and start."""


class Theme(Section):
    """The look of the hub's pages. Changes show when the next page is loaded."""

    title: Title | None = None
    """Name of the hub in the bar and in the browser's tab."""
    logo: str | None = Field(None, min_length=1, max_length=1024, pattern=r"^[^\x00-\x1f\x7f]*$")
    """Path of a PNG, JPEG or SVG file of at most 100,000 bytes, relative to the courses file."""
    colours: Colours = Colours()
    """Colours of the pages."""
    announcement: Announcement | None = None
    """Message on every page."""
    login_announcement: Announcement | None = None
    """Message that the login page shows instead."""


def channels(colour: str) -> tuple[int, int, int]:
    """Return the red, green and blue values of a colour, from 0 to 255."""
    red, green, blue = bytes.fromhex(colour[1:])
    return red, green, blue


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours by WCAG 2: from 1 to 21."""
    lower, higher = sorted((_luminance(one), _luminance(other)))
    return (higher + 0.05) / (lower + 0.05)


def _luminance(colour: str) -> float:
    linear = [_linear(channel / 255) for channel in channels(colour)]
    return sum(weight * value for weight, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def _linear(value: float) -> float:
    return float(value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4)


def text_on(colour: str) -> str:
    """Return the text colour for a background colour: white if that is readable, else black."""
    return WHITE if contrast(colour, WHITE) >= READABLE else BLACK


def pressed(colour: str) -> str:
    """Return a button's colour under the pointer, which has more contrast to the text than the usual colour."""
    away = 0 if text_on(colour) == WHITE else 255
    return "#" + "".join(f"{round(channel + (away - channel) * 0.2):02x}" for channel in channels(colour))
