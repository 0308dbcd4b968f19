"""Lab in the browser, from the hub's form to the output of a cell that a remote kernel ran."""

from __future__ import annotations

from typing import Any

from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

WHERE = (
    "import os; print(os.environ['KERNEL_USERNAME'], 6 * 7, "
    "os.path.isdir('/srv/course'), os.path.isfile('Untitled.ipynb'))"
)
KERNELS = ["Python 3 (pod)", "Bash (pod)", "Python 3 (pod, large)"]


def test_a_student_chooses_a_course_and_runs_a_cell(person: Any) -> None:
    person.logs_in("alice")
    person.one("input[type=radio][value=ml]").click()
    person.one("#spawn_form [type=submit]").click()
    person.until(lambda: "/user/alice/lab" in person.driver.current_url, "Lab's address")
    card = person.one('.jp-LauncherCard[data-category="Notebook"]')
    cards = person.driver.find_elements("css selector", '.jp-LauncherCard[data-category="Notebook"]')
    assert [one.text for one in cards] == KERNELS
    card.click()
    # Lab runs nothing before it knows its kernel.
    person.until(lambda: person.one("#jp-main-statusbar").text.count("| Idle"), "the kernel is idle")
    person.one(".jp-Notebook .jp-Cell .cm-content").click()
    keys = ActionChains(person.driver).send_keys(WHERE)
    keys.key_down(Keys.SHIFT).send_keys(Keys.ENTER).key_up(Keys.SHIFT).perform()
    said = person.until(lambda: person.one(".jp-OutputArea-output").text, "the output of the cell")
    assert said == "alice 42 True True"
    person.picture("lab")
    # Lab asks for the v1 form of messages first, and again without it: jupyter_server has none with a gateway.
    assert [said for said in person.complaints("SEVERE") if "Sec-WebSocket-Protocol" not in said] == []
