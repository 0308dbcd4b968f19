"""Two users at one hub: what a page of bob's server can do in alice's browser."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from demos import at_a_browser, demo_with_courses
from person import Hub

from kernelpod.demo.client import Browser

PAGE = Path(__file__).with_name("bobs_page.html")
# Bob's server serves a folder of his without a sandbox in the browser.
CONFIG = "c.ServerApp.extra_static_paths = ['/home/jovyan/public']\n"
ATTEMPTS = {
    "token",
    "token at bob's host",
    "terminal",
    "terminal at bob's host",
    "websocket",
    "terminal without a look",
}


@pytest.fixture
def alice_and_page(
    request: pytest.FixtureRequest, pictures: Path, need: Any
) -> Iterator[tuple[Browser, dict[str, Any]]]:
    """Alice, and what bob's page got and was refused when she opened it, at a demo of their own."""
    with contextlib.ExitStack() as cleanup:
        hub = cleanup.enter_context(demo_with_courses(need, KERNELPOD_SUBDOMAINS=request.param))
        person = cleanup.enter_context(at_a_browser(hub, pictures, need, request.node.name))
        alice = cleanup.enter_context(closing(user(hub, "alice")))
        bob = cleanup.enter_context(closing(user(hub, "bob")))
        prepare(bob)
        person.logs_in("alice")
        person.driver.get(f"{alice.server}{alice.base}/lab")
        person.until(lambda: person.driver.current_url.startswith(f"{alice.server}{alice.base}/lab"), "Lab")
        where = f"?who=alice&hub={hub.url}&server={alice.server}"
        person.driver.get(f"{bob.server}{bob.base}/static/page.html{where}")
        person.one("#open").click()
        yield alice, person.until(lambda: person.ask("window.result"), "the page has tried everything")


def user(hub: Hub, name: str) -> Browser:
    """Return a user with a running server."""
    browser = Browser(hub.url, name)
    browser.login(hub.password)
    browser.spawn()
    return browser


def prepare(bob: Browser) -> None:
    """Let bob's server send the page, at his next start."""
    for path, content in (
        (".jupyter/jupyter_server_config.py", CONFIG.encode()),
        ("public/page.html", PAGE.read_bytes()),
    ):
        said = bob.terminal(
            f"mkdir -p ~/{path.partition('/')[0]} && echo {base64.b64encode(content).decode()} "
            f"| base64 -d > ~/{path} && echo written"
        )
        assert said.endswith("written"), said
    bob.stop_server()
    bob.spawn()


def alices(alice: Browser) -> tuple[int, int]:
    """Return how many tokens and terminals alice has."""
    tokens = alice.hub("GET", "/users/alice/tokens").json()["api_tokens"]
    asked = [token for token in tokens if token["note"] == "Requested via api"]
    return len(asked), len(alice.api("GET", "terminals").json())


@pytest.mark.parametrize("alice_and_page", ["yes"], indirect=True, ids=["subdomains"])
def test_bobs_page_cannot_act_as_alice(alice_and_page: tuple[Browser, dict[str, Any]]) -> None:
    alice, page = alice_and_page
    assert page["got"] == {}
    assert page["refused"].keys() == ATTEMPTS
    assert alices(alice) == (0, 0)


@pytest.mark.parametrize("alice_and_page", [""], indirect=True, ids=["one origin"])
def test_without_hosts_of_servers_bobs_page_acts_as_alice(alice_and_page: tuple[Browser, dict[str, Any]]) -> None:
    alice, page = alice_and_page
    assert page["got"].keys() >= {"token", "terminal", "websocket"}, page
    tokens, terminals = alices(alice)
    assert tokens > 0
    assert terminals > 0
