"""While the hub is silent nobody new is proven, nothing new starts, and proven users reach what they have."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from client import Caller
from doubles import FakeHub, eventually, user_model


def down(hub: FakeHub) -> None:
    hub.stop()


def fails_by(mode: str) -> Callable[[FakeHub], None]:
    return lambda hub: setattr(hub, "mode", mode)


SILENCES = {"down": down, "slow": fails_by("slow"), "an error": fails_by("error"), "a page": fails_by("html")}


@pytest.fixture(scope="module")
def failing_hub() -> Iterator[FakeHub]:
    with FakeHub() as hub:
        hub.users.update({"alice-token": user_model("alice"), "bob-token": user_model("bob")})
        hub.users["admin-token"] = user_model("carol", scopes=["access:services", "custom:kernelpod:admin"])
        yield hub


@pytest.fixture(scope="module")
def lonely(make_site: Any, failing_hub: FakeHub) -> Any:
    identity = {"cache_seconds": 0.1, "negative_cache_seconds": 0.1, "stale_seconds": 3600, "recheck_seconds": 0.2}
    return make_site(
        failing_hub, identity=identity, hubs=[{"api_url": failing_hub.api_url, "timeout_seconds": 0.3}]
    )


@pytest.fixture(autouse=True)
def hub_back(lonely: Any, failing_hub: FakeHub) -> Iterator[None]:
    yield
    failing_hub.mode = "ok"
    if failing_hub._server is None:
        failing_hub.start()
    probe = f"probe-{failing_hub.asked}"  # a token that nothing is cached for
    failing_hub.users[probe] = user_model("probe")
    eventually(lambda: lonely.by(probe).ask("GET", "kernels").status_code == 200, what="the hub is back")
    lonely.stop_kernels()


def answer(caller: Caller, method: str, path: str, **how: Any) -> tuple[int, str]:
    got = caller.ask(method, path, **how)
    assert got.status_code != 503 or int(got.headers["Retry-After"]) > 0
    return got.status_code, got.json().get("code", "") if got.content and got.status_code >= 400 else ""


def started(caller: Caller) -> str:
    """Return the id of a new kernel, for which the hub is asked: here the gateway waits 0.3 s for its answer."""
    tried = lambda: caller.post().json()  # noqa: E731
    return str(eventually(lambda: tried().get("id"), what="the hub has answered in time"))


@pytest.mark.parametrize("fail", SILENCES.values(), ids=SILENCES)
def test_a_token_never_seen_is_refused_for_now(lonely: Any, failing_hub: FakeHub, fail: Any) -> None:
    fail(failing_hub)
    for method, path in (("GET", "kernels"), ("POST", "kernels"), ("GET", "kernelspecs"), ("GET", "/metrics")):
        assert answer(lonely.by("never-seen"), method, path) == (503, "hub_unavailable")
    assert lonely.traces() == []


@pytest.mark.parametrize("fail", SILENCES.values(), ids=SILENCES)
def test_a_proven_user_reaches_her_kernels_and_starts_none(lonely: Any, failing_hub: FakeHub, fail: Any) -> None:
    kernel_id = started(lonely.alice)
    eventually(lambda: lonely.bob.ask("GET", "kernels").json() == [], what="bob is proven")
    fail(failing_hub)
    eventually(
        lambda: answer(lonely.alice, "POST", "kernels") == (503, "hub_unavailable"), what="the cache is over"
    )
    assert lonely.alice.ids() == [kernel_id]
    assert lonely.alice.run(kernel_id, "print(6 * 7)") == "42\n"
    assert answer(lonely.bob, "GET", f"kernels/{kernel_id}") == (404, "kernel_not_found")
    assert answer(lonely.alice, "POST", f"kernels/{kernel_id}/interrupt") == (204, "")
    assert answer(lonely.alice, "DELETE", f"kernels/{kernel_id}") == (204, "")


def test_readiness_tells_of_the_hub_and_does_not_depend_on_it(lonely: Any, failing_hub: FakeHub) -> None:
    failing_hub.stop()
    lonely.by("never-seen").ask("GET", "kernels")
    ready = lonely.by(None).ask("GET", "/readyz")
    assert (ready.status_code, ready.json()["hub"]) == (200, "silent")
    assert lonely.by(None).ask("GET", "/healthz").status_code == 200


def test_a_refused_token_closes_its_open_websocket(lonely: Any, failing_hub: FakeHub) -> None:
    failing_hub.users["leaving-token"] = user_model("alice")
    leaving = lonely.by("leaving-token")
    kernel_id = started(leaving)
    with leaving.channels(kernel_id) as channels, lonely.alice.channels(kernel_id) as staying:
        assert channels.run("print(1)") == "1\n"
        del failing_hub.users["leaving-token"]
        assert channels.closed() == 1008
        assert staying.run("print(2)") == "2\n"


def test_an_open_websocket_outlives_a_silent_hub(lonely: Any, failing_hub: FakeHub) -> None:
    kernel_id = started(lonely.alice)
    with lonely.alice.channels(kernel_id) as channels:
        failing_hub.mode = "error"
        asked = failing_hub.asked
        eventually(lambda: failing_hub.asked > asked + 1, what="the token was looked at twice")
        assert channels.run("print(1)") == "1\n"


def test_a_token_too_long_unproven_closes_its_websocket(make_site: Any, failing_hub: FakeHub) -> None:
    times = {"cache_seconds": 0.1, "negative_cache_seconds": 0.1, "stale_seconds": 1, "recheck_seconds": 0.2}
    hasty = make_site(failing_hub, identity=times)
    with hasty.alice.channels(hasty.alice.start()) as channels:
        failing_hub.stop()
        assert channels.closed() == 1013
    assert answer(hasty.alice, "GET", "kernels") == (503, "hub_unavailable")
