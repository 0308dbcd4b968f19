"""Widgets in Lab in the browser: what a person does reaches the kernel, and bytes reach the page."""

from __future__ import annotations

from typing import Any

from selenium.webdriver.common.keys import Keys
from test_lab import run_cell

# A slider whose value Python doubles into a label, and a picture of 3 by 2 pixels.
WIDGETS = (
    "import base64, ipywidgets; "
    "label = ipywidgets.Label('nothing yet'); slider = ipywidgets.IntSlider(20, 0, 100); "
    "slider.observe(lambda change: setattr(label, 'value', f'twice: {2 * change.new}'), 'value'); "
    "gif = base64.b64decode('R0lGODdhAwACAIAAAAAAAP///ywAAAAAAwACAAACAkRRADs='); "
    "ipywidgets.VBox([slider, label, ipywidgets.Image(value=gif, format='gif')])"
)


def test_a_slider_and_an_image(person: Any) -> None:
    person.logs_in("dora")
    person.until(lambda: "/user/dora/lab" in person.driver.current_url, "Lab's address")
    person.opens("/user/dora/lab/workspaces/widgets?reset")
    person.one('.jp-LauncherCard[data-category="Notebook"]').click()
    run_cell(person, WIDGETS)
    handle = person.one(".jp-OutputArea-output .noUi-handle")
    assert person.one(".jp-OutputArea-output .widget-label").text == "nothing yet"
    picture = "document.querySelector('.jp-OutputArea-output img.widget-image')"
    person.until(lambda: person.ask(f"{picture}.complete && {picture}.naturalWidth") == 3, "the picture's bytes")
    handle.send_keys(Keys.ARROW_RIGHT)
    person.until(lambda: person.one(".jp-OutputArea-output .widget-label").text == "twice: 42", "Python's answer")
    person.picture("widgets")
