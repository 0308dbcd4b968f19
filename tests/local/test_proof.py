"""Every route and the websocket prove their caller first, by the bearer token and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests
import websocket

from client import NO_KERNEL, Caller
from doubles import eventually, user_model

ROUTES = [
    ("GET", "/api"),
    ("GET", "/api/kernels"),
    ("POST", "/api/kernels"),
    ("GET", f"/api/kernels/{NO_KERNEL}"),
    ("DELETE", f"/api/kernels/{NO_KERNEL}"),
    ("POST", f"/api/kernels/{NO_KERNEL}/interrupt"),
    ("POST", f"/api/kernels/{NO_KERNEL}/restart"),
    ("GET", f"/api/kernels/{NO_KERNEL}/channels"),
    ("GET", "/api/kernelspecs"),
    ("GET", "/api/kernelspecs/python-pod"),
    ("GET", "/kernelspecs/python-pod/logo-64x64.png"),
    ("GET", "/metrics"),
    ("GET", "/api/sessions"),
    ("GET", "/api/swagger.json"),
    ("GET", "/"),
    ("PUT", "/anything/at/all"),
]
NO_TOKEN: dict[str, dict[str, str]] = {
    "no header": {},
    "empty": {"Authorization": ""},
    "no token": {"Authorization": "token"},
    "blank token": {"Authorization": "token   "},
    "another scheme": {"Authorization": "Basic YWxpY2U6eA=="},
    "too long": {"Authorization": "token " + "x" * 5000},
    "a cookie": {"Cookie": "token=alice-token"},
    "another header": {"X-Auth-Token": "alice-token", "X-Forwarded-User": "alice", "Remote-User": "alice"},
}
UNKNOWN = ["garbage", "alice-token2", "alice-toke", "' OR 1=1 --", "{{ alice }}", "alice%2Dtoken", "\xe9"]


def code(answer: requests.Response) -> tuple[int, str]:
    body = answer.json()
    assert body["reason"] == body["message"]
    assert "Traceback" not in answer.text
    return answer.status_code, body["code"]


@pytest.fixture(autouse=True)
def nothing_started(site: Any) -> Iterator[None]:
    yield
    assert site.traces() == []


@pytest.mark.parametrize("headers", NO_TOKEN.values(), ids=NO_TOKEN)
@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_without_a_token_nothing_is_answered(site: Any, method: str, path: str, headers: dict[str, str]) -> None:
    assert code(site.by(None).ask(method, path, headers=headers)) == (401, "no_token")


@pytest.mark.parametrize("token", UNKNOWN)
@pytest.mark.parametrize(("method", "path"), ROUTES[:8])
def test_an_unknown_token_is_refused(site: Any, method: str, path: str, token: str) -> None:
    assert code(site.by(token).ask(method, path)) == (401, "unknown_token")


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_token_without_the_scope_is_refused_and_told_which(site: Any, method: str, path: str) -> None:
    answer = site.by("scopeless-token").ask(method, path)
    assert code(answer) == (403, "missing_scope")
    assert "access:services!service=kernelpod" in answer.json()["message"]


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_token_in_the_url_is_refused_and_logged_nowhere(site: Any, method: str, path: str) -> None:
    for caller in (site.by(None), site.alice):
        answer = caller.ask(method, f"{path}?token=secret-in-a-url")
        assert code(answer) == (400, "token_in_url")
    assert "secret-in-a-url" not in site.gateway.log


@pytest.mark.parametrize("scheme", ["token", "Token", "bearer", "Bearer"])
def test_both_spellings_of_the_header_work(site: Any, scheme: str) -> None:
    caller = Caller(site.gateway.url, None, {"Authorization": f"{scheme} alice-token"})
    assert caller.ask("GET", "kernels").json() == []


@pytest.mark.parametrize(
    ("token", "query", "status"),
    [
        (None, "", 401),
        ("", "", 401),
        ("garbage", "", 401),
        ("scopeless-token", "", 403),
        (None, "?token=alice-token", 400),
        ("alice-token", "?token=alice-token", 400),
        ("bob-token", "", 404),
    ],
)
def test_the_websocket_proves_its_caller_before_it_opens(
    site: Any, token: str | None, query: str, status: int
) -> None:
    kernel_id = site.alice.start()
    with pytest.raises(websocket.WebSocketBadStatusException) as caught, site.by(token).channels(kernel_id, query):
        pass
    assert caught.value.status_code == status
    site.alice.ask("DELETE", f"kernels/{kernel_id}")


def test_a_token_that_expires_is_refused_within_the_cache_time(site: Any) -> None:
    site.hub.users["short-token"] = user_model("alice")
    caller = site.by("short-token")
    assert caller.ask("GET", "kernels").status_code == 200
    del site.hub.users["short-token"]
    eventually(lambda: caller.ask("GET", "kernels").status_code == 401, 5, what="the token is refused")


def test_no_token_is_ever_logged(site: Any) -> None:
    site.alice.run(site.alice.start(), "1")
    site.stop_kernels()
    for token in (*site.hub.users, "garbage-to-remember"):
        site.by(token).ask("GET", "kernels")
        assert token not in site.gateway.log


def test_health_needs_no_token_and_tells_nothing(site: Any) -> None:
    nobody = site.by(None)
    assert nobody.ask("GET", "/healthz").json() == {"status": "ok"}
    assert nobody.ask("GET", "/readyz").json() == {"status": "ready", "hub": "reachable"}


def test_metrics_need_their_scope(site: Any) -> None:
    assert code(site.alice.ask("GET", "/metrics")) == (403, "not_permitted")
    text = site.by("metrics-token").ask("GET", "/metrics").text
    assert "kernelpod_kernel_starts_total" in text
    assert "alice" not in text


def test_a_page_that_is_not_there_says_so_to_the_proven_only(site: Any) -> None:
    for path in ("/api/sessions", "/api/contents", "/tree", "/login", "/kernelspecs/python-pod/kernel.json"):
        assert code(site.alice.ask("GET", path)) == (404, "page_not_found")
    for path in ("/kernelspecs/..%2F..%2Fetc/passwd", "/kernelspecs/python-pod/..%2Fkernel.json"):
        assert site.alice.ask("GET", path).status_code == 404
