"""Programs that people use kernels with: each runs code at the gateway, directly or through a server."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import websocket

from client import Channels
from doubles import eventually
from notebook_server import CLIENTS, PYTHON, WITHOUT_EXTENSION, Server

FOREIGN = "https://elsewhere.example.org"
WHO = "import os; print(os.environ['KERNEL_USERNAME'])"
RUN = """
import sys
from jupyter_kernel_client import JupyterKernelClient

def text(answer):
    return "".join(one.get("text", "") for one in answer["outputs"])

client = JupyterKernelClient(server_url=sys.argv[1], token=sys.argv[2])
client.start(name="python-pod")
print(text(client.execute(sys.argv[3] + "; x = 41")), end="")
print(text(client.execute("print(x + 1)")), end="")
client.restart()
print(text(client.execute("print('x' in globals())")), end="")
client.stop()
"""
PAPERMILL = """
import papermill
from kernelpod.singleuser.kernels import RemoteKernel

papermill.execute_notebook("in.ipynb", "out.ipynb", parameters={"y": 2}, kernel_name="python-pod",
                           kernel_manager_class=RemoteKernel, progress_bar=False)
"""
EXTENSION = """
import json
from jupyter_server.base.handlers import APIHandler
from nbclient import NotebookClient
from nbformat import v4
from tornado.web import authenticated
from traitlets import import_item

class Running(APIHandler):
    @authenticated
    async def post(self):
        wish = self.get_json_body()
        named = {"kernel_manager_class": import_item(wish["manager"])} if wish["manager"] else {}
        notebook = v4.new_notebook(cells=[v4.new_code_cell(wish["code"])])
        client = NotebookClient(notebook, config=self.config, kernel_name="python-pod", **named)
        await client.async_execute(kernel_name="python-pod")
        self.finish(notebook.cells[0].outputs[0]["text"])

def _load_jupyter_server_extension(app):
    app.web_app.add_handlers(".*$", [("/running", Running)])
"""
STOCK = "jupyter_server.gateway.managers.GatewayKernelManager"
OURS = "kernelpod.singleuser.kernels.RemoteKernel"


@pytest.fixture
def server(site: Any, tmp_path: Path, need: Any) -> Iterator[Any]:
    """A function that starts a server, and its folder."""
    need(PYTHON.exists(), "the server's environment", "make env-hub, or make test-servers")
    need(CLIENTS.exists(), "the clients' environment", "make env-clients")
    made: list[Server] = []

    def start(*arguments: str, **environment: str) -> Server:
        made.append(Server(site, tmp_path, *arguments, **environment))
        made[0].start()
        return made[0]

    yield start
    for one in made:
        one.kill()


def notebook(folder: Path, *cells: str) -> None:
    """Write in.ipynb; its first cell takes papermill's parameters."""
    made: list[dict[str, Any]] = [
        {"cell_type": "code", "source": code, "metadata": {}, "outputs": [], "execution_count": None}
        for code in cells
    ]
    made[0]["metadata"]["tags"] = ["parameters"]
    about = {"kernelspec": {"name": "python-pod", "display_name": "", "language": "python"}}
    whole = {"cells": made, "metadata": about, "nbformat": 4, "nbformat_minor": 4}
    (folder / "in.ipynb").write_text(json.dumps(whole), encoding="utf-8")


def printed(path: Path) -> list[str]:
    """Return what the cells of a notebook have printed."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return ["".join("".join(one.get("text", "")) for one in cell["outputs"]) for cell in cells]


def test_the_gateway_client_of_a_server_without_this_package(site: Any, server: Any) -> None:
    one = server(WITHOUT_EXTENSION)
    assert "kernelpod: tokens are masked" not in one.log
    session = one.session().json()
    kernel_id = session["kernel"]["id"]
    assert one.caller.run(kernel_id, WHO) == "alice\n"
    assert one.caller.ask("POST", f"kernels/{kernel_id}/restart").status_code == 200
    assert one.caller.ask("POST", f"kernels/{kernel_id}/interrupt").status_code == 204
    assert one.caller.run(kernel_id, "print(1)") == "1\n"
    assert [model["id"] for model in one.caller.ask("GET", "kernels").json()] == [kernel_id]
    assert "python-pod" in one.caller.ask("GET", "kernelspecs").json()["kernelspecs"]
    assert one.caller.ask("DELETE", f"sessions/{session['id']}").status_code == 204
    assert site.alice.ids() == []


@pytest.mark.parametrize("how", [(), (WITHOUT_EXTENSION,)], ids=["extension", "stock"])
def test_jupyter_kernel_client_through_a_server(site: Any, server: Any, how: tuple[str, ...]) -> None:
    one = server(*how)
    done = one.beside("-c", RUN, one.caller.url, one.caller.token, WHO, python=CLIENTS)
    assert (done.returncode, done.stdout) == (0, "alice\n42\nFalse\n"), done.stderr[-3000:]
    assert site.alice.ids() == []


def test_papermill_beside_a_server(site: Any, server: Any) -> None:
    one = server()
    notebook(one.folder, "y = 1", f"{WHO}\nprint(y + 1)")
    done = one.beside("-c", PAPERMILL, python=CLIENTS)
    assert done.returncode == 0, done.stderr[-3000:]
    assert printed(one.folder / "out.ipynb")[-1] == "alice\n3\n"
    assert site.alice.ids() == []


def test_nbconvert_beside_a_server(site: Any, server: Any) -> None:
    one = server()
    notebook(one.folder, "y = 1", f"{WHO}\nprint(y + 1)")
    done = one.beside(
        *("-m", "nbconvert", "--to", "notebook", "--execute", "in.ipynb", "--output", "out.ipynb"),
        f"--ExecutePreprocessor.kernel_manager_class={OURS}",
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert printed(one.folder / "out.ipynb")[-1] == "alice\n2\n"
    assert site.alice.ids() == []


@pytest.mark.parametrize("manager", ["", STOCK], ids=["ours by default", "named"])
def test_nbclient_in_a_server(site: Any, server: Any, tmp_path: Path, manager: str) -> None:
    """An extension runs a notebook, with jupyter_server's own manager, too."""
    (tmp_path / "running.py").write_text(EXTENSION, encoding="utf-8")
    one = server("--ServerApp.jpserver_extensions={'running': True}", PYTHONPATH=str(tmp_path))
    answer = one.caller.ask("POST", "/running", json={"code": WHO, "manager": manager})
    assert (answer.status_code, answer.text) == (200, "alice\n"), one.log[-3000:]
    eventually(lambda: site.alice.ids() == [], what="the kernel is stopped")


def curl(site: Any, method: str, path: str, *more: str) -> tuple[int, Any]:
    """Return status and answer of the gateway to curl, run from a page of elsewhere."""
    command = ["curl", "-sS", "-X", method, "-H", f"Authorization: token {site.alice.token}"]
    command += ["-H", f"Origin: {FOREIGN}", "-w", "\n%{http_code}", *more, f"{site.gateway.url}/api/{path}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    body, _, status = done.stdout.rpartition("\n")
    return int(status), json.loads(body) if body else None


@pytest.mark.parametrize("origin", [None, FOREIGN])
def test_curl_and_websocket_client_at_the_gateway(site: Any, origin: str | None, need: Any) -> None:
    need(shutil.which("curl"), "curl", "apt-get install curl")
    status, model = curl(site, "POST", "kernels", "-d", '{"name": "python-pod"}')
    assert status == 201
    url = f"{site.gateway.url.replace('http', 'ws', 1)}/api/kernels/{model['id']}/channels"
    header = {"Authorization": f"Bearer {site.alice.token}"}
    socket = websocket.create_connection(url, header=header, timeout=60, origin=origin)
    assert Channels(socket).run(WHO) == "alice\n"
    socket.close()
    assert curl(site, "POST", f"kernels/{model['id']}/restart")[0] == 200
    assert curl(site, "POST", f"kernels/{model['id']}/interrupt") == (204, None)
    assert [one["id"] for one in curl(site, "GET", "kernels")[1]] == [model["id"]]
    assert curl(site, "DELETE", f"kernels/{model['id']}") == (204, None)
