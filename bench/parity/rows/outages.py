"""What runs kernels dies, stands still or is upgraded: Kernelpod's gateway, or a local kernel's server."""

from __future__ import annotations

import re
import signal
from typing import TYPE_CHECKING, Any

import requests
import websocket

from bench.parity.behaviour import behaviour
from bench.parity.page import Late

if TYPE_CHECKING:
    from bench.parity.page import Page, Request
    from bench.parity.side import Side

WAITS = "import os, time\nwhile not os.path.exists('go'): time.sleep(0.05)\n"
LOST = "the kernel is lost"
STOPPED_SECONDS, SHORT_SECONDS = 30, 5
LISTED_SECONDS = 3
SAID = "\n[The gateway was away for n s. Output of that time may be missing.]\n"
KEPT = {"end": "ok", "shown": ["stdout: begin\n", f"stderr: {SAID}", "stdout: late\n"], "x": "5\n"}


def page_again(side: Side, kernel_id: str, page: Page) -> Page:
    """Return the page: the same if it is still connected, or else the page that connects again."""
    if page.closed is None:
        return page
    return side.page(kernel_id, page.session)


def there_again(side: Side, kernel_id: str) -> None:
    """Return when the server shows the kernel again."""

    def listed() -> bool:
        try:
            return kernel_id in {one["id"] for one in side.ask("GET", "kernels").json()}
        except (requests.RequestException, ValueError, TypeError, KeyError):
            return False

    side.eventually(listed, "kernel in the list", LISTED_SECONDS)


def any_time(text: str) -> str:
    """Return a text without how long the gateway was away."""
    return re.sub(r"for \d+ s", "for n s", text)


def after(side: Side, kernel_id: str, cell: Request) -> Any:
    """Return what became of a cell and of the kernel's variables; that the kernel is lost, if it is."""
    try:
        again = page_again(side, kernel_id, cell.page)
        seen = cell.on(again).wait().seen
        return {**seen, "shown": [any_time(one) for one in seen["shown"]], "x": again.run("print(x)").text}
    except (websocket.WebSocketException, OSError, Late):
        if side.model(kernel_id).get("id") != kernel_id:
            return LOST
        raise


def running_cell(side: Side, code: str) -> tuple[str, Request]:
    """Return a kernel whose x is 5, and a cell that runs on it once there is a file `go`."""
    kernel_id, page = side.kernel_page()
    page.run("x = 5")
    return kernel_id, page.cell(f"print('begin', flush=True)\n{WAITS}{code}").said("begin")


@behaviour("killed and started again in the middle of a cell: its output and its end arrive", best=KEPT)
def killed(side: Side) -> Any:
    kernel_id, cell = running_cell(side, "print('late')")
    side.kill_middle()
    side.start_middle()
    side.touch("go")
    return after(side, kernel_id, cell)


@behaviour("upgraded in the middle of a cell: its output and its end arrive", best=KEPT)
def upgraded(side: Side) -> Any:
    kernel_id, cell = running_cell(side, "print('late')")
    side.stop_middle()
    side.start_middle()
    side.touch("go")
    return after(side, kernel_id, cell)


@behaviour("killed twice in the middle of a cell: its output and its end arrive", best=KEPT)
def killed_twice(side: Side) -> Any:
    kernel_id, cell = running_cell(side, "print('late')")
    for _ in range(2):
        side.kill_middle()
        side.start_middle()
    side.touch("go")
    return after(side, kernel_id, cell)


@behaviour("killed while no cell runs: the page goes on, with the variables", best="ok 5\n")
def killed_idle(side: Side) -> Any:
    kernel_id, page = side.kernel_page()
    page.run("x = 5")
    side.kill_middle()
    side.start_middle()
    try:
        cell = page_again(side, kernel_id, page).run("print(x)")
    except (websocket.WebSocketException, OSError, Late):
        return LOST
    return f"{cell.status} {cell.text}"


@behaviour("a cell that is sent while it is away runs when it is back", best="ok 5\n")
def sent_while_away(side: Side) -> Any:
    kernel_id, page = side.kernel_page()
    page.run("x = 5")
    side.kill_middle()
    try:
        cell = page.cell("print(x)")
        side.start_middle()
        cell = cell.on(page_again(side, kernel_id, page)).wait()
    except (websocket.WebSocketException, OSError, Late):
        return LOST
    return f"{cell.status} {cell.text}"


@behaviour("a cell ends while it is away: the page is told, and the next cell runs", best=["ended", "said", "5\n"])
def ended_while_away(side: Side) -> Any:
    kernel_id, cell = running_cell(side, "print('late')\nopen('ended', 'w')")
    side.kill_middle()
    side.touch("go")
    try:
        side.there("ended", 5)
    except Late:
        return LOST
    side.start_middle()
    seen = after(side, kernel_id, cell)
    if seen == LOST:
        return seen
    end = "ended" if seen["end"] != "never ended" else "never ended"
    return [end, "said" if "late" in str(seen["shown"]) or "lost" in str(seen["shown"]) else "not said", seen["x"]]


@behaviour("a question is asked, it is killed and back, and the answer arrives", best=f"{SAID}hello owl\n")
def question(side: Side) -> Any:
    kernel_id, page = side.kernel_page()
    cell = page.cell("print('hello', input())")
    page.first(lambda one: one["msg_type"] == "input_request", "question")
    side.kill_middle()
    side.start_middle()
    try:
        there_again(side, kernel_id)
        again = page_again(side, kernel_id, page)
        again.answer("owl")
        return any_time(cell.on(again).said("hello owl").text)
    except (websocket.WebSocketException, OSError, Late):
        return LOST if side.model(kernel_id).get("id") != kernel_id else "the answer does not arrive"


@behaviour("widgets live on after it was killed", best=[2])
def widgets(side: Side) -> Any:
    kernel_id, page = side.kernel_page()
    page.run(
        "from ipykernel.comm import Comm\ncomm = Comm(target_name='t')\n"
        "comm.on_msg(lambda m: comm.send({}, buffers=[bytes(b) for b in m['buffers']]))"
    )
    comm_id = page.first(lambda one: one["msg_type"] == "comm_open", "comm")["content"]["comm_id"]
    side.kill_middle()
    side.start_middle()
    try:
        there_again(side, kernel_id)
        again = page_again(side, kernel_id, page)
        again.ask("comm_msg", {"comm_id": comm_id, "data": {}}, buffers=[b"xy"])
        answer = again.first(lambda one: one["msg_type"] == "comm_msg", "answer of the comm")
        return [len(one) for one in answer["buffers"]]
    except (websocket.WebSocketException, OSError, Late):
        return LOST if side.model(kernel_id).get("id") != kernel_id else "no answer"


@behaviour("killed in a cell: a page that is loaded anew opens while the cell runs, and sees it", best="late")
def opened_anew(side: Side) -> Any:
    kernel_id, _ = running_cell(side, "print('late')")
    side.kill_middle()
    side.start_middle()
    try:
        there_again(side, kernel_id)
        page = side.page(kernel_id)
    except (websocket.WebSocketException, OSError, Late):
        return LOST
    side.touch("go")
    page.first(lambda one: "late" in str(one["content"].get("text")), "output of the cell")
    return "late"


@behaviour(
    "an interrupt and a restart after it was killed in a cell", best=["error KeyboardInterrupt", 200, "fresh\n"]
)
def verbs_afterwards(side: Side) -> Any:
    kernel_id, cell = running_cell(side, "print('late')")
    side.kill_middle()
    side.start_middle()
    try:
        there_again(side, kernel_id)
        again = page_again(side, kernel_id, cell.page)
        side.interrupt(kernel_id)
        end = cell.on(again).wait().status
        status = side.restart(kernel_id)
        return [end, status, again.run("print('old' if 'x' in globals() else 'fresh')").text]
    except (websocket.WebSocketException, OSError, Late):
        return LOST if side.model(kernel_id).get("id") != kernel_id else "no end"


@behaviour("stopped for half a minute (SIGSTOP) in the middle of a cell: all output arrives, also what was sent")
def stands_still(side: Side) -> Any:
    kernel_id, page = side.kernel_page()
    seconds = SHORT_SECONDS if side.small else STOPPED_SECONDS
    ends = f"print('begin', flush=True)\n{WAITS}time.sleep({seconds})\nprint('late')\nopen('ended', 'w')"
    cell = page.cell(ends).said("begin")
    side.signal_middle(signal.SIGSTOP)
    side.touch("go")
    sent = page.cell("print('sent')")
    side.there("ended", seconds + 30)
    side.signal_middle(signal.SIGCONT)
    again = page_again(side, kernel_id, page)
    return [cell.on(again).wait().seen, sent.on(again).wait().seen]


@behaviour("100 outputs while the page is cut off and it is stopped are all there")
def outputs_while_still(side: Side) -> Any:
    kernel_id, page = side.kernel_page()
    cell = page.cell(f"{WAITS}for n in range(100): print(n, flush=True)\nopen('ended', 'w')").running()
    side.drop(kernel_id, page)
    side.signal_middle(signal.SIGSTOP)
    side.touch("go")
    side.there("ended")
    side.signal_middle(signal.SIGCONT)
    return cell.on(side.page(kernel_id, page.session)).wait().text.split() == [str(n) for n in range(100)]


@behaviour("the network behind the server stands still in the middle of a cell, and goes on")
def network(side: Side) -> Any:
    server, relay = side.another_server()
    kernel_id = str(server.ask("POST", "kernels", {"name": "python-pod", "path": "n.ipynb"}).json()["id"])
    page = server.page(kernel_id)
    side.at_the_end(page.drop)
    cell = page.cell(f"print('begin', flush=True)\n{WAITS}print('late')\nopen('ended', 'w')").said("begin")
    if relay:
        relay.freeze()
    sent = page.cell("print('sent')")
    side.touch("go")
    side.there("ended")
    if relay:
        relay.thaw()
    seen = [cell.wait().seen, sent.wait().seen]
    server.ask("DELETE", f"kernels/{kernel_id}")
    return seen


@behaviour("the network behind the server breaks in the middle of a cell, and is back")
def network_cut(side: Side) -> Any:
    server, relay = side.another_server()
    kernel_id = str(server.ask("POST", "kernels", {"name": "python-pod", "path": "n.ipynb"}).json()["id"])
    page = server.page(kernel_id)
    side.at_the_end(page.drop)
    cell = page.cell(f"print('begin', flush=True)\n{WAITS}print('late')\nopen('ended', 'w')").said("begin")
    if relay:
        relay.freeze()
    side.touch("go")
    side.there("ended")
    if relay:
        relay.cut()
    seen = [cell.wait().seen, page.run("print('next')").seen]
    server.ask("DELETE", f"kernels/{kernel_id}")
    return seen


@behaviour("the user's server is killed: the next one lists the kernel, with its variables", best=[True, "5\n"])
def server_killed(side: Side) -> Any:
    kernel_id, page = side.kernel_page()
    page.run("x = 5")
    side.server.kill()
    side.server.start()
    try:
        there_again(side, kernel_id)
    except Late:
        return LOST
    return [True, side.page(kernel_id).run("print(x)").text]


@behaviour(
    "the user's server is killed in the middle of a cell, which goes on and is seen", best=["late\n", "5\n"]
)
def server_killed_in_cell(side: Side) -> Any:
    kernel_id, cell = running_cell(side, "print('late')")
    side.server.kill()
    side.server.start()
    try:
        there_again(side, kernel_id)
    except Late:
        return LOST
    again = side.page(kernel_id, cell.page.session)
    side.touch("go")
    return [cell.on(again).said("late").text.removeprefix("begin\n"), again.run("print(x)").text]


@behaviour("the user's server ends in an orderly way, and ends its kernels")
def server_stopped(side: Side) -> Any:
    side.new_page().run("x = 5")
    side.server.stop()
    left = side.eventually(lambda: side.traces() == 0, "end of all kernels")
    side.server.start()
    return [left, side.ask("GET", "kernels").json()]


@behaviour("a killed server's session is found again with its notebook", best=["notebook.ipynb"])
def session_found(side: Side) -> Any:
    body = {"path": "notebook.ipynb", "type": "notebook", "name": "", "kernel": {"name": "python-pod"}}
    kernel_id = side.ask("POST", "sessions", body).json()["kernel"]["id"]
    side.page(kernel_id).run("x = 5")
    side.server.kill()
    side.server.start()
    try:
        there_again(side, kernel_id)
    except Late:
        return LOST
    return [one["path"] for one in side.ask("GET", "sessions").json()]
