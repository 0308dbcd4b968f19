"""A real notebook server at a real gateway: what the gateway says is shown as it is, and nothing is forgotten."""

from __future__ import annotations

import json
import signal
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from typing import Any

import pytest
import requests

from doubles import eventually
from notebook_server import PYTHON, Server
from ports import free_port

MEGABYTE = 1024 * 1024
EXECUTE = """
import asyncio, json, sys
import nbformat
from nbclient import NotebookClient
from kernelpod.singleuser.kernels import RemoteKernel

cells = [nbformat.v4.new_code_cell(code) for code in json.loads(sys.argv[1])]
notebook = nbformat.v4.new_notebook(cells=cells)
NotebookClient(notebook, kernel_name="python-pod", kernel_manager_class=RemoteKernel, timeout=60).execute()
print(json.dumps([[dict(one) for one in cell.outputs] for cell in cells]))
"""


@pytest.fixture(scope="module")
def own(make_site: Any) -> Any:
    """A gateway that may be killed."""
    return make_site(gateway={"port": free_port()}, policy={"max_kernels_per_user": 2})


@pytest.fixture(scope="module")
def started(own: Any, tmp_path_factory: pytest.TempPathFactory, need: Any) -> Iterator[Server]:
    need(PYTHON.exists(), "the server's environment", "make env-hub, or make test-servers")
    with Server(own, tmp_path_factory.mktemp("server")) as one:
        yield one


@pytest.fixture
def server(own: Any, started: Server) -> Iterator[Server]:
    yield started
    own.stop_kernels()
    eventually(lambda: started.caller.ids() == [], what="the server knows that its kernels are gone")


def told(answer: requests.Response) -> tuple[int, str]:
    """Return status and message of an answer, which Lab shows."""
    return answer.status_code, answer.json()["message"]


def test_a_refused_start_is_told_in_the_gateways_words(own: Any, server: Server) -> None:
    own.spec("staff-pod")
    own.spec("staff-pod", for_alice=False, metadata={"kernelpod": {"image": "i", "groups": ["others"]}})
    eventually(lambda: "staff-pod" not in own.alice.ask("GET", "kernelspecs").text, what="it is for others")
    refused = told(own.alice.post("staff-pod"))
    assert refused[0] == 403
    assert told(server.session(kernel="staff-pod")) == refused
    assert told(server.caller.post("staff-pod")) == refused
    session = server.session().json()
    change = {"kernel": {"name": "staff-pod"}}
    assert told(server.caller.ask("PATCH", f"sessions/{session['id']}", json=change)) == refused
    assert told(server.session("x.ipynb", "no-pod")) == told(own.alice.post("no-pod"))
    own.alice.start()
    assert told(server.session("x.ipynb")) == told(own.alice.post())
    assert server.caller.ask("GET", f"sessions/{session['id']}").json()["kernel"]["id"] == session["kernel"]["id"]


def test_another_kernel_for_a_notebook(own: Any, server: Server) -> None:
    session = server.session().json()
    change = {"kernel": {"name": "python-pod"}}
    answer = server.caller.ask("PATCH", f"sessions/{session['id']}", json=change)
    assert answer.status_code == 200
    assert answer.json()["kernel"]["id"] != session["kernel"]["id"]
    assert own.alice.ids() == [answer.json()["kernel"]["id"]]


def test_a_percent_sign_and_quotes_stay_as_they_are(own: Any, server: Server) -> None:
    name = "100%-'pod'"
    refused = told(own.alice.post(name))
    assert "100%-" in refused[1]
    assert told(server.session(kernel=name)) == refused


def test_a_restart_and_an_interrupt_that_fail_are_told_in_the_gateways_words(own: Any, server: Server) -> None:
    own.spec("moved-pod")
    kernel_id = server.session(kernel="moved-pod").json()["kernel"]["id"]
    home = own.homes / "alice"
    home.rename(own.homes / "away")
    try:
        status, message = told(server.caller.ask("POST", f"kernels/{kernel_id}/restart"))
    finally:
        (own.homes / "away").rename(home)
    assert (status, "home" in message, "Gateway" in message) == (500, True, False)
    assert server.caller.ask("POST", f"kernels/{kernel_id}/restart").status_code == 200
    assert own.alice.ask("DELETE", f"kernels/{kernel_id}").status_code == 204
    gone = told(own.alice.ask("POST", f"kernels/{kernel_id}/interrupt"))
    assert gone[0] == 404
    assert told(server.caller.ask("POST", f"kernels/{kernel_id}/interrupt")) == gone


def test_nothing_is_forgotten_while_the_gateway_is_away(own: Any, server: Server) -> None:
    session = server.session().json()
    listed = server.caller.ask("GET", "kernelspecs").json()["kernelspecs"]
    own.gateway.stop(signal.SIGKILL)
    try:
        assert server.caller.ids() == [session["kernel"]["id"]]
        assert [one["id"] for one in server.caller.ask("GET", "sessions").json()] == [session["id"]]
        assert server.caller.ask("GET", "kernelspecs").json()["kernelspecs"] == listed
        status, message = told(server.session("other.ipynb"))
        assert (status, "gateway cannot be reached" in message) == (503, True)
        status, message = told(server.caller.ask("DELETE", f"kernels/{session['kernel']['id']}"))
        assert (status, "gateway cannot be reached" in message) == (503, True)
    finally:
        own.gateway.start()
    assert server.caller.ids() == [session["kernel"]["id"]]
    assert server.caller.ask("DELETE", f"sessions/{session['id']}").status_code == 204
    assert own.alice.ids() == []


def test_a_kernels_model_is_as_it_is_now(own: Any, server: Server) -> None:
    session = server.session("folder name/a.ipynb").json()
    kernel_id = session["kernel"]["id"]

    def seen() -> list[tuple[str, int]]:
        models = [server.caller.model(kernel_id), server.caller.ask("GET", "sessions").json()[0]["kernel"]]
        models.append(server.caller.ask("GET", f"sessions/{session['id']}").json()["kernel"])
        return [(one["execution_state"], one["connections"]) for one in models]

    with server.caller.channels(kernel_id) as channels:
        running = channels.begin("import os, time\nwhile not os.path.exists('go'): time.sleep(0.05)")
        eventually(lambda: seen() == [("busy", 1)] * 3, what="the kernel is busy")
        (own.homes / "alice" / "go").touch()
        channels.finish(running)
        eventually(lambda: seen() == [("idle", 1)] * 3, what="the kernel is idle")
    (own.homes / "alice" / "go").unlink()
    eventually(lambda: seen() == [("idle", 0)] * 3, what="nobody is connected")


def test_a_kernel_that_is_gone_is_no_obstacle_to_its_notebook(own: Any, server: Server) -> None:
    gone = server.session().json()["kernel"]["id"]
    assert own.alice.ask("DELETE", f"kernels/{gone}").status_code == 204
    eventually(lambda: server.session().json()["kernel"]["id"] != gone, what="another kernel")
    assert server.caller.ask("GET", f"kernels/{gone}").status_code == 404
    assert len(server.caller.ask("GET", "sessions").json()) == 1


def test_a_kernel_knows_its_notebook(own: Any, server: Server) -> None:
    (server.folder / "folder").mkdir(exist_ok=True)
    kernel_id = server.session("folder/a.ipynb").json()["kernel"]["id"]
    told = server.caller.run(kernel_id, "import os; print(os.environ['JPY_SESSION_NAME'])")
    assert told == f"{server.folder}/folder/a.ipynb\n"
    assert server.session("new\nline.ipynb").status_code == 201


def executed(server: Server, *code: str) -> Any:
    done = server.beside("-c", EXECUTE, json.dumps(code))
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def test_nbclient_runs_a_notebook_at_the_gateway(own: Any, server: Server) -> None:
    large = f"from IPython.display import display\ndisplay({{'text/plain': 'x' * {12 * MEGABYTE}}}, raw=True)"
    comm = "from ipykernel.comm import Comm\nComm(target_name='pictures', buffers=[b'\\x00\\xff']).send({})"
    where = "import os; print(os.environ['KERNEL_USERNAME'])"
    outputs = executed(server, where, large, comm, "print('after')")
    assert [one["text"] for one in (*outputs[0], *outputs[3])] == ["alice\n", "after\n"]
    assert len(outputs[1][0]["data"]["text/plain"]) == 12 * MEGABYTE
    eventually(lambda: own.alice.ids() == [], what="the kernel is stopped")


def test_nbclient_goes_on_through_the_death_of_the_gateway(own: Any, server: Server) -> None:
    home = own.homes / "alice"
    wait = "import os, time\nopen('begun', 'w')\nwhile not os.path.exists('go'): time.sleep(0.05)\nprint('late')"
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(executed, server, wait, "print('next')")
        eventually((home / "begun").exists, what="the cell runs")
        own.gateway.stop(signal.SIGKILL)
        own.gateway.start()
        eventually(lambda: own.alice.model(own.alice.ids()[0])["connections"] == 1, what="connected again")
        (home / "go").touch()
        outputs = running.result()
    assert [one[0]["text"] for one in outputs] == ["late\n", "next\n"]
    for name in ("begun", "go"):
        (home / name).unlink()


def test_no_token_is_in_the_servers_log(own: Any, server: Server) -> None:
    server.session()
    assert str(own.alice.token) not in server.log


def test_a_notebook_opens_and_is_saved_while_its_signatures_wait_for_a_lock(server: Server) -> None:
    """As on an NFS server that has just started. nbformat would take the file for broken, and move it away."""
    output = {"output_type": "display_data", "data": {"text/html": "<script>1</script>"}, "metadata": {}}
    cell = {"cell_type": "code", "id": "a", "outputs": [output], "metadata": {"trusted": True}}

    def save(name: str) -> int:
        cells = [{**cell, "execution_count": None, "source": name}]
        content = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
        model = {"type": "notebook", "format": "json", "content": content}
        return server.caller.ask("PUT", f"contents/{name}.ipynb", json=model).status_code

    def trusted(name: str) -> bool:
        answer = server.caller.ask("GET", f"contents/{name}.ipynb")
        assert answer.status_code == 200
        return bool(answer.json()["content"]["cells"][0]["metadata"]["trusted"])

    assert (save("before"), trusted("before")) == (201, True)
    (file,) = server.folder.rglob("nbsignatures.db")

    def kept() -> bool:
        with closing(sqlite3.connect(file, timeout=60)) as database, suppress(sqlite3.OperationalError):
            return bool(database.execute("select count(*) from nbsignatures").fetchone()[0])
        return False

    # Where the disk is busy the notebook does not wait for it.
    eventually(kept, what="the signature is in the file")
    server.kill()
    server.start()
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        database.execute("BEGIN EXCLUSIVE")
        assert (save("meanwhile"), trusted("meanwhile")) == (201, True)
        assert [trusted("before") for _ in range(20)] == [False] * 20
        assert f"{file} does not answer" in server.log
        database.execute("ROLLBACK")
    eventually(lambda: trusted("before"), what="signatures are read again")
    server.kill()
    server.start()
    eventually(lambda: trusted("before") and trusted("meanwhile"), what="both signatures are read")
    assert [one.name for one in file.parent.glob("nbsignatures*")] == ["nbsignatures.db"]
