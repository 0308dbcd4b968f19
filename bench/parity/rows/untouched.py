"""What a notebook server does without a kernel, which the gateway must not touch."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import websocket

from bench.parity.behaviour import behaviour

if TYPE_CHECKING:
    from bench.parity.side import Side

NOTEBOOK = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


@behaviour("notebooks: made, saved, renamed, checkpointed, copied and deleted")
def contents(side: Side) -> Any:
    body = {"type": "notebook", "format": "json", "content": NOTEBOOK}
    statuses = [
        side.status("PUT", "contents/a.ipynb", body),
        side.status("POST", "contents/a.ipynb/checkpoints"),
        side.status("PATCH", "contents/a.ipynb", {"path": "b.ipynb"}),
        side.status("POST", "contents", {"copy_from": "b.ipynb"}),
        side.status("GET", "contents/a.ipynb"),
        side.status("DELETE", "contents/b.ipynb"),
    ]
    return [statuses, sorted(one["name"] for one in side.ask("GET", "contents").json()["content"])]


@behaviour("a terminal: opened, used and closed")
def terminal(side: Side) -> Any:
    name = side.ask("POST", "terminals").json()["name"]
    url = f"ws://127.0.0.1:{side.server.port}/terminals/websocket/{name}"
    fields = [f"{key}: {value}" for key, value in side.server.headers.items()]
    with contextlib.closing(websocket.create_connection(url, header=fields, timeout=20)) as opened:
        opened.send('["stdin", "expr 6 \\\\* 7; echo do\\"\\"ne\\r"]')
        said = ""
        while "done" not in said:
            said += str(opened.recv())
    return ["42" in said, side.status("DELETE", f"terminals/{name}"), side.ask("GET", "terminals").json()]


@behaviour("pages of the server: status, identity, Lab's settings and the language servers")
def pages(side: Side) -> Any:
    paths = ("status", "me", "contents", "config/notebook", "spec.yaml", "/lsp/status", "/api")
    return {path: side.status("GET", path) for path in paths}


@behaviour("files: downloaded as they are")
def downloads(side: Side) -> Any:
    (side.home / "data.bin").write_bytes(bytes(range(256)) * 4000)
    answer = side.ask("GET", "/files/data.bin")
    return [answer.status_code, len(answer.content), answer.content[:256] == bytes(range(256))]


@behaviour("the server counts a running cell as its activity")
def activity(side: Side) -> Any:
    def last() -> str:
        return str(side.ask("GET", "status").json()["last_activity"])

    page = side.new_page()
    before = last()
    page.run("import time; time.sleep(0.01)")
    return side.eventually(lambda: last() > before, "activity of the server", 70)


@behaviour("the server says how many kernels run")
def counted(side: Side) -> Any:
    side.kernel()
    side.kernel()
    said = side.ask("GET", "status").json()
    return [said["kernels"], said["connections"]]
