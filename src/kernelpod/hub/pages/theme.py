"""Shows the theme, announcements and findings of the courses file on the hub's pages."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from typing import Any

from jinja2 import Environment, pass_environment
from traitlets.config import LazyConfigValue

from kernelpod.courses.logo import RosterWithLogo
from kernelpod.courses.resolver import CourseResolver
from kernelpod.courses.theme import channels, pressed, text_on


def template_folder() -> str:
    """Return the path of the templates, if the package is installed as a folder."""
    return str(files("kernelpod.hub.pages").joinpath("templates"))


def show_theme(c: Any, resolver: CourseResolver, folder: str) -> None:
    """Show the theme and the findings of the courses file on the hub's pages, with the templates of a folder.

    Templates and variables of the admin take precedence. May be called again after more were added to `c`.
    """
    use_templates(c, folder)
    ours = {name: _current(resolver, told) for name, told in _TOLD.items()}
    add_variables(c, ours)


def use_templates(c: Any, folder: str) -> None:
    """Let the hub's pages be those of a folder, behind those of the admin and before JupyterHub's own."""
    paths = _so_far(c.JupyterHub.template_paths, [])
    c.JupyterHub.template_paths = [*(path for path in paths if path != folder), folder]


def add_variables(c: Any, ours: dict[str, Any]) -> None:
    """Add template variables. Those that `c` already contains take precedence."""
    c.JupyterHub.template_vars = {**ours, **_so_far(c.JupyterHub.template_vars, {})}


def _so_far(value: Any, empty: Any) -> Any:
    """Return a trait's configured value, whether it was set or only extended."""
    return value.get_value(empty) if isinstance(value, LazyConfigValue) else value


def _current(resolver: CourseResolver, told: Callable[[RosterWithLogo], Any]) -> Callable[[Any], Any]:
    """Return a template variable: a function that first reads changed files, if the page can wait for that."""

    roster = resolver.roster
    assert isinstance(roster, RosterWithLogo)  # noqa: S101 - what know_courses makes

    async def fresh() -> Any:
        await resolver.look()
        return told(roster)

    @pass_environment
    def now(environment: Environment) -> Any:
        # The hub renders error pages synchronously.
        return fresh() if environment.is_async else told(roster)

    return lambda _user: now


def page(roster: RosterWithLogo) -> dict[str, Any]:
    """Return the theme's variables for the templates. Empty until the courses file has been valid once."""
    if roster.hub is None:
        return {}
    theme = roster.hub.theme
    said = {"announcement": theme.announcement, "login_announcement": theme.login_announcement}
    return {
        **said,
        "title": theme.title,
        "logo": roster.logo.url if roster.logo else None,
        "bar": shades(theme.colours.bar),
        "button": shades(theme.colours.button),
    }


def shades(colour: str | None) -> dict[str, str] | None:
    """Return a colour in the formats that the style sheet needs, and the colour of text on it."""
    if colour is None:
        return None
    red, green, blue = channels(colour)
    return {
        "colour": colour,
        "rgb": f"{red}, {green}, {blue}",
        "text": text_on(colour),
        "pressed": pressed(colour),
    }


def _findings(roster: RosterWithLogo) -> list[str]:
    return [finding.as_text() for finding in roster.findings]


_TOLD: dict[str, Callable[[RosterWithLogo], Any]] = {"courses_theme": page, "courses_faults": _findings}
