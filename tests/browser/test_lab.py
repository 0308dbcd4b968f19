"""Lab in the browser, from the hub's form to the output of a cell that a remote kernel ran."""

from __future__ import annotations

import os
import signal
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


NUMBERS = "import time; [(print(n, flush=True), time.sleep(.25)) for n in range(40)] and print('all of it')"


def run_cell(person: Any, code: str) -> None:
    """Type code into the first cell and run it, once Lab knows the kernel."""
    person.until(lambda: person.one("#jp-main-statusbar").text.count("| Idle"), "the kernel is idle")
    person.one(".jp-Notebook .jp-Cell .cm-content").click()
    keys = ActionChains(person.driver).send_keys(code)
    keys.key_down(Keys.SHIFT).send_keys(Keys.ENTER).key_up(Keys.SHIFT).perform()


def test_a_student_chooses_a_course_and_runs_a_cell(person: Any) -> None:
    person.logs_in("alice")
    person.one("input[type=radio][value=ml]").click()
    person.one("#spawn_form [type=submit]").click()
    person.until(lambda: "/user/alice/lab" in person.driver.current_url, "Lab's address")
    card = person.one('.jp-LauncherCard[data-category="Notebook"]')
    cards = person.driver.find_elements("css selector", '.jp-LauncherCard[data-category="Notebook"]')
    assert [one.text for one in cards] == KERNELS
    card.click()
    run_cell(person, WHERE)
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


def test_a_cell_goes_on_when_the_gateway_is_killed(person: Any) -> None:
    person.logs_in("dora")
    person.until(lambda: "/user/dora/lab" in person.driver.current_url, "Lab's address")
    person.one('.jp-LauncherCard[data-category="Notebook"]').click()
    run_cell(person, NUMBERS)

    def printed() -> str:
        return "".join(one.text for one in person.driver.find_elements("css selector", ".jp-OutputArea-output"))

    person.until(lambda: "3\n" in printed(), "the cell prints")
    person.hub.kill_gateway()
    person.until(lambda: printed().endswith("all of it"), "the end of the cell")
    person.until(lambda: person.one("#jp-main-statusbar").text.count("| Idle"), "the kernel is idle")
    person.until(lambda: person.one(".jp-InputPrompt").text == "[1]:", "the cell has ended")
    assert "39" in printed()


def test_a_notebook_of_a_server_that_was_killed_has_its_variables(person: Any) -> None:
    person.logs_in("dora")
    person.until(lambda: "/user/dora/lab" in person.driver.current_url, "Lab's address")
    person.opens("/user/dora/lab/workspaces/killed?reset")
    person.one('.jp-LauncherCard[data-category="Notebook"]').click()
    run_cell(person, "x = 41")
    person.until(lambda: person.one(".jp-InputPrompt").text == "[1]:", "the cell has ended")
    name = person.one(".jp-mod-current .lm-TabBar-tabLabel, .lm-mod-current .lm-TabBar-tabLabel").text
    os.kill(
        next(row.pid for row in behind(person.hub.process, "dora") if row.role == "dora's server"), signal.SIGKILL
    )

    def started_again() -> bool:
        person.opens(f"/user/dora/lab/workspaces/again/tree/{name}?reset")
        for button in person.driver.find_elements("css selector", "#start"):
            button.click()
        return bool(person.ask("document.getElementById('jupyter-config-data') !== null"))

    person.until(started_again, "Lab of the next server")
    person.one("[data-id=jp-running-sessions]").click()
    person.until(lambda: name in person.one("#jp-running-sessions").text, "what runs is listed with its notebook")
    person.picture("found")
    ActionChains(person.driver).click(person.one(".jp-Notebook .jp-Cell .cm-content")).perform()
    person.until(lambda: person.one("#jp-main-statusbar").text.count("| Idle"), "the kernel is idle")
    keys = ActionChains(person.driver).key_down(Keys.CONTROL).send_keys("a").key_up(Keys.CONTROL)
    keys.send_keys("print(x + 1)").key_down(Keys.SHIFT).send_keys(Keys.ENTER).key_up(Keys.SHIFT).perform()
    person.until(lambda: person.one(".jp-OutputArea-output").text == "42", "the variable is there")


# As Lab asks its server: a request without the token from the cookie is not a page's.
ASK = (
    "const token = document.cookie.match(/_xsrf=([^;]*)/)[1];"
    "fetch(arguments[0], {headers: {'X-XSRFToken': token}}).then(answer => answer.text()).then(arguments[1])"
)


def test_a_refused_kernel_is_told_once_in_the_gateways_words(person: Any) -> None:
    person.logs_in("dora")
    person.until(lambda: "/user/dora/lab" in person.driver.current_url, "Lab's address")
    person.opens("/user/dora/lab/workspaces/refused?reset")
    card = person.one('.jp-LauncherCard[data-category="Notebook"]')
    stats = {**person.hub.given["courses"]["stats"], "kernelspecs": ["bash-pod"]}
    person.hub.write({**person.hub.given, "courses": {**person.hub.given["courses"], "stats": stats}})

    def offered() -> str:
        return str(person.driver.execute_async_script(ASK, "/user/dora/api/kernelspecs"))

    person.until(lambda: "bash-pod" in offered() and "python-pod" not in offered(), "only Bash is offered")
    card.click()
    said = person.one(".jp-Dialog-content").text
    assert "The kernelspec 'python-pod' is not for your course. Choose bash-pod." in said
    assert (said.count("not for your course"), "Gateway" in said, "500" in said) == (1, False, False), said
    person.picture("refused")
