"""The debugger, as Lab's panel speaks with it."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

from bench.parity.behaviour import behaviour, shows

if TYPE_CHECKING:
    from bench.parity.page import Message, Page, Request
    from bench.parity.side import Side

CODE = "def f(n):\n    m = n * 2\n    return m + 1\nprint(f(20))"
CLIENT = {
    "clientID": "jupyterlab",
    "clientName": "JupyterLab",
    "adapterID": "",
    "pathFormat": "path",
    "linesStartAt1": True,
    "columnsStartAt1": True,
    "supportsVariableType": True,
    "supportsVariablePaging": True,
    "supportsRunInTerminalRequest": True,
    "locale": "en-us",
}


class Debugger:
    """The requests of the debugger of one page."""

    def __init__(self, page: Page, numbers: count[int] | None = None) -> None:
        self.page, self.numbers = page, numbers or count(1)

    def ask(self, command: str, **arguments: Any) -> Message:
        """Return the reply to a command."""
        content = {"type": "request", "seq": next(self.numbers), "command": command, "arguments": arguments}
        return self.page.ask("debug_request", content, "control").replied()

    def attach(self) -> None:
        """Begin."""
        self.ask("initialize", **CLIENT)
        self.ask("attach")

    def break_at(self, code: str, line: int) -> list[bool]:
        """Set a breakpoint in a cell, and return whether each was accepted."""
        path = self.ask("dumpCell", code=code)["body"]["sourcePath"]
        points = {"breakpoints": [{"line": line}], "source": {"path": path}, "sourceModified": False}
        return [one["verified"] for one in self.ask("setBreakpoints", **points)["body"]["breakpoints"]]

    def stopped(self) -> Message:
        """Return the event that says where it has stopped, when it is here."""
        found = self.page.first(
            lambda one: one["msg_type"] == "debug_event" and one["content"].get("event") == "stopped", "stop"
        )
        body: Message = found["content"]["body"]
        return body

    def variables(self, thread: int) -> dict[str, str]:
        """Return the local variables of the place where it has stopped."""
        frame = self.ask("stackTrace", threadId=thread)["body"]["stackFrames"][0]
        scope = self.ask("scopes", frameId=frame["id"])["body"]["scopes"][0]
        found = self.ask("variables", variablesReference=scope["variablesReference"])["body"]["variables"]
        return {"line": frame["line"], **{one["name"]: one["value"] for one in found if one["name"] in "mn"}}


def stop_in_cell(page: Page, line: int = 3) -> tuple[Debugger, Request, int, list[bool]]:
    """Return a debugger that has stopped in a cell, the cell, the thread, and which breakpoints were accepted."""
    debugger = Debugger(page)
    debugger.attach()
    accepted = debugger.break_at(CODE, line)
    debugger.ask("configurationDone")
    cell = page.cell(CODE)
    return debugger, cell, int(debugger.stopped()["threadId"]), accepted


@behaviour("the debugger says what it is")
def info(side: Side) -> Any:
    body = Debugger(side.new_page()).ask("debugInfo")["body"]
    return {name: body[name] for name in ("isStarted", "stoppedThreads", "breakpoints", "richRendering")}


@behaviour("a breakpoint stops a cell, shows variables, and the cell goes on")
def breakpoint_(side: Side) -> Any:
    debugger, cell, thread, accepted = stop_in_cell(side.new_page())
    seen = debugger.variables(thread)
    debugger.ask("continue", threadId=thread)
    return [accepted, seen, cell.wait().seen]


@behaviour("the page is loaded anew while the debugger has stopped: it sees where, and goes on")
def loaded_anew(side: Side) -> Any:
    kernel_id, page = side.kernel_page()
    debugger, cell, thread, _ = stop_in_cell(page)
    page.leave()
    again = Debugger(side.page(kernel_id), debugger.numbers)
    known = again.ask("debugInfo")["body"]
    seen = again.variables(thread)
    again.ask("continue", threadId=thread)
    points = [len(one["breakpoints"]) for one in known["breakpoints"]]
    text = cell.on(again.page).said("41").text
    return [known["isStarted"], known["stoppedThreads"] == [thread], points, seen, text]


@behaviour("a step from line to line")
def steps(side: Side) -> Any:
    page = side.new_page()
    debugger, cell, thread, _ = stop_in_cell(page, 2)
    debugger.ask("next", threadId=thread)
    page.wait(lambda: _stops(page) == 2, "next stop")
    seen = debugger.variables(thread)
    debugger.ask("continue", threadId=thread)
    return [seen, cell.wait().seen]


def _stops(page: Page) -> int:
    return sum(one["content"].get("event") == "stopped" for one in page.messages)


@behaviour("variables can be looked at without a breakpoint")
def inspected(side: Side) -> Any:
    page = side.new_page()
    page.run("owl = [1, 2]")
    debugger = Debugger(page)
    debugger.attach()
    found = debugger.ask("inspectVariables")["body"]["variables"]
    return [[one["name"], one["value"]] for one in found if one["name"] == "owl"]


@behaviour("the debugger ends, and cells run without it")
def ended(side: Side) -> Any:
    page = side.new_page()
    debugger = Debugger(page)
    debugger.attach()
    debugger.break_at(CODE, 3)
    debugger.ask("disconnect", restart=False, terminateDebuggee=False)
    return [debugger.ask("debugInfo")["body"]["isStarted"], page.run(CODE).seen]


@behaviour("the kernel is restarted while the debugger has stopped in a cell", best=[200, False, shows("41")])
def restarted(side: Side) -> Any:
    kernel_id, page = side.kernel_page()
    stop_in_cell(page)
    status = side.restart(kernel_id)
    again = side.page(kernel_id)
    return [status, Debugger(again).ask("debugInfo")["body"]["isStarted"], again.run(CODE).seen]
