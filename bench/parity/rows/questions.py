"""What a page asks of the kernel beside cells: completions, help, history, subshells, and requests of no kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.parity.behaviour import behaviour

if TYPE_CHECKING:
    from bench.parity.page import Page
    from bench.parity.side import Side

WAITS = "import os, time\nwhile not os.path.exists('go'): time.sleep(0.05)\nprint('end')"


@behaviour("completions")
def complete(side: Side) -> Any:
    page = side.any_page()
    page.run("abcdef, abcxyz = 1, 2")
    said = page.ask("complete_request", {"code": "print(abc", "cursor_pos": 9}).wait().reply
    return {name: said[name] for name in ("status", "matches", "cursor_start", "cursor_end")}


@behaviour("help on a function")
def inspect(side: Side) -> Any:
    said = side.any_page().ask("inspect_request", {"code": "len", "cursor_pos": 3, "detail_level": 0}).wait().reply
    return [said["status"], said["found"], "Return the number" in said["data"]["text/plain"]]


@behaviour("history")
def history(side: Side) -> Any:
    page = side.new_page()
    for code in ("a = 1", "b = 2"):
        page.run(code)
    wanted = {"output": False, "raw": True, "hist_access_type": "tail", "n": 2}
    said = page.ask("history_request", wanted).wait().reply
    return [said["status"], [one[2] for one in said["history"]]]


@behaviour("whether code is complete")
def is_complete(side: Side) -> Any:
    page = side.any_page()
    codes = ("x = 1", "for x in y:", "x = (", "x = = 1")
    replies = [page.ask("is_complete_request", {"code": code}).wait().reply for code in codes]
    return [[said["status"], said.get("indent")] for said in replies]


@behaviour("what kernel it is")
def kernel_info(side: Side) -> Any:
    said = side.any_page().ask("kernel_info_request").wait().reply
    return {name: said[name] for name in ("status", "implementation", "protocol_version", "language_info")}


@behaviour("features that a kernel says it has")
def features(side: Side) -> Any:
    said = side.any_page().ask("kernel_info_request").wait().reply
    return {name: said.get(name) for name in ("debugger", "supported_features", "help_links")}


@behaviour(
    "kernel_info while a cell runs: at once, on control and on shell",
    best=["ok", False, {"end": "ok", "shown": ["stdout: end\n"]}, "ok"],
)
def kernel_info_while_busy(side: Side) -> Any:
    page = side.any_page()
    cell = page.cell(WAITS).running()
    behind = page.ask("kernel_info_request")
    said = page.ask("kernel_info_request", channel="control").replied()
    waited = not behind.replies()
    side.touch("go")
    return [said["status"], waited, cell.wait().seen, behind.wait().status]


@behaviour("completions while a cell runs come when it has ended")
def complete_while_busy(side: Side) -> Any:
    page = side.any_page()
    cell = page.cell(WAITS).running()
    asked = page.ask("complete_request", {"code": "prin", "cursor_pos": 4})
    side.touch("go")
    return [cell.wait().seen, asked.wait().reply["matches"]]


@behaviour("comm_info, of all and of one target")
def comm_info(side: Side) -> Any:
    page = side.new_page()
    page.run("from ipykernel.comm import Comm\na, b = Comm(target_name='one'), Comm(target_name='two')")
    asked = [page.ask("comm_info_request", content).wait().reply for content in ({}, {"target_name": "two"})]
    return [sorted(one["target_name"] for one in said["comms"].values()) for said in asked]


@behaviour("usage of memory and processor, as Lab's panel asks for it")
def usage(side: Side) -> Any:
    said = side.any_page().ask("usage_request", channel="control").wait().reply
    return sorted(set(said) - {"host_cpu_percent"})  # which is missing when it is 0


@behaviour("a request that no kernel knows harms nothing")
def unknown_request(side: Side) -> Any:
    page = side.any_page()
    asked = page.ask("nonsense_request")
    later = page.run("print('next')").seen
    return [asked.replies(), later]


@behaviour("a request without what it needs is answered with an error, or not at all")
def incomplete_request(side: Side) -> Any:
    page = side.any_page()
    asked = page.ask("execute_request", {})
    return [page.run("print('next')").seen, [one["content"].get("status") for one in asked.replies()]]


def subshell(page: Page) -> str:
    """Make a subshell and return its id."""
    return str(page.ask("create_subshell_request", channel="control").replied()["subshell_id"])


@behaviour("a subshell runs a cell while the main shell computes")
def subshells(side: Side) -> Any:
    page = side.new_page()
    page.run("x = 5")
    cell = page.cell(WAITS).running()
    made = subshell(page)
    beside = page.run("print(x)", subshell=made).seen
    still = cell.status
    side.touch("go")
    return [beside, still, cell.wait().seen]


@behaviour("subshells are listed and deleted")
def subshell_list(side: Side) -> Any:
    page = side.new_page()
    made = [subshell(page), subshell(page)]
    listed = page.ask("list_subshell_request", channel="control").replied()["subshell_id"]
    gone = page.ask("delete_subshell_request", {"subshell_id": made[0]}, "control").replied()["status"]
    left = page.ask("list_subshell_request", channel="control").replied()["subshell_id"]
    return [sorted(listed) == sorted(made), gone, left == made[1:]]


@behaviour("a kernel whose subshell computes is busy; both ends are told")
def subshell_state(side: Side) -> Any:
    kernel_id, page = side.kernel_page()
    cell = page.cell(WAITS, subshell=subshell(page)).running()
    main = page.run("print('main')").seen
    side.touch("go")
    cell.wait()
    state = side.eventually(lambda: side.model(kernel_id)["execution_state"] == "idle", "kernel that is idle")
    return [main, cell.seen, state]


@behaviour("a page asks the kernel to end: the page is told, and a cell runs on the next kernel")
def shutdown_request(side: Side) -> Any:
    kernel_id, page = side.kernel_page()
    page.run("x = 1")
    page.ask("shutdown_request", {"restart": False}, "control").replied()
    page.first(lambda one: one["content"].get("execution_state") in {"restarting", "dead"}, "word of its end")
    side.eventually(lambda: side.model(kernel_id).get("execution_state") == "idle", "kernel that is idle")
    return side.page(kernel_id).run("print('x' in globals())").seen


@behaviour("a page interrupts by a message on control")
def interrupt_request(side: Side) -> Any:
    page = side.any_page()
    cell = page.cell("import time\nprint('begun', flush=True)\ntime.sleep(60)").said("begun")
    said = page.ask("interrupt_request", channel="control").replied()["status"]
    return [said, cell.wait().status, page.run("print('next')").seen]
