"""Lab in the browser, from the hub's form to the output of a cell that a remote kernel ran."""

from __future__ import annotations

from typing import Any

from behind import behind, page
from PIL import Image
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

PANEL, SHOWN = 300, 620
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
    lab = person.picture("lab")
    rows = behind(person.hub.process, "alice")
    assert [row.role for row in rows] == ["the hub", "alice's server", "the gateway", "alice's kernel"]
    server, kernel = rows[1], rows[3]
    assert server.home == kernel.home
    assert server.home.endswith("/alice")
    # Lab asks for the v1 form of messages first, and again without it: jupyter_server has none with a gateway.
    assert [said for said in person.complaints("SEVERE") if "Sec-WebSocket-Protocol" not in said] == []
    person.sized((PANEL, lab.height))
    person.driver.get(page(rows))
    both = Image.new("RGB", (lab.width + PANEL, lab.height), "white")
    both.paste(lab, (0, 0))
    both.paste(person.picture("behind"), (lab.width, 0))
    both = both.crop((0, 0, both.width, SHOWN))
    both.save(person.pictures / "lab-and-kernel.png", optimize=True)
