"""A user whom an admin revokes: nothing of theirs goes on, whatever was under way."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jsonschema
import pytest

from doubles import ACCESS, PATIENCE_SECONDS, FakeHub, eventually, user_model
from kernelpod.demo.watch import Watch

WITHIN_SECONDS = 5.0
SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "audit.schema.json").read_text(encoding="utf-8"))
CACHED = {"cache_seconds": 3600, "negative_cache_seconds": 0.01, "stale_seconds": 3600, "recheck_seconds": 3600}
IMAGE = {"image": "registry.example/kernel:1"}
USERS = {
    "alice-token": user_model("alice"),
    "bob-token": user_model("bob"),
    "admin-token": user_model("carol", scopes=[ACCESS, "custom:kernelpod:admin"]),
}
NOTHING = {"kernels": 0, "spares": 0, "starts": 0, "websockets": 0}


@pytest.fixture(scope="module")
def own_hub() -> Iterator[FakeHub]:
    with FakeHub() as hub:
        yield hub


@pytest.fixture(scope="module")
def cached(make_site: Any, own_hub: FakeHub, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A gateway that would take the hub's answers for an hour."""
    file = tmp_path_factory.mktemp("audit") / "audit.jsonl"
    own_hub.users.update(USERS)
    hubs = [{"api_url": own_hub.api_url, "timeout_seconds": 30}]
    site = make_site(own_hub, hubs=hubs, identity=CACHED, audit={"file": str(file)})
    site.audit = file
    site.spec("warm-pod", metadata={"kernelpod": {**IMAGE, "prewarm": 1}})
    mute = [
        "bash",
        "-c",
        "[ ! -e mute ] || sleep 600; exec python -m ipykernel_launcher -f $0",
        "{connection_file}",
    ]
    site.spec("mute-pod", argv=mute)
    return site


@pytest.fixture
def site(cached: Any, own_hub: FakeHub) -> Iterator[Any]:
    own_hub.users.update(USERS)
    before = len(cached.gateway.log)
    (cached.home("alice") / "mute").unlink(missing_ok=True)
    yield cached
    own_hub.mode = "ok"
    if own_hub._server is None:
        own_hub.start()
    revoked(cached, "alice")
    cached.stop_kernels()
    assert "Traceback" not in cached.gateway.log[before:]


def revoked(site: Any, name: str) -> dict[str, Any]:
    """Revoke a user, and return what they had. Nothing is left, and it does not take long."""
    watch = Watch()
    answer = site.admin.ask("POST", f"users/{name}/revoke")
    assert answer.status_code == 200, answer.text
    assert answer.json()["left"] == NOTHING
    watch.within(WITHIN_SECONDS)
    had: dict[str, Any] = answer.json()["had"]
    return had


def refused(site: Any) -> tuple[int, str]:
    answer = site.alice.post()
    return answer.status_code, answer.json().get("code", "")


def test_a_revoked_user_cannot_go_on_by_what_the_gateway_remembers(site: Any, own_hub: FakeHub) -> None:
    kernel_id, bobs = site.alice.start(), site.bob.start()
    with site.alice.channels(kernel_id) as channels, site.bob.channels(bobs) as others:
        channels.run("1")
        del own_hub.users["alice-token"]
        assert revoked(site, "alice") == {"kernels": 1, "spares": 0, "starts": 0, "websockets": 1}
        status, reason = channels.closed_with()
        assert (status, reason) == (
            1008,
            "An admin has ended your access. Ask them; then log in to the hub again.",
        )
        assert others.run("print(1)") == "1\n"
    assert refused(site) == (401, "unknown_token")
    assert site.admin.ids() == [bobs]
    assert len(site.gateway.kernels()) == 1
    own_hub.users["alices-next-token"] = user_model("alice")
    assert site.by("alices-next-token").start()


def test_a_revoked_user_cannot_hide_from_the_audit_log(site: Any) -> None:
    kernel_id, before = site.alice.start(), site.audit.stat().st_size
    assert site.bob.ask("POST", "users/alice/revoke").status_code == 403
    revoked(site, "alice")
    lines = [json.loads(line) for line in site.audit.read_bytes()[before:].decode("ascii").splitlines()]
    for line in lines:
        jsonschema.validate(line, SCHEMA, jsonschema.Draft202012Validator)
    assert [(line["action"], line["outcome"], line["code"], line["who"]["name"]) for line in lines] == [
        ("revoke", "denied", "not_permitted", "bob"),
        ("stop", "done", "revoked", "carol"),
        ("revoke", "done", "ok", "carol"),
    ]
    assert {(line["owner"]["name"], line["admin"]) for line in lines} == {("alice", True)}
    assert (lines[1]["kernel_id"], lines[2]["kernels"]) == (kernel_id, 1)


def test_a_revoked_user_cannot_keep_a_prewarmed_kernel(site: Any) -> None:
    before = site.gateway.log.count("is prewarmed for user")
    site.alice.start("warm-pod")
    eventually(lambda: site.gateway.log.count("is prewarmed for user") > before, what="a spare")
    assert revoked(site, "alice") == {"kernels": 1, "spares": 1, "starts": 0, "websockets": 0}
    assert site.traces() == []


def test_a_revoked_user_cannot_keep_a_start_under_way(site: Any) -> None:
    (site.home("alice") / "mute").touch()
    with ThreadPoolExecutor() as pool:
        asked = pool.submit(site.alice.post, "mute-pod")
        eventually(site.gateway.kernels, what="a process that does not answer")
        assert revoked(site, "alice") == {"kernels": 0, "spares": 0, "starts": 1, "websockets": 0}
        answer = asked.result(PATIENCE_SECONDS)
    assert (answer.status_code, answer.json()["code"]) == (401, "access_revoked")
    assert site.traces() == []


def test_a_revoked_user_cannot_keep_a_restart_under_way(site: Any) -> None:
    kernel_id = site.alice.start("mute-pod")
    (old,) = site.gateway.kernels()
    (site.home("alice") / "mute").touch()
    with ThreadPoolExecutor() as pool:
        asked = pool.submit(site.alice.ask, "POST", f"kernels/{kernel_id}/restart")
        eventually(
            lambda: [one.pid for one in site.gateway.kernels()] not in ([], [old.pid]), what="a new process"
        )
        assert revoked(site, "alice")["kernels"] == 1
        assert asked.result(PATIENCE_SECONDS).status_code in (404, 500)
    assert site.traces() == []


def test_a_revoked_user_cannot_use_a_request_that_was_proven_before(site: Any) -> None:
    """The headers were proven, and the body comes when the user is revoked."""
    body = b'{"name": "python-pod"}'
    address = urlsplit(site.gateway.url)
    site.alice.ids()
    head = (
        f"POST /api/kernels HTTP/1.1\r\nHost: x\r\nAuthorization: token alice-token\r\nContent-Length: {len(body)}"
    )
    with socket.create_connection((address.hostname, address.port), PATIENCE_SECONDS) as connection:
        connection.sendall(f"{head}\r\nExpect: 100-continue\r\n\r\n".encode())
        assert connection.recv(4096).startswith(b"HTTP/1.1 100 ")
        revoked(site, "alice")
        connection.sendall(body)
        answer = connection.recv(4096).decode()
    assert "401" in answer.splitlines()[0]
    assert site.traces() == []


def test_a_revoked_user_cannot_come_in_by_an_answer_under_way(site: Any, own_hub: FakeHub) -> None:
    """The hub said that the token is good, and then deleted it."""
    revoked(site, "alice")  # so that the gateway asks the hub anew
    own_hub.mode, asked = "late", own_hub.asked
    with ThreadPoolExecutor() as pool:
        request = pool.submit(refused, site)
        eventually(lambda: own_hub.asked > asked, what="the question")
        del own_hub.users["alice-token"]
        revoked(site, "alice")
        own_hub.mode = "ok"
        assert request.result() == (401, "unknown_token")
    assert site.traces() == []


def test_a_revoked_user_cannot_use_stale_answers_of_a_silent_hub(site: Any, own_hub: FakeHub) -> None:
    site.alice.start()
    site.admin.ids()
    own_hub.stop()
    assert revoked(site, "alice")["kernels"] == 1
    assert refused(site) == (503, "hub_unavailable")
    assert site.alice.ask("GET", "kernels").status_code == 503
    assert site.traces() == []


def test_a_user_cannot_revoke_others(site: Any) -> None:
    kernel_id = site.alice.start()
    for method in ("GET", "POST"):
        answer = site.bob.ask(method, "users/alice/revoke")
        assert (answer.status_code, answer.json()["code"]) == (403, "not_permitted")
    assert site.alice.run(kernel_id, "print(1)") == "1\n"
    assert site.admin.ask("GET", "users/alice/revoke").json() == {"has": {**NOTHING, "kernels": 1}}
