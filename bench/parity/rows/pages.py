"""Several pages, pages that are loaded anew, and connections that end or only seem to."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import websocket

from bench.parity.behaviour import behaviour
from bench.parity.page import Late

if TYPE_CHECKING:
    from bench.parity.page import Page
    from bench.parity.side import Side

WAITS = "import os, time\nwhile not os.path.exists('go'): time.sleep(0.05)\nprint('end', flush=True)"
PRINTS = f"print('begin', flush=True)\n{WAITS}"
ASLEEP_SECONDS, SHORT_SECONDS = 600, 10
SPARE, BUDGET_MEGABYTES = 20, 180
NEXT = {"end": "ok", "shown": ["stdout: next\n"]}


@behaviour("two pages see all output; a reply goes to the page that asked")
def two_pages(side: Side) -> Any:
    kernel_id, one = side.any_kernel_page()
    other = side.page(kernel_id)
    cell = one.run("print('for all')\n7")
    mine = other.run("print('mine')").seen
    return [cell.seen, cell.on(other).shown, len(cell.on(other).replies()), mine]


@behaviour("cells of two pages at once are run one after the other")
def at_once(side: Side) -> Any:
    kernel_id, one = side.any_kernel_page()
    pages = [one, side.page(kernel_id)]
    cells = [page.cell(f"print({number})") for number in range(10) for page in pages]
    return [cell.wait().seen["shown"] for cell in cells]


@behaviour("a page is loaded anew in the middle of a cell: it sees the rest of the output and the end")
def loaded_anew(side: Side) -> Any:
    kernel_id, page = side.any_kernel_page()
    cell = page.cell(PRINTS).said("begin")
    page.leave()
    again = side.page(kernel_id)
    side.touch("go")
    rest = cell.on(again).said("end")
    again.wait(lambda: "idle" in rest.states, "end of the cell")
    return [rest.shown, again.run("print('next')").seen]


@behaviour("a page comes back under its session: it gets the output and the reply of the meantime")
def comes_back(side: Side) -> Any:
    kernel_id, page = side.kernel_page()
    cell = page.cell(f"{WAITS}\nopen('ended', 'w')").running()
    side.drop(kernel_id, page)
    side.touch("go")
    side.there("ended")
    side.eventually(lambda: side.model(kernel_id)["execution_state"] == "idle", "kernel that is idle")
    return cell.on(side.page(kernel_id, page.session)).wait().seen


@behaviour("all pages are closed; the kernel goes on, and a new page sees its work")
def nobody_there(side: Side) -> Any:
    kernel_id, page = side.any_kernel_page()
    page.cell(f"{WAITS}\nx = 5\nopen('ended', 'w')").running()
    page.leave()
    side.touch("go")
    side.there("ended")
    return side.page(kernel_id).run("print(x)").seen


@behaviour("a page that is opened while the kernel computes opens at once and is told that it is busy", best=True)
def opened_while_busy(side: Side) -> Any:
    kernel_id, page = side.any_kernel_page()
    page.cell(WAITS).running()
    later = side.page(kernel_id)
    asked = later.ask("kernel_info_request", channel="control").replied()["status"] == "ok"
    told = side.eventually(lambda: side.model(kernel_id)["execution_state"] == "busy", "kernel that is busy")
    side.touch("go")
    later.first(lambda one: "end" in str(one["content"].get("text")), "output of the cell")
    return asked and told


@behaviour("a page that leaves harms no other page")
def one_leaves(side: Side) -> Any:
    kernel_id, one = side.any_kernel_page()
    other = side.page(kernel_id)
    cell = other.cell(WAITS).running()
    one.drop()
    side.touch("go")
    return cell.wait().seen


@behaviour("two pages under one session: the newer one works")
def one_session(side: Side) -> Any:
    kernel_id = side.any_kernel()
    side.page(kernel_id, "the-same")
    return side.page(kernel_id, "the-same").run("print(1)").seen


def under(side: Side, session: str) -> Any:
    """Return what a page under an unusual session can do."""
    try:
        return side.page(side.any_kernel(), session).run("print(1)").status
    except websocket.WebSocketBadStatusException as error:
        return error.status_code
    except (Late, websocket.WebSocketException):
        return "nothing"


@behaviour("a session of 300 characters", best="ok")
def long_session(side: Side) -> Any:
    return under(side, "s" * 300)


@behaviour("a session with an umlaut", best="ok")
def umlaut_session(side: Side) -> Any:
    return under(side, "ü")


@behaviour("a session of NUL, and an empty one", best=["ok", "ok"])
def empty_sessions(side: Side) -> Any:
    return [under(side, "\0"), under(side, "")]


@behaviour("ten pages on one kernel see the same")
def ten_pages(side: Side) -> Any:
    kernel_id, page = side.any_kernel_page()
    others = [side.page(kernel_id) for _ in range(9)]
    cell = page.run("for n in range(50): print(n, flush=True)")
    return [cell.on(other).said("49").text == cell.text for other in others]


@behaviour("pages of ten kernels at once")
def ten_kernels(side: Side) -> Any:
    def one(number: int) -> Any:
        return side.new_page().cell(f"print({number})").wait(60).seen

    with ThreadPoolExecutor(3) as pool:
        return list(pool.map(one, range(6)))


@behaviour("a hundred pages that are opened and closed at once cost no descriptors")
def open_and_closed(side: Side) -> Any:
    kernel_id = side.kernel()
    side.server.page(kernel_id).drop()
    before = side.descriptors()
    for _ in range(100):
        side.server.page(kernel_id).drop()
    closed = side.eventually(lambda: side.descriptors() < before + SPARE, "closed descriptors")
    return [closed, side.page(kernel_id).run("print('next')").seen]


@behaviour("six pages that do not read 60 MB: memory stays bounded", best={"bounded": True, "next": NEXT})
def memory(side: Side) -> Any:
    kernel_id, page = side.kernel_page()
    relay = side.relay(side.server.port)
    for _ in range(6):
        side.page(kernel_id, relay=relay)
    relay.freeze()
    before = side.megabytes()
    show = "display({'text/plain': 'x' * 1_000_000}, raw=True)"
    page.cell(f"from IPython.display import display\nfor _ in range(60): {show}").wait(60)
    return {"bounded": side.megabytes() < before + BUDGET_MEGABYTES, "next": _next(page)}


def asleep(side: Side, seconds: float, ends: str) -> Any:
    """Return what a page finds that wakes up after so many seconds without network, and how its cell has ended."""
    kernel_id = side.any_kernel()
    relay = side.relay(side.server.port)
    page = side.page(kernel_id, relay=relay)
    cell = page.cell(f"{PRINTS}\ntime.sleep({seconds})\nopen('slept', 'w')\n{ends}print('late')").said("begin")
    relay.freeze()
    side.touch("go")
    side.there("slept", seconds + 30)
    relay.cut()
    again = side.page(kernel_id, page.session, relay)
    side.touch("woken")
    woken = cell.on(again).said("late").wait()
    return [woken.status, again.run("print('next')").seen]


@behaviour(
    "a laptop sleeps ten minutes in the middle of a cell, and wakes up with a new connection", best=["ok", NEXT]
)
def laptop(side: Side) -> Any:
    if side.small:  # in so short a time no server notices that the laptop sleeps, so the cell goes on behind it
        return asleep(side, SHORT_SECONDS, "while not os.path.exists('woken'): time.sleep(0.05)\n")
    return asleep(side, ASLEEP_SECONDS, "")


@behaviour("a network that stands still for a while, and goes on: nothing is lost")
def stands_still(side: Side) -> Any:
    kernel_id = side.any_kernel()
    relay = side.relay(side.server.port)
    page = side.page(kernel_id, relay=relay)
    cell = page.cell(f"{PRINTS}\nopen('ended', 'w')").said("begin")
    relay.freeze()
    sent = page.cell("print('sent')")
    side.touch("go")
    side.there("ended")
    relay.thaw()
    return [cell.wait().seen, sent.wait().seen]


@behaviour(
    "a page comes back before its old connection is known to be gone",
    best=[{"end": "ok", "shown": ["stdout: end\n"]}, {"end": "ok", "shown": ["stdout: next\n"]}],
)
def half_open(side: Side) -> Any:
    kernel_id = side.any_kernel()
    relay = side.relay(side.server.port)
    page = side.page(kernel_id, relay=relay)
    cell = page.cell(WAITS).running()
    relay.freeze()
    again = side.page(kernel_id, page.session)
    side.touch("go")
    return [cell.on(again).wait().seen, again.run("print('next')").seen]


@behaviour("a page that does not read while 60 MB are shown harms no other page")
def does_not_read(side: Side) -> Any:
    kernel_id, page = side.any_kernel_page()
    relay = side.relay(side.server.port)
    side.page(kernel_id, relay=relay)
    relay.freeze()
    show = "display({'text/plain': 'x' * 1_000_000}, raw=True)"
    cell = page.cell(f"from IPython.display import display\nfor _ in range(60): {show}").wait(60)
    return [cell.status, cell.types.count("display_data"), _next(page)]


def _next(page: Page) -> Any:
    return page.run("print('next')").seen
