"""Sessions: notebooks and their kernels, as the server's API tells them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.parity.behaviour import behaviour

if TYPE_CHECKING:
    from bench.parity.side import Side

WAITS = "import os, time\nwhile not os.path.exists('go'): time.sleep(0.05)"


def session(side: Side, path: str = "notebook.ipynb", **kernel: Any) -> dict[str, Any]:
    """Make a session of a notebook and return its model."""
    body = {"path": path, "type": "notebook", "name": path, "kernel": kernel or {"name": "python-pod"}}
    answer = side.ask("POST", "sessions", body)
    assert answer.status_code == 201, f"session: {answer.status_code} {answer.text[:150]}"
    made: dict[str, Any] = answer.json()
    return made


@behaviour("a session starts a kernel; its model says what Lab shows")
def model(side: Side) -> Any:
    made = session(side)
    kernel = made["kernel"]
    return {
        "members": sorted(made),
        "path": made["path"],
        "of kernel": sorted(set(kernel) & {"id", "name", "last_activity", "execution_state", "connections"}),
        "name": kernel["name"],
        "connections": kernel["connections"],
        "listed": [one["id"] == made["id"] for one in side.ask("GET", "sessions").json()],
    }


@behaviour("a notebook that is opened again has the same session and kernel")
def opened_again(side: Side) -> Any:
    before, first, second = side.traces(), session(side), session(side)
    return [first["id"] == second["id"], first["kernel"]["id"] == second["kernel"]["id"], side.traces() - before]


@behaviour("a notebook is renamed and moved: its kernel goes with it")
def renamed(side: Side) -> Any:
    made = session(side)
    page = side.page(made["kernel"]["id"])
    page.run("x = 5")
    answer = side.ask("PATCH", f"sessions/{made['id']}", {"path": "sub/other.ipynb", "name": "other.ipynb"})
    listed = [one["path"] for one in side.ask("GET", "sessions").json()]
    return [answer.status_code, answer.json()["kernel"]["id"] == made["kernel"]["id"], listed, page.run("x").shown]


@behaviour("a notebook gets another kernel: the old one is gone")
def changed(side: Side) -> Any:
    made = session(side)
    old = made["kernel"]["id"]
    answer = side.ask("PATCH", f"sessions/{made['id']}", {"kernel": {"name": "other"}})
    new = answer.json()["kernel"]
    seen = side.page(new["id"]).run("print(other)").seen
    side.eventually(lambda: side.traces() == 1, "end of the old kernel")
    return [answer.status_code, new["name"], new["id"] != old, seen, side.status("GET", f"kernels/{old}")]


@behaviour("two notebooks share one kernel; it lives until both are shut down")
def shared(side: Side) -> Any:
    one = session(side)
    other = session(side, "other.ipynb", id=one["kernel"]["id"])
    same = other["kernel"]["id"] == one["kernel"]["id"]
    first = side.page(one["kernel"]["id"])
    first.run("x = 5")
    return [same, side.page(one["kernel"]["id"]).run("print(x)").seen, len(side.ask("GET", "sessions").json())]


@behaviour("a session that is deleted ends its kernel")
def deleted(side: Side) -> Any:
    made = session(side)
    status = side.status("DELETE", f"sessions/{made['id']}")
    side.eventually(lambda: side.traces() == 0, "end of the kernel")
    lists = [side.ask("GET", kind).json() for kind in ("sessions", "kernels")]
    return [status, lists, side.status("DELETE", f"sessions/{made['id']}")]


@behaviour("a kernel that is stopped takes its session with it")
def kernel_stopped(side: Side) -> Any:
    made = session(side)
    status = side.status("DELETE", f"kernels/{made['kernel']['id']}")
    return [status, side.ask("GET", "sessions").json()]


@behaviour("a kernel works in its notebook's folder")
def folder(side: Side) -> Any:
    (side.home / "sub").mkdir()
    made = session(side, "sub/notebook.ipynb")
    text = side.page(made["kernel"]["id"]).run("import os; print(os.getcwd())").text.strip()
    return text.removeprefix(str(side.home.resolve())).removeprefix(str(side.home))


@behaviour("a kernel knows its notebook's path (JPY_SESSION_NAME)")
def session_name(side: Side) -> Any:
    made = session(side)
    text = side.page(made["kernel"]["id"]).run("import os; print(os.environ.get('JPY_SESSION_NAME'))").text
    return text.strip().removeprefix(f"{side.home}/").removeprefix(f"{side.home.resolve()}/")


@behaviour("a kernel that is not listed cannot be started: status, and whether a reason is said")
def unknown_spec(side: Side) -> Any:
    answer = side.ask("POST", "kernels", {"name": "nobody", "path": "n.ipynb"})
    return [answer.status_code >= 400, "%s" not in answer.text, side.ask("GET", "kernels").json()]


@behaviour(
    "a kernel that ends at its start: an error at once that can be read, and nothing is left",
    best={"status": 500, "can be read": True},
)
def broken(side: Side) -> Any:
    answer = side.ask("POST", "kernels", {"name": "broken", "path": "n.ipynb"})
    side.eventually(lambda: side.traces() == 0, "end of it")
    said = answer.json().get("message", "") if answer.status_code >= 400 else "started"
    return {"status": answer.status_code, "can be read": bool(said) and "%s" not in said}


@behaviour("kernelspecs and their resources")
def kernelspecs(side: Side) -> Any:
    specs = side.ask("GET", "kernelspecs").json()
    mine = {name: one["spec"] for name, one in specs["kernelspecs"].items() if name in {"python-pod", "other"}}
    shown = {name: [one["display_name"], one["language"]] for name, one in mine.items()}
    return {
        "specs": shown,
        "one": side.status("GET", "kernelspecs/python-pod"),
        "none": side.status("GET", "kernelspecs/x"),
    }


@behaviour("a kernel's model: state and connections follow what happens")
def states(side: Side) -> Any:
    kernel_id, page = side.kernel_page()
    page.run("1")
    side.eventually(lambda: side.model(kernel_id)["execution_state"] == "idle", "kernel that is idle")
    cell = page.cell(WAITS).running()
    busy = side.eventually(lambda: side.model(kernel_id)["execution_state"] == "busy", "kernel that is busy")
    other = side.page(kernel_id)
    counts = [side.eventually(lambda: side.model(kernel_id)["connections"] == 2, "two connections")]
    other.leave()
    counts.append(side.eventually(lambda: side.model(kernel_id)["connections"] == 1, "one connection"))
    side.touch("go")
    cell.wait()
    idle = side.eventually(lambda: side.model(kernel_id)["execution_state"] == "idle", "kernel that is idle")
    return [busy, counts, idle]


@behaviour("a kernel's last activity moves when a cell runs, and not when it is looked at")
def last_activity(side: Side) -> Any:
    kernel_id, page = side.kernel_page()
    page.run("1")
    before = side.eventually(lambda: side.model(kernel_id).get("last_activity"), "last activity")
    looked = side.model(kernel_id)["last_activity"]
    page.run("import time; time.sleep(0.01)")
    later = side.eventually(lambda: side.model(kernel_id)["last_activity"] > before, "later activity")
    return [looked == before, later]


@behaviour("a session in the list knows that its kernel is busy")
def listed_state(side: Side) -> Any:
    made = session(side)
    cell = side.page(made["kernel"]["id"]).cell(WAITS).running()

    def state() -> str:
        return str(side.ask("GET", "sessions").json()[0]["kernel"]["execution_state"])

    busy = side.eventually(lambda: state() == "busy", "session that is busy")
    side.touch("go")
    cell.wait()
    return [busy, side.eventually(lambda: state() == "idle", "session that is idle")]


@behaviour("a notebook is copied: each has a kernel of its own")
def copied(side: Side) -> Any:
    one, copy = session(side), session(side, "copy.ipynb")
    first, second = (side.page(each["kernel"]["id"]) for each in (one, copy))
    first.run("x = 1")
    return [one["kernel"]["id"] != copy["kernel"]["id"], second.run("x").status]


@behaviour("five kernels started at once")
def at_once(side: Side) -> Any:
    starts = [side.meanwhile(session, side, f"n{number}.ipynb") for number in range(5)]
    kernels = {one.result()["kernel"]["id"] for one in starts}
    return [len(kernels), len(side.ask("GET", "sessions").json()), side.traces()]


@behaviour("files that the notebook writes and the server writes are the same")
def files(side: Side) -> Any:
    page = side.new_page()
    page.run("open('made.txt', 'w').write('by the kernel ü')")
    made = side.ask("GET", "contents/made.txt").json()["content"]
    body = {"type": "file", "format": "text", "content": "by the server ü"}
    status = side.status("PUT", "contents/back.txt", body)
    return [made, status, page.run("print(open('back.txt').read())").text]
