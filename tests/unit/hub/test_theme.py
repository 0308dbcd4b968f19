"""A hub's theme: colours that stay readable, logos by their content, pages as JupyterHub's templates make them."""

from __future__ import annotations

import asyncio
import base64
import itertools
import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from kernelpod.cli.main import main
from kernelpod.courses.check import check_courses
from kernelpod.courses.logo import MAX_BYTES, BadLogo, RosterWithLogo, logo_of
from kernelpod.courses.resolver import CourseResolver
from kernelpod.courses.theme import READABLE, contrast, pressed, text_on
from kernelpod.settings.sections import Settings
from kernelpod.z2jh.bundle import templates

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
JPEG = b"\xff\xd8\xff\xe0rest\xff\xd9"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"><path d="M0 0"/></svg>'
COURSES: dict[str, Any] = {"courses": {"ml": {"image": "lab:1", "students": ["alice"]}}}


def written(folder: Path, theme: Any, name: str = "courses.yaml") -> Path:
    file = folder / name
    file.write_text(yaml.safe_dump({"theme": theme, **COURSES}, sort_keys=False), encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [
        ("#000000", "#ffffff", 21.0),
        ("#ffffff", "#ffffff", 1.0),
        ("#777777", "#ffffff", 4.48),
        ("#767676", "#ffffff", 4.54),
        ("#0000ff", "#ffffff", 8.59),
    ],
)
def test_contrast_is_that_of_wcag(one: str, other: str, ratio: float) -> None:
    assert contrast(one, other) == contrast(other, one)
    assert round(contrast(one, other), 2) == ratio


def test_text_can_be_read_on_every_colour_and_more_easily_under_the_pointer() -> None:
    for channels in itertools.product(range(0, 256, 15), repeat=3):
        colour = "#{:02x}{:02x}{:02x}".format(*channels)
        text, down = text_on(colour), pressed(colour)
        assert contrast(colour, text) >= READABLE
        assert contrast(down, text) >= contrast(colour, text)
        assert text_on(down) == text


@pytest.mark.parametrize(
    ("colour", "text"),
    [("#003366", "#ffffff"), ("#ffcc00", "#000000"), ("#777777", "#000000"), ("#767676", "#ffffff")],
)
def test_text_is_white_where_that_can_be_read(colour: str, text: str) -> None:
    assert text_on(colour) == text


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (PNG, "image/png"),
        (JPEG, "image/jpeg"),
        (SVG, "image/svg+xml"),
        (b'<?xml version="1.0"?>\n<!-- made by hand -->' + SVG, "image/svg+xml"),
        (b"\xef\xbb\xbf" + SVG, "image/svg+xml"),
        (SVG.replace(b"<svg xmlns=", b"<s:svg xmlns:s=").replace(b"</svg>", b"</s:svg>"), "image/svg+xml"),
    ],
)
def test_a_logo_is_what_it_holds(content: bytes, media_type: str) -> None:
    logo = logo_of(content)
    assert logo.media_type == media_type
    assert logo.url == f"data:{media_type};base64,{base64.b64encode(content).decode()}"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"GIF89a....", "not a PNG, JPEG or SVG"),
        (b"plain text", "not a PNG, JPEG or SVG"),
        (PNG[:40], "cut off"),
        (JPEG[:-2], "cut off"),
        (PNG.ljust(MAX_BYTES + 1, b"\0"), "larger than 100000 bytes"),
        (b"<html><body>not found</body></html>", "the first element must be <svg"),
        (b"<svg viewBox='0 0 1 1'/>", "the first element must be <svg"),
        (SVG[:-3], "this is not an SVG"),
        (SVG.replace(b"<path", b"<script>alert(1)</script><path"), "holds a script"),
        (b'<!DOCTYPE svg [<!ENTITY a "aaaa">]>' + SVG, "declares entities"),
    ],
)
def test_what_is_no_logo_is_refused_with_a_reason(content: bytes, said: str) -> None:
    with pytest.raises(BadLogo, match=re.escape(said)):
        logo_of(content)


# The section, the line of the finding, and words of its sentence.
FAULTS: list[tuple[dict[str, Any], int, str]] = [
    ({"colours": {"bar": "red"}}, 3, "theme.colours.bar: write a colour as '#rrggbb'"),
    ({"colours": {"bar": "#12345"}}, 3, "write a colour as '#rrggbb'"),
    ({"colours": {"button": "#123456; background: url(//evil.example)"}}, 3, "write a colour as '#rrggbb'"),
    ({"colours": {"button": "#123456\n"}}, 3, "write a colour as '#rrggbb'"),
    ({"colours": {"bar": None}, "colors": {}}, 4, "theme.colors: unknown key; did you mean colours?"),
    ({"announcement": {"text": "x" * 501}}, 3, "at most 500 characters"),
    ({"announcement": {"text": ""}}, 3, "at least 1 character"),
    ({"announcement": {"text": "a\x08b"}}, 3, "theme.announcement.text: "),
    ({"announcement": {"level": "info"}}, 2, "theme.announcement.text: Field required"),
    ({"login_announcement": {"text": "a", "level": "warn"}}, 4, "did you mean warning?"),
    ({"announcement": "soon"}, 2, "theme.announcement: "),
    ({"title": "x" * 101}, 2, "theme.title: "),
    ({"logo": "missing.png"}, 2, "theme.logo: there is no file "),
    ({"logo": "bad.png"}, 2, "not a PNG, JPEG or SVG"),
    ({"logo": "folder"}, 2, "this is not a regular file"),
    ({"logo": "pipe"}, 2, "this is not a regular file"),
]


@pytest.mark.parametrize(("theme", "line", "said"), FAULTS)
def test_faults_are_found_at_their_lines(tmp_path: Path, theme: dict[str, Any], line: int, said: str) -> None:
    (tmp_path / "bad.png").write_bytes(b"no picture")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (finding,) = check_courses(written(tmp_path, theme), Settings())
    assert (finding.place.line, finding.level) == (line, "error")
    assert said in finding.text


def test_a_theme_is_good_and_its_logo_lies_beside_the_file_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "logo.svg").write_bytes(SVG)
    words = {"text": "Ümlaut <b>&</b>\nsecond line", "level": "warning"}
    written(tmp_path / "base", {"title": "Physik", "logo": "logo.svg", "announcement": words})
    top = tmp_path / "courses.yaml"
    top.write_text("extends: base/courses.yaml\ntheme: {colours: {bar: '#ABCDEF'}}\n", encoding="utf-8")
    done = CliRunner().invoke(main, ["courses", "check", str(top)])
    assert done.exit_code == 0, done.output
    roster = RosterWithLogo(top, Settings())
    roster.refresh()
    assert roster.hub is not None
    assert (roster.hub.theme.title, roster.hub.theme.colours.bar) == ("Physik", "#abcdef")
    assert roster.logo == logo_of(SVG)


def test_the_hub_keeps_the_last_good_logo_and_says_what_is_wrong(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file, logo = written(tmp_path, {"logo": "logo"}), tmp_path / "logo"
    roster = RosterWithLogo(file, Settings())
    roster.refresh()
    assert roster.logo is None
    assert [finding.text for finding in roster.findings] == [f"theme.logo: there is no file {logo}"]
    logo.write_bytes(PNG)
    roster.refresh()
    assert (roster.logo, roster.findings) == (logo_of(PNG), ())
    caplog.clear()
    logo.write_bytes(b"no picture")
    for _ in range(2):
        roster.refresh()
        assert roster.logo == logo_of(PNG)
        assert "not a PNG" in roster.findings[0].text
    assert len(caplog.records) == 1
    logo.write_bytes(SVG)
    roster.refresh()
    assert (roster.logo, roster.findings) == (logo_of(SVG), ())
    written(tmp_path, {})
    roster.refresh()
    assert (roster.logo, roster.findings) == (None, ())


def test_packed_templates_are_those_of_the_folder() -> None:
    assert set(templates()) == {"admin.html", "login.html", "page.html", "revoke.html"}
    assert '{% extends "templates/page.html" %}' in templates()["page.html"]


@pytest.fixture
def dress() -> Any:
    """A function of a courses file that returns a hub's configuration and a function that renders its pages."""
    pytest.importorskip("jupyterhub")
    from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PrefixLoader
    from jupyterhub._data import DATA_FILES_PATH
    from traitlets.config import Config

    from kernelpod.hub.pages.theme import show_theme, template_folder

    own = str(Path(DATA_FILES_PATH) / "templates")

    def configured(file: Path, c: Any = None) -> tuple[Any, Any]:
        c = c or Config()
        resolver = CourseResolver(RosterWithLogo(file, Settings()))
        show_theme(c, resolver, template_folder())

        def rendered(name: str, *, waits: bool = True) -> str:
            # As JupyterHub makes it of these two traits.
            loader = ChoiceLoader(
                [
                    PrefixLoader({"templates": FileSystemLoader([own])}, "/"),
                    FileSystemLoader([*c.JupyterHub.template_paths, own]),
                ]
            )
            environment = Environment(loader=loader, autoescape=True, enable_async=waits)
            given = {
                name: value(None) if callable(value) else value
                for name, value in c.JupyterHub.template_vars.items()
            }
            words = {**given, "static_url": lambda path, **_: path, "base_url": "/hub/", "authenticator": {}}
            page = environment.get_template(name)
            return asyncio.run(page.render_async(words)) if waits else page.render(words)

        return c, rendered

    return configured


@pytest.mark.hub
def test_pages_show_the_theme_as_text(tmp_path: Path, dress: Any) -> None:
    (tmp_path / "logo").write_bytes(SVG)
    words = {"text": "<script>bad</script> & more", "level": "warning"}
    theme = {
        "title": "</title><b>Hub",
        "logo": "logo",
        "colours": {"bar": "#003366"},
        "announcement": words,
        "login_announcement": {"text": "Log in <here>"},
    }
    _, rendered = dress(written(tmp_path, theme))
    page = rendered("page.html")
    assert "<script>bad" not in page
    assert "&lt;script&gt;bad&lt;/script&gt; &amp; more" in page
    assert "&lt;/title&gt;&lt;b&gt;Hub" in page
    assert "</title><b>Hub" not in page
    assert f'src="{logo_of(SVG).url}"' in page
    assert "--bs-tertiary-bg-rgb: 0, 51, 102;" in page
    assert ".btn-primary {" not in page, "no colour of buttons is given"
    login = rendered("login.html")
    assert "Log in &lt;here&gt;" in login
    assert "more" not in login
    assert rendered("page.html", waits=False) == page, "pages of errors are made without waiting"


@pytest.mark.hub
def test_a_hub_without_theme_or_without_a_good_file_looks_as_ever(tmp_path: Path, dress: Any) -> None:
    for file in (written(tmp_path, {}), tmp_path / "missing.yaml"):
        page = dress(file)[1]("page.html")
        assert 'src="/hub/logo"' in page
        assert "<title>JupyterHub</title>" in page
        assert "tertiary-bg-rgb" not in page
        assert 'role="status"' not in page


@pytest.mark.hub
def test_the_admin_page_says_what_is_wrong_at_once(tmp_path: Path, dress: Any) -> None:
    _, rendered = dress(written(tmp_path, {"logo": "<b>missing"}))
    page = rendered("admin.html")
    assert "theme.logo: there is no file" in page
    assert "&lt;b&gt;missing" in page


def add(c: Any, paths: list[str], words: dict[str, str]) -> None:
    c.JupyterHub.template_paths.insert(0, *paths)
    c.JupyterHub.template_vars.update(words)


def replace(c: Any, paths: list[str], words: dict[str, str]) -> None:
    c.JupyterHub.template_paths, c.JupyterHub.template_vars = paths, words


@pytest.mark.hub
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("change", [add, replace])
def test_templates_and_variables_of_the_admin_come_first(
    tmp_path: Path, dress: Any, change: Any, first: bool
) -> None:
    from traitlets.config import Config

    from kernelpod.hub.pages.theme import template_folder

    theirs, c = tmp_path / "theirs", Config()
    theirs.mkdir()
    (theirs / "spawn.html").write_text('{% extends "page.html" %}{% block main %}theirs{% endblock %}')
    file = written(tmp_path, {"announcement": {"text": "of the courses"}})
    if first:
        change(c, [str(theirs)], {"announcement": "<i>by variable</i>"})
    dress(file, c)
    if not first:
        change(c, [str(theirs)], {"announcement": "<i>by variable</i>"})
    _, rendered = dress(file, c)  # use_course_allow_list, at the end
    assert c.JupyterHub.template_paths == [str(theirs), template_folder()]
    page = rendered("spawn.html")
    assert page.index("<i>by variable</i>") < page.index("of the courses") < page.index("theirs")
