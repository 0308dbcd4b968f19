"""Two gateways for the same kernels: one leads, the other passes requests on, listens, and takes over.

`make test-versions FROM=COMMIT` runs them with a second gateway of an earlier commit.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests

from balancer import Balancer
from client import NO_KERNEL, Caller
from doubles import GatewayProcess, eventually, user_model
from gateway_pair import GatewayPair
from notebook_server import PYTHON, Server

UNTIL_GO = "import os, time\nwhile not os.path.exists('go'): time.sleep(0.001)\n"


@dataclass
class Pair(GatewayPair):
    """Two gateways, and a user's server that reaches whichever answers."""

    balancer: Balancer
    server: Server

    def both(self) -> None:
        """As `GatewayPair`; the user's server asks the one that stands by first."""
        super().both()
        self.balancer.urls = [self.other.url, self.leader.url]

    def notebook(self) -> str:
        """Return the id of a notebook's kernel, to which the other gateway listens."""
        kernel_id: str = self.server.session().json()["kernel"]["id"]
        self.listens(kernel_id)
        return kernel_id


@pytest.fixture(scope="module")
def started(make_site: Any, hub: Any, need: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    need(PYTHON.exists(), "the server's environment", "make env-hub, or make test-servers")
    hub.users["own-token"] = user_model("kernelpod", kind="service")
    site = make_site(
        gateway={"port": 0, "replicated": True},
        hubs=[{"api_url": hub.api_url, "timeout_seconds": 30, "token": "own-token"}],
        policy={"max_kernels_per_user": 3},
    )
    folder = Path(tempfile.mkdtemp(prefix="kp-", dir="/tmp"))
    with Balancer() as balancer:
        second = site.gateway.twin(folder)
        second.python = os.environ.get("KERNELPOD_SECOND_GATEWAY", second.python)
        second.start()
        balancer.urls = [second.url, site.gateway.url]
        reached = SimpleNamespace(gateway=balancer, alice=site.alice)
        with Server(reached, tmp_path_factory.mktemp("server")) as server:
            yield Pair(site, (site.gateway, second), balancer, server)
        second.stop()
    GatewayProcess.running.remove(second)
    shutil.rmtree(folder)


@pytest.fixture
def pair(started: Pair) -> Iterator[Pair]:
    """Both gateways run, and there is no kernel before and after."""
    (started.site.home("alice") / "go").unlink(missing_ok=True)
    started.both()
    yield started
    started.stop_kernels()


def test_any_of_them_serves_every_kernel(pair: Pair) -> None:
    one, other = (pair.at(gateway) for gateway in pair.gateways)
    kernel_id = other.start()
    assert one.ids() == other.ids() == [kernel_id]
    assert one.run(kernel_id, "x = 5; print(x)") == "5\n"
    assert other.run(kernel_id, "print(x + 1)") == "6\n"
    for caller in (one, other):
        with caller.channels(kernel_id) as page:
            asked = page.begin_running("import time; time.sleep(60)")
            assert caller.ask("POST", f"kernels/{kernel_id}/interrupt").status_code == 204
            assert page.finish(asked).error == "KeyboardInterrupt"
            assert caller.ask("POST", f"kernels/{kernel_id}/restart").status_code == 200
            assert page.run("print('x' in dir())") == "False\n"
    assert other.ask("DELETE", f"kernels/{kernel_id}").status_code == 204
    assert one.ids() == other.ids() == []


def test_strangers_and_other_users_get_nothing_at_any_of_them(pair: Pair) -> None:
    kernel_id = pair.at(pair.leader).start()
    for gateway in pair.gateways:
        bob, nobody = pair.at(gateway, "bob"), Caller(gateway.url)
        for method, path in [("GET", ""), ("DELETE", ""), ("POST", "/restart"), ("GET", "/channels")]:
            assert bob.ask(method, f"kernels/{kernel_id}{path}").json()["code"] == "kernel_not_found"
            assert nobody.ask(method, f"kernels/{kernel_id}{path}").json()["code"] == "no_token"
        unknown = pair.at(gateway, "no-such")
        assert unknown.post().json()["code"] == "unknown_token"
        assert pair.at(gateway).ask("GET", f"kernels/{NO_KERNEL}").status_code == 404
    denied = [json.loads(line) for line in pair.other.said.splitlines() if line.startswith("{")]
    assert [(line["action"], line["code"]) for line in denied] == [
        *((action, "no_token") for action in ("read", "stop", "restart", "connect")),
        ("start", "unknown_token"),
    ]


@pytest.mark.parametrize("token", [None, "alice-token", "admin-token", "own-token"])
def test_only_a_gateway_says_who_leads(pair: Pair, token: str | None) -> None:
    headers = {"Authorization": f"token {token}"} if token else {}
    for gateway in pair.gateways:
        for said in ("", "9", "9 " + 64 * "0"):
            told = {**headers, "Kernelpod-Leads": said}
            answer = requests.post(f"{gateway.url}/api/leader", headers=told, data=1000 * b"x", timeout=60)
            assert (answer.status_code, answer.json()["code"]) == (404, "page_not_found")
    assert all(gateway.runs for gateway in pair.gateways)


def test_nobody_exceeds_their_limit_at_two_of_them(pair: Pair) -> None:
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(pair.at(pair.gateways[number % 2]).post) for number in range(8)]
    codes = sorted(one.result().status_code for one in asked)
    assert codes.count(201) == 3
    assert len(pair.at(pair.other).ids()) == 3


@pytest.mark.race
@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM])
def test_a_cell_goes_on_and_ends_when_the_leader_ends(pair: Pair, signum: int) -> None:
    with pair.server.caller.channels(pair.notebook()) as page:
        asked = page.begin("import time\nfor line in range(100): print(line, flush=True); time.sleep(0.02)")
        pair.leader.stop(signum)
        outcome = page.finish(asked)
        assert outcome.text == "".join(f"{line}\n" for line in range(100))
        assert outcome.reply["status"] == "ok"
        assert page.run("print('next')") == "next\n"


@pytest.mark.race
@pytest.mark.parametrize(
    ("code", "status", "text"), [("print('end')", "ok", "end\n"), ("print('end'); 1/0", "error", "end\n")]
)
def test_a_cell_that_ends_while_nobody_leads_has_its_output_and_its_reply(
    pair: Pair, code: str, status: str, text: str
) -> None:
    with pair.server.caller.channels(pair.notebook()) as page:
        asked = page.begin(UNTIL_GO + code)
        pair.leader.stop(signal.SIGKILL)
        (pair.site.homes / "alice" / "go").touch()
        outcome = page.finish(asked)
        assert outcome.text == text
        assert outcome.reply["status"] == status
        assert isinstance(outcome.reply["execution_count"], int)
        assert outcome.error == ("ZeroDivisionError" if status == "error" else "")
        assert page.run("print('next')") == "next\n"


@pytest.mark.race
@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM])
def test_a_start_that_is_under_way_is_finished_or_undone(pair: Pair, signum: int) -> None:
    slow = ["bash", "-c", "sleep 1; exec python -m ipykernel_launcher -f {connection_file}"]
    spec = pair.site.spec("slow", argv=slow)
    eventually(lambda: spec in pair.at(pair.other).ask("GET", "kernelspecs").text, what="the kernelspec is listed")
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(pair.at(pair.leader).post, spec)
        eventually(lambda: list(pair.site.gateway.state_dir.glob("*-*")), what="it starts")
        pair.leader.stop(signum)
        answer = None
        with contextlib.suppress(requests.ConnectionError):
            answer = asked.result()
    pair.both()
    if signum == signal.SIGTERM:
        assert answer is not None
        assert answer.status_code == 201
        assert pair.at(pair.leader).ids() == [answer.json()["id"]]
    eventually(
        lambda: len(pair.at(pair.leader).ids()) == len(pair.site.gateway.kernels()), what="nothing is left behind"
    )


def test_a_request_waits_for_the_next_leader(pair: Pair) -> None:
    kernel_id = pair.at(pair.leader).start()
    other = pair.at(pair.other)
    pair.leader.stop(signal.SIGKILL)
    assert other.ids() == [kernel_id]
    assert other.run(kernel_id, "print(1)") == "1\n"


def test_the_audit_log_says_where_a_request_came_from_first(pair: Pair) -> None:
    forged = {"Kernelpod-Forwarded-For": "10.1.2.3 " + 64 * "0"}
    for gateway in pair.gateways:
        kernel_id = (
            pair.at(gateway).ask("POST", "kernels", json={"name": "python-pod"}, headers=forged).json()["id"]
        )
        lines = [json.loads(line) for line in pair.leader.said.splitlines() if line.startswith("{")]
        (start,) = [one for one in lines if one["action"] == "start" and one["kernel_id"] == kernel_id]
        assert start["address"] == "127.0.0.1"


def test_who_was_revoked_at_the_leader_is_nobody_at_the_next(pair: Pair, hub: Any) -> None:
    bob, other = pair.at(pair.other, "bob"), pair.other
    assert bob.ids() == []
    known = hub.users.pop("bob-token")
    try:
        assert pair.at(other, "admin").ask("POST", "users/bob/revoke").status_code == 200
        assert bob.post().json()["code"] == "unknown_token"
        pair.leader.stop(signal.SIGKILL)
        eventually(lambda: pair.leads(other), what="the other one leads")
        assert bob.post().json()["code"] == "unknown_token"
    finally:
        hub.users["bob-token"] = known


def test_spares_and_those_that_were_taken_are_what_they_were_after_a_takeover(pair: Pair) -> None:
    metadata = {"kernelpod": {"image": "registry.example/kernel:1", "prewarm": 1}}
    pair.site.spec("warm-pod", metadata=metadata)
    first = pair.at(pair.leader)
    begun = first.start("warm-pod")
    eventually(lambda: "is prewarmed for user" in pair.leader.said, what="a spare is ready")
    (spare,) = pair.site.ids() - {begun}
    pair.listens(spare)
    assert first.start("warm-pod", KERNEL_SESSION_PATH="look.ipynb") == spare
    eventually(lambda: pair.leader.said.count("is prewarmed for user") == 2, what="another one is ready")
    (waits,) = pair.site.ids() - {begun, spare}
    pair.leader.stop(signal.SIGKILL)
    pair.both()
    after = pair.at(pair.leader)
    assert set(after.ids()) == {begun, spare}
    assert after.model(spare)["session"]["path"] == "look.ipynb"
    assert after.start("warm-pod") == waits


def test_a_page_is_told_that_the_gateway_which_ends_is_replaced(pair: Pair) -> None:
    """Clients that know the status of "service restart" (1012) connect again at once."""
    leader = pair.leader
    kernel_id = pair.at(leader).start()
    with pair.at(leader).channels(kernel_id) as page:
        leader.stop(signal.SIGTERM)
        assert page.closed_with() == (1012, "the gateway is being replaced")


def test_metrics_of_all_of_them_add_up(pair: Pair) -> None:
    """The one that stands by listens to a kernel, and counts none."""
    pair.notebook()

    def running(gateway: GatewayProcess) -> list[float]:
        text = Caller(gateway.url, "metrics-token").ask("GET", "/metrics").text
        return [float(line.split()[-1]) for line in text.splitlines() if line.startswith("kernelpod_kernels{")]

    assert (sum(running(pair.leader)), sum(running(pair.other))) == (1, 0)
