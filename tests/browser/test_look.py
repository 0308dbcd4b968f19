"""The look of a hub's pages as a person sees it: logo, colours, announcements; on a desktop and on a phone."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from courses_hub import ADMIN
from person import PHONE
from PIL import Image
from selenium.webdriver.common.action_chains import ActionChains

from kernelpod.courses.theme import READABLE, contrast, text_on

BLUE, YELLOW, RED, ORANGE = "#003366", "#ffcc00", "#c8102e", "#f37524"
SVG = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 84 28" width="84" height="28" onload="{onload}">
<circle cx="14" cy="14" r="13" fill="#ffcc00"/><path d="M8 14h12M14 8v12" stroke="#003366" stroke-width="3"/>
<path d="M34 6v16M34 7h12M34 14h9M54 6v16h8q6-1 0-8q6-1 0-8z" fill="none" stroke="#fff" stroke-width="3"/></svg>
"""
NOTICE = "Friday, 18:00 to 20:00: maintenance.\n<script>document.title = 'taken'</script><b>Save your work.</b>"


def png(colour: str) -> bytes:
    made = io.BytesIO()
    Image.new("RGB", (60, 30), colour).save(made, "PNG")
    return made.getvalue()


@pytest.fixture
def themed(hub: Any) -> Any:
    (hub.courses.parent / "logo.svg").write_text(SVG.format(onload="document.title='taken'"), encoding="utf-8")
    hub.wear(
        title="Physics Hub",
        logo="logo.svg",
        colours={"bar": BLUE, "button": RED},
        announcement={"text": NOTICE, "level": "warning"},
        login_announcement={"text": "Use the password of your university account."},
    )
    return hub


def hexed(colour: str) -> str:
    """Return what the browser calls rgb(...) as #rrggbb."""
    numbers = re.findall(r"[\d.]+", colour)
    assert len(numbers) == 3 or float(numbers[3]) == 1, f"{colour} is not opaque"
    return "#" + "".join(f"{int(number):02x}" for number in numbers[:3])


def shown(person: Any, path: str, colour: str) -> None:
    """Open a page until it has its theme: the hub looks at the file at most every other second."""

    def has() -> bool:
        person.opens(path)
        return hexed(person.style("nav.navbar", "backgroundColor")) == colour

    person.until(has, f"{path} with its top bar in {colour}")


def looks_right(person: Any, name: str) -> None:
    """What holds on every page that has the theme."""
    picture = person.picture(name)
    assert picture.getpixel((2, 2)) == picture.getpixel((picture.width // 2, 4)) == (0, 0x33, 0x66)
    logo = "document.querySelector('.jpy-logo')"
    assert person.ask(f"{logo}.complete && {logo}.naturalWidth") == 84
    place = person.one(".jpy-logo").rect
    drawn = {picture.getpixel((int(place["x"]) + x, int(place["y"]) + 14)) for x in range(int(place["width"]))}
    assert {(0xFF, 0xCC, 0), (0xFF, 0xFF, 0xFF)} <= drawn
    assert person.one(".courses-title").text == "Physics Hub"
    assert person.driver.title == "Physics Hub"
    assert person.fits(), f"{name}: one has to scroll sideways"
    assert person.complaints() == []


def test_the_login_page(themed: Any, person: Any) -> None:
    shown(person, "/hub/login", BLUE)
    looks_right(person, "login")
    notice = person.one(".courses-announcement")
    assert notice.text == "Use the password of your university account."
    assert "alert-info" in notice.get_attribute("class")
    assert hexed(person.style(".auth-form-header", "backgroundColor")) == BLUE
    assert hexed(person.style("#login_submit", "backgroundColor")) == RED
    assert hexed(person.style("#login_submit", "color")) == text_on(RED)
    person.sized(PHONE)
    looks_right(person, "login-phone")


def test_an_announcement_is_text_and_an_svg_runs_no_script(themed: Any, person: Any) -> None:
    person.logs_in("alice")
    shown(person, "/hub/home", BLUE)
    looks_right(person, "home")
    notice = person.one(".courses-announcement")
    assert notice.text == NOTICE
    assert notice.find_elements("css selector", "*") == []
    assert notice.rect["height"] > 2 * 20, "it is two lines"


def test_the_choice_of_courses(themed: Any, person: Any) -> None:
    person.logs_in("carol")
    shown(person, "/hub/spawn", BLUE)
    looks_right(person, "spawn")
    form = person.one("#spawn_form").text
    assert "Machine Learning" in form
    assert "Statistics" in form
    person.sized(PHONE)
    looks_right(person, "spawn-phone")
    person.one(".navbar-toggler").click()
    person.until(lambda: not person.ask("document.querySelector('.collapsing')"), "the menu is open")
    assert person.one("#logout").is_displayed()
    looks_right(person, "spawn-phone-menu")


@pytest.mark.parametrize("colour", [BLUE, YELLOW, ORANGE, "#777777"])
@pytest.mark.parametrize("mode", ["light", "dark"])
def test_text_on_colours_can_be_read(hub: Any, person: Any, mode: str, colour: str) -> None:
    hub.wear(colours={"bar": colour, "button": colour})
    person.prefers(mode)
    person.logs_in("alice")
    shown(person, "/hub/home", colour)
    assert person.ask("document.documentElement.dataset.bsTheme") == mode
    for one in ("nav .nav-link", "#login_widget", "#logout", "#dark-theme-toggle"):
        assert contrast(hexed(person.style(one, "color")), colour) >= READABLE, one
    for one in ("#start", "#logout", "nav .nav-link"):
        ActionChains(person.driver).move_to_element(person.one(one)).perform()
        behind = person.style(one, "backgroundColor")
        behind = colour if behind == "rgba(0, 0, 0, 0)" else hexed(behind)
        assert contrast(hexed(person.style(one, "color")), behind) >= READABLE, f"{one} under the pointer"
    person.picture(f"colours-{mode}-{colour[1:]}")
    assert person.complaints() == []


def test_the_admin_page_with_a_fault(themed: Any, person: Any) -> None:
    person.logs_in("root2", ADMIN)
    shown(person, "/hub/admin", BLUE)
    good = themed.courses.read_text(encoding="utf-8")
    themed.courses.write_text(good + "mode: <b>exams</b>\n", encoding="utf-8")

    def told() -> str:
        person.opens("/hub/admin")
        return "".join(
            one.text for one in person.driver.find_elements("css selector", "[role=alert].alert-warning")
        )

    said = person.until(told, "the fault is told")
    assert said.startswith(f"{themed.courses}:")
    assert "error: mode" in said
    person.one("#react-admin-hook table")
    looks_right(person, "admin")
    themed.courses.write_text(good.replace(RED, "crimson"), encoding="utf-8")
    person.until(lambda: "write a colour as '#rrggbb'" in told(), "the next fault is told")
    person.opens("/hub/home")
    assert hexed(person.style("#start", "backgroundColor")) == RED


def test_a_change_is_seen_without_a_restart_and_a_broken_logo_keeps_the_last(hub: Any, person: Any) -> None:
    file = hub.courses.parent / "logo.png"
    file.write_bytes(png(RED))
    hub.wear(logo="logo.png", colours={"bar": BLUE})
    shown(person, "/hub/login", BLUE)
    assert person.ask("document.querySelector('.jpy-logo').naturalWidth") == 60

    def drawn() -> Any:
        person.opens("/hub/login")
        place = person.one(".jpy-logo").rect
        middle = int(place["x"] + place["width"] / 2), int(place["y"] + place["height"] / 2)
        return person.picture("changed").getpixel(middle)

    assert drawn() == (0xC8, 0x10, 0x2E)
    file.write_bytes(png(YELLOW)[:40])
    hub.wear(logo="logo.png", colours={"bar": ORANGE}, announcement={"text": "Changed"})
    shown(person, "/hub/login", ORANGE)
    assert drawn() == (0xC8, 0x10, 0x2E)
    assert person.one(".courses-announcement").text == "Changed"
    file.write_bytes(png(YELLOW))
    person.until(lambda: drawn() == (0xFF, 0xCC, 0), "the new logo")
    hub.wear()
    person.until(lambda: drawn() != (0xFF, 0xCC, 0), "JupyterHub's own logo")
    assert person.style("nav.navbar", "backgroundColor") == "rgb(248, 249, 250)"
