"""Restarts and stops, and what pages do meanwhile."""

from __future__ import annotations

import contextlib
import uuid
from typing import TYPE_CHECKING, Any

from bench.parity.behaviour import behaviour, shows
from bench.parity.page import Late

if TYPE_CHECKING:
    from bench.parity.page import Page
    from bench.parity.side import Side

# After a restart a local kernel's shell may run a cell before its output is heard again, which is lost then.
FRESH, RAN = shows("fresh"), shows("ran")
ENDED = {"end": "error KernelEnded", "next": FRESH}
ROUNDS, FEW = 12, 4
LEFT_SECONDS = 5


def fresh(page: Page) -> Any:
    """Return what a cell of the restarted kernel shows."""
    return page.run("print('old' if 'x' in globals() else 'fresh')").seen


@behaviour("a restart forgets variables and counts anew", best=[200, True, FRESH, 1])
def restart(side: Side) -> Any:
    kernel_id, page = side.kernel_page()
    page.run("x = 1")
    answer = side.ask("POST", f"kernels/{kernel_id}/restart")
    cell = page.run("print('old' if 'x' in globals() else 'fresh')")
    return [answer.status_code, answer.json()["id"] == kernel_id, cell.seen, cell.reply["execution_count"]]


@behaviour("the page that restarts during its cell: the cell ends, and the next one runs", best=ENDED)
def during_a_cell(side: Side) -> Any:
    kernel_id, page = side.kernel_page()
    page.run("x = 1")
    cell = page.cell("while True: pass").running()
    side.restart(kernel_id)
    after = fresh(page)
    return {"end": cell.status, "next": after}


@behaviour("another page's restart ends this page's cells, running and waiting", best=[ENDED["end"]] * 2 + [FRESH])
def by_another_page(side: Side) -> Any:
    kernel_id, page = side.kernel_page()
    side.page(kernel_id)
    cells = [page.cell("while True: pass").running(), page.cell("print('never')")]
    side.restart(kernel_id)
    after = fresh(page)
    return [*(cell.status for cell in cells), after]


@behaviour("another page's restart is told to this page", best=True)
def told(side: Side) -> Any:
    kernel_id, page = side.kernel_page()
    side.restart(kernel_id)
    page.run("1")
    states = [one["content"].get("execution_state") for one in page.messages if not one["parent_header"]]
    return bool({"starting", "restarting"} & set(states))


@behaviour("a cell that is sent during a restart runs after it", best=[200, RAN])
def sent_during(side: Side) -> Any:
    kernel_id, page = side.kernel_page("slow")
    restarting = side.meanwhile(side.restart, kernel_id)
    side.eventually(lambda: _restarts(side, kernel_id, page), "restart that has begun")
    cell = page.cell("print('ran')")
    return [restarting.result(), cell.wait().seen]


def _restarts(side: Side, kernel_id: str, page: Page) -> bool:
    """Return whether a page or a model says so, or whether the old kernel does not answer any more."""
    told = any(one["content"].get("execution_state") == "starting" for one in page.messages)
    return told or side.model(kernel_id).get("execution_state") in {"starting", "restarting"}


@behaviour("a page that is opened during a restart works", best=[200, RAN, True, 200, shows("again")])
def opened_during(side: Side) -> Any:
    kernel_id, first = side.kernel_page("slow")
    restarting = side.meanwhile(side.restart, kernel_id)
    side.eventually(lambda: _restarts(side, kernel_id, first), "restart that has begun")
    page = side.page(kernel_id)
    cell = page.run("print('ran')")
    state = side.eventually(lambda: side.model(kernel_id)["execution_state"] == "idle", "kernel that is idle")
    return [restarting.result(), cell.seen, state, side.restart(kernel_id), page.run("print('again')").seen]


@behaviour("two restarts at once: both are answered, and one kernel is left", best=[[200, 200], FRESH, 1])
def two_at_once(side: Side) -> Any:
    kernel_id, page = side.kernel_page()
    page.run("x = 1")
    both = [side.meanwhile(side.restart, kernel_id) for _ in range(2)]
    statuses = sorted(one.result() for one in both)
    return [statuses, fresh(page), side.traces()]


@behaviour("stop and restart at once leave no kernel in nobody's list", best={"left": 0})
def stop_and_restart(side: Side) -> Any:
    for _ in range(FEW if side.small else ROUNDS):
        kernel_id = side.kernel()
        path = f"kernels/{kernel_id}"
        verbs = [side.meanwhile(side.status, "DELETE", path)]
        verbs += [side.meanwhile(side.restart, kernel_id) for _ in range(2)]
        for verb in verbs:
            verb.result()
        side.ask("DELETE", path)
    with contextlib.suppress(Late):
        side.eventually(lambda: side.traces() == 0, "end of all kernels", LEFT_SECONDS)
    return {"left": min(side.traces(), 1)}


@behaviour("five restarts in a row", best=[[200] * 5, FRESH, 1])
def in_a_row(side: Side) -> Any:
    kernel_id, page = side.kernel_page()
    statuses = [side.restart(kernel_id) for _ in range(5)]
    return [statuses, fresh(page), side.traces()]


@behaviour("a restart that fails leaves the kernel listed; later it can be restarted", best=[True, 200, FRESH])
def fails(side: Side) -> Any:
    kernel_id, page = side.kernel_page("fragile")
    page.run("x = 1")
    side.touch("broken")
    side.restart(kernel_id)
    listed = side.status("GET", f"kernels/{kernel_id}") == 200
    (side.home / "broken").unlink()
    status = side.restart(kernel_id)
    return [listed, status, fresh(side.page(kernel_id))] if status == 200 else [listed, status, None]


@behaviour("a stopped kernel is gone: not listed, 404, and its page is told", best=[[204, 404], [], True, 0])
def stopped(side: Side) -> Any:
    kernel_id, page = side.kernel_page()
    page.run("x = 1")
    statuses = [side.status("DELETE", f"kernels/{kernel_id}"), side.status("GET", f"kernels/{kernel_id}")]
    try:
        page.wait(lambda: page.closed or any("dead" in str(one["content"]) for one in page.messages), "word", 3)
        told = True
    except Late:
        told = page.closed is not None
    return [statuses, [one["id"] for one in side.ask("GET", "kernels").json()], told, side.traces()]


@behaviour("a stop in the middle of a cell")
def stopped_while_busy(side: Side) -> Any:
    kernel_id, page = side.kernel_page()
    page.cell("import time\ntime.sleep(60)").running()
    status = side.status("DELETE", f"kernels/{kernel_id}")
    side.eventually(lambda: side.traces() == 0, "end of the kernel")
    return status


@behaviour("a kernel that ignores every polite word can be restarted")
def ignores(side: Side) -> Any:
    kernel_id, page = side.kernel_page()
    page.run("import signal\nfor n in (signal.SIGINT, signal.SIGTERM): signal.signal(n, signal.SIG_IGN)\nx = 1")
    page.cell("import time\nwhile True:\n    try: time.sleep(60)\n    except BaseException: pass").running()
    return [side.restart(kernel_id), fresh(side.page(kernel_id))]


@behaviour("child processes end with their kernel at a restart")
def children(side: Side) -> Any:
    kernel_id, page = side.kernel_page()
    name = f"child-{uuid.uuid4().hex}"
    code = f"import time\nopen({name!r}, 'w')\nwhile True:\n    open({name!r}, 'a').write('.'); time.sleep(0.05)"
    page.run(f"import subprocess, sys\nchild = subprocess.Popen([sys.executable, '-c', {code!r}])")
    side.there(name)
    side.restart(kernel_id)
    page.run("1")
    before = (side.home / name).stat().st_size
    page.run("import time\ntime.sleep(0.5)")
    return {"still writes": (side.home / name).stat().st_size > before}
