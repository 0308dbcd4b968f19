"""A user's server is killed: the next one of its name finds the kernels with their notebooks, or ends them."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from doubles import eventually
from notebook_server import PYTHON, Server
from ports import free_port

NOTEBOOK = "folder/Für Elise <b>&.ipynb"


@pytest.fixture(scope="module")
def own(make_site: Any) -> Any:
    """A gateway that may be killed."""
    return make_site(gateway={"port": free_port()}, policy={"max_kernels_per_user": 4})


@pytest.fixture
def make_server(own: Any, tmp_path: Path, need: Any) -> Iterator[Callable[..., Server]]:
    """A function that starts a server; all its kernels end with the test."""
    need(PYTHON.exists(), "the server's environment", "make env-hub, or make test-servers")
    (tmp_path / "folder").mkdir()
    made: list[Server] = []

    def make(**environment: str) -> Server:
        made.append(Server(own, tmp_path, **environment))
        made[-1].start()
        return made[-1]

    yield make
    for one in made:
        one.kill()
    own.stop_kernels()


def sessions(server: Server) -> dict[str, str]:
    """Return the kernel of each notebook that Lab lists as running."""
    listed = server.caller.ask("GET", "sessions").json()
    assert all(one["name"] == one["path"].rpartition("/")[2] for one in listed)
    return {one["path"]: one["kernel"]["id"] for one in listed}


def test_a_notebook_is_reconnected_to_its_kernel(make_server: Any) -> None:
    server = make_server()
    kernel_id = server.session(NOTEBOOK).json()["kernel"]["id"]
    server.caller.run(kernel_id, "x = 41")
    server.kill()
    server.start()
    opened = server.session(NOTEBOOK).json()
    assert (opened["kernel"]["id"], opened["type"]) == (kernel_id, "notebook")
    assert sessions(server) == {NOTEBOOK: kernel_id}
    assert server.caller.run(kernel_id, "print(x + 1)") == "42\n"
    assert server.caller.ask("DELETE", f"sessions/{opened['id']}").status_code == 204
    assert (sessions(server), server.caller.ids()) == ({}, [])


def test_a_notebook_is_found_under_the_name_that_it_has_now(own: Any, make_server: Any) -> None:
    """Lab starts a session under a path of its own making, and renames it; people rename notebooks."""
    server = make_server()
    wish = {
        "path": "folder/0123-uuid",
        "name": "Untitled.ipynb",
        "type": "notebook",
        "kernel": {"name": "python-pod"},
    }
    session = server.caller.ask("POST", "sessions", json=wish).json()
    kernel_id = session["kernel"]["id"]
    assert own.alice.model(kernel_id)["session"]["path"] == "folder/Untitled.ipynb"
    for change in ({"path": "folder/Untitled.ipynb"}, {"path": "folder/plan.ipynb"}, {"name": "plan.ipynb"}):
        assert server.caller.ask("PATCH", f"sessions/{session['id']}", json=change).status_code == 200
    console = {"path": "console-1", "name": "Console 1", "type": "console", "kernel": {"id": kernel_id}}
    assert server.caller.ask("POST", "sessions", json=console).status_code == 201
    server.kill()
    for _ in range(2):  # the notes of the first are read, and those of the second, too
        server.start()
        listed = server.caller.ask("GET", "sessions").json()
        told = {(one["path"], one["name"], one["type"], one["kernel"]["id"]) for one in listed}
        assert told == {
            ("folder/plan.ipynb", "plan.ipynb", "notebook", kernel_id),
            ("console-1", "Console 1", "console", kernel_id),
        }
        server.kill()


def test_notes_that_are_none_are_no_obstacle(make_server: Any, tmp_path: Path) -> None:
    server = make_server()
    kernel_id = server.session(NOTEBOOK).json()["kernel"]["id"]
    server.kill()
    (file,) = tmp_path.glob(".local/share/jupyter/kernelpod/sessions-*.json")
    file.write_bytes(b"[" * 100_000)
    server.start()
    assert sessions(server) == {NOTEBOOK: kernel_id}


def test_a_home_that_takes_no_file_is_no_obstacle(make_server: Any, tmp_path: Path) -> None:
    (tmp_path / ".local" / "share" / "jupyter").mkdir(parents=True)
    (tmp_path / ".local" / "share" / "jupyter" / "kernelpod").touch()
    server = make_server()
    assert server.session(NOTEBOOK).status_code == 201
    assert "cannot be noted" in server.log


def test_server_and_gateway_killed_together(own: Any, make_server: Any) -> None:
    """The gateway keeps what a kernel is for with the kernel, also through a restart of the kernel."""
    server = make_server()
    kernel_id = server.session(NOTEBOOK).json()["kernel"]["id"]
    assert server.caller.ask("POST", f"kernels/{kernel_id}/restart").status_code == 200
    server.kill()
    own.gateway.stop(signal.SIGKILL)
    try:
        server.start()
    finally:
        own.gateway.start()
    eventually(lambda: sessions(server) == {NOTEBOOK: kernel_id}, what="found when the gateway is back")


def test_of_two_kernels_of_one_notebook_the_last_used_is_taken(make_server: Any, own: Any) -> None:
    wish = {"KERNEL_SESSION_PATH": "a.ipynb", "KERNEL_SESSION_TYPE": "notebook"}
    first, last = own.alice.start(**wish), own.alice.start(**wish)
    own.alice.run(first, "1")
    own.alice.run(last, "1")
    console = own.alice.start(KERNEL_SESSION_PATH="console-1", KERNEL_SESSION_TYPE="console")
    server = make_server()
    assert sessions(server) == {"a.ipynb": last, "console-1": console}
    assert set(server.caller.ids()) == {first, last, console}


def test_kernels_are_ended_where_that_is_set(make_server: Any, own: Any) -> None:
    server = make_server()
    server.session(NOTEBOOK)
    server.kill()
    ending = make_server(KERNELPOD_FOUND_KERNELS="end")
    eventually(lambda: own.alice.ids() == [], what="the kernel is ended")
    assert (sessions(ending), ending.caller.ids()) == ({}, [])


def test_only_the_owner_is_told_what_a_kernel_is_for(own: Any, make_server: Any) -> None:
    kernel_id = make_server().session("secret plan.ipynb").json()["kernel"]["id"]
    told = {"path": "secret plan.ipynb", "type": "notebook"}
    assert own.alice.model(kernel_id)["session"] == told
    assert own.alice.ask("GET", "kernels").json()[0]["session"] == told
    assert own.admin.model(kernel_id)["id"] == kernel_id
    assert "secret" not in own.admin.ask("GET", f"kernels/{kernel_id}").text
    assert "secret" not in own.admin.ask("GET", "kernels").text
    assert "secret" not in own.gateway.log
    assert own.bob.ask("GET", f"kernels/{kernel_id}").status_code == 404


def test_a_name_that_cannot_be_shown_is_no_obstacle(own: Any, make_server: Any) -> None:
    server = make_server()
    for path in ("x" * 1001, "a\nb.ipynb", "a\u202eb.ipynb"):
        answer = server.session(path)
        assert answer.status_code == 201, answer.text
        assert "session" not in own.alice.model(answer.json()["kernel"]["id"])
