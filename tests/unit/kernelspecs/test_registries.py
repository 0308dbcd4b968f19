"""Registries: asked as containerd asks them, and believed only where the answer is one."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from kernelpod.kernelspecs.registries import registry
from kernelpod.kernelspecs.registries.images import Answer, on_nodes, parse
from kernelpod.kernelspecs.registries.registry import MANIFESTS, ask

DIGEST = "sha256:" + "0123456789abcdef" * 4
LOGIN = base64.b64encode(b"alice:hunter2").decode()
TOKEN = "t0ken"
WANTED = {"basic": f"Basic {LOGIN}"} | dict.fromkeys(
    ("team", "own", "badend", "badtoken", "badlist", "badjson"), f"Bearer {TOKEN}"
)
FOUND = (200, {"Content-Type": MANIFESTS[0], "Docker-Content-Digest": DIGEST})
FAILS: dict[str, tuple[int, dict[str, str]]] = {
    "out": (307, {"Location": "http://registry.example/v2/"}),
    "file": (307, {"Location": "file:///etc/passwd"}),
    "portal": (200, {"Content-Type": "text/html"}),
    "down": (503, {}),
}


class Registry(ThreadingHTTPServer):
    """A registry whose images have one tag, 1; the first word of a name says what it wants or how it fails."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Page)
        self.seen: list[tuple[str, str, str]] = []
        self.ended = Event()
        self.other: Registry | None = None

    @property
    def host(self) -> str:
        """Its name in that of an image."""
        return f"127.0.0.1:{self.server_port}"


class Page(BaseHTTPRequestHandler):
    """The registry's pages."""

    server: Registry

    def do_HEAD(self) -> None:
        """Answer for a manifest."""
        path, authorization = self.path, self.headers.get("Authorization", "")
        self.server.seen.append((self.command, path, authorization))
        kind = path.split("/")[2]
        there = path.split("/")[-1] in ("1", DIGEST)
        if kind == "silent":
            self.server.ended.wait(60)
        elif kind == "garbage":
            self.wfile.write(b"\0" * 70_000)
        elif kind in WANTED and authorization != WANTED[kind]:
            self.say(401, {"WWW-Authenticate": self.challenge(kind)})
        elif kind == "away" and self.server.other:
            self.say(307, {"Location": f"http://{self.server.other.host}{path.replace('away', 'open')}"})
        elif kind in FAILS:
            self.say(*FAILS[kind])
        else:
            self.say(*(FOUND if there else (404, {})))

    def challenge(self, kind: str) -> str:
        """Return what is asked for instead of an answer."""
        if kind == "basic":
            return 'Basic realm="x"'
        realm = f"http://{self.server.host}/token/{kind}"
        return f'Bearer realm="{realm}",service="registry",scope="repository:{kind}:pull"'

    def do_GET(self) -> None:
        """Answer for a token."""
        authorization = self.headers.get("Authorization", "")
        self.server.seen.append((self.command, self.path, authorization))
        kind = self.path.split("?")[0].split("/")[2]
        if kind == "own" and authorization != f"Basic {LOGIN}":
            return self.say(403, {})
        if kind == "badend":
            self.say(200, {})
            while not self.server.ended.is_set():
                self.wfile.write(b" " * 65536)
            return None
        answers = {"badtoken": {"token": "a\nb"}, "badlist": [], "own": {"access_token": TOKEN}}
        self.say(200, {})
        self.wfile.write(
            b"oops" if kind == "badjson" else json.dumps(answers.get(kind, {"token": TOKEN})).encode()
        )
        return None

    def say(self, status: int, headers: dict[str, str]) -> None:
        """Send status and headers."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *words: Any) -> None:
        """Say nothing."""

    def handle(self) -> None:
        """Leave callers that gave up alone."""
        try:
            super().handle()
        except ConnectionError:
            self.close_connection = True


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    """A registry that runs, and another that its redirects lead to."""
    monkeypatch.setenv("NO_PROXY", "*")
    with Registry() as one, Registry() as other:
        one.other = other
        for server in (one, other):
            Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield one
        for server in (one, other):
            server.ended.set()
            server.shutdown()


@pytest.fixture
def logins(tmp_path: Path, served: Registry) -> Path:
    """Return docker's configuration with a login to the registry."""
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"auths": {f"http://{served.host}/v1/": {"auth": LOGIN}}}), encoding="utf-8")
    return file


def one(served: Registry, name: str, logins: Path = Path("/dev/null")) -> tuple[str, str]:
    """Return state and reason of an image."""
    [answer] = ask([f"{served.host}/{name}"], logins)
    return answer.state, answer.reason


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("open/kernel:1", "found"),
        ("open/kernel:2", "missing"),
        ("team/kernel:1", "found"),
        ("team/kernel:2", "missing"),
        (f"team/kernel@{DIGEST}", "found"),
        (f"team/kernel:7@{DIGEST}", "found"),
        ("away/kernel:1", "found"),
        ("Upper/kernel:1", "missing"),
    ],
)
def test_an_image_is_there_or_not(served: Registry, name: str, state: str) -> None:
    assert one(served, name)[0] == state


@pytest.mark.parametrize("name", ["own/kernel:1", "basic/kernel:1"])
def test_a_login_is_used_where_it_is_asked_for_and_never_shown(served: Registry, logins: Path, name: str) -> None:
    state, reason = one(served, name)
    assert (state, "docker login" in reason) == ("unknown", True)
    assert one(served, name, logins) == ("found", "")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("portal/kernel:1", "is not an image (text/html)"),
        ("garbage/kernel:1", "does not answer as a registry"),
        ("down/kernel:1", "answers 503"),
        ("out/kernel:1", "answers 307"),
        ("file/kernel:1", "answers 307"),
        ("badend/kernel:1", "is too long"),
        ("badtoken/kernel:1", "answers without a token"),
        ("badlist/kernel:1", "answers without a token"),
        ("badjson/kernel:1", "does not answer as a registry"),
    ],
)
def test_an_answer_that_says_nothing_is_unknown(served: Registry, logins: Path, name: str, said: str) -> None:
    state, reason = one(served, name, logins)
    assert (state, said in reason) == ("unknown", True), reason
    assert "hunter2" not in reason
    assert LOGIN not in reason


def test_a_redirect_takes_neither_login_nor_token_along(
    served: Registry, logins: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = registry._head
    monkeypatch.setattr(registry, "_head", lambda opener, url, _: head(opener, url, f"Bearer {TOKEN}"))
    assert one(served, "away/kernel:1", logins) == ("found", "")
    assert served.seen == [("HEAD", "/v2/away/kernel/manifests/1", f"Bearer {TOKEN}")]
    assert served.other is not None
    assert served.other.seen == [("HEAD", "/v2/open/kernel/manifests/1", "")]


def test_silence_costs_no_more_than_its_time(served: Registry) -> None:
    began = time.monotonic()
    names = [f"{served.host}/silent/kernel:{number}" for number in range(40)]
    answers = ask([f"{served.host}/open/kernel:1", *names], Path("/dev/null"), seconds=3)
    assert time.monotonic() - began < 40, "one after another they would take 120 s"
    assert [answer.state for answer in answers] == ["found"] + ["unknown"] * 40
    assert answers[1].reason == "the registry did not answer within 3 s"


def test_a_registry_that_is_not_there_is_unknown() -> None:
    [answer] = ask(["127.0.0.1:1/kernel:1"], Path("/dev/null"))
    assert (answer.state, "refused" in answer.reason) == ("unknown", True)


@pytest.mark.parametrize(
    "text", ["", "[]", '{"auths": 3}', '{"auths": {"x": 3}}', '{"auths": {"x": {"auth": "a\\nb"}}}', "\xff"]
)
def test_a_configuration_that_cannot_be_read_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text, encoding="latin-1")
    assert ask([], tmp_path / "config.json") == []


@pytest.mark.parametrize(
    ("image", "parts"),
    [
        ("busybox", ("docker.io", "library/busybox", "latest", "")),
        ("jupyter/base:1", ("docker.io", "jupyter/base", "1", "")),
        ("localhost/x:1", ("localhost", "x", "1", "")),
        ("quay.io:443/a/b/c:1.0", ("quay.io:443", "a/b/c", "1.0", "")),
        (f"ghcr.io/a/b@{DIGEST}", ("ghcr.io", "a/b", "latest", DIGEST)),
    ],
)
def test_names_of_images(image: str, parts: tuple[str, ...]) -> None:
    assert tuple(parse(image)) == parts


def node(*names: str) -> dict[str, Any]:
    """Return what the cluster says of a node with these images."""
    return {"status": {"images": [{"names": [name]} for name in names]}}


def test_what_nodes_hold() -> None:
    nodes = [
        node("docker.io/library/busybox:1", "localhost/x:1"),
        node(f"ghcr.io/a/b@{DIGEST}", "<none>@<none>"),
        {},
    ]
    assert on_nodes(["busybox:1", f"ghcr.io/a/b:2@{DIGEST}", "other:1", "NO:1"], nodes) == [
        Answer("busybox:1", "found", "on 1 of 3 nodes"),
        Answer(f"ghcr.io/a/b:2@{DIGEST}", "found", "on 1 of 3 nodes"),
        Answer("other:1", "missing", "on 0 of 3 nodes"),
        Answer("NO:1", "missing", "'NO:1' is not a valid image name"),
    ]
    full = node(*(f"localhost/x:{number}" for number in range(50)))
    assert on_nodes(["other:1"], [full])[0].state == "unknown"
