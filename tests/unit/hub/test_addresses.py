"""Who sent a request to the hub: the word of the hub's own proxy counts, and what stands before it does not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

pytestmark = pytest.mark.hub


def request(*forwarded: str, end: Any = ("127.0.0.1", 4711)) -> Any:
    """Return a request as tornado makes it, with lines of X-Forwarded-For."""
    headers = SimpleNamespace(get_list=lambda name: list(forwarded) if name == "X-Forwarded-For" else [])
    return SimpleNamespace(headers=headers, connection=SimpleNamespace(context=SimpleNamespace(address=end)))


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        (["192.0.2.7"], "192.0.2.7"),
        ([",192.0.2.7"], "192.0.2.7"),  # the Python proxy
        (["10.0.0.1,192.0.2.7"], "192.0.2.7"),  # the Node proxy, of a browser that forges
        (["10.0.0.1, 10.0.0.2 , 192.0.2.7"], "192.0.2.7"),
        (["10.0.0.1", "192.0.2.7"], "192.0.2.7"),
        (["::ffff:192.0.2.7"], "192.0.2.7"),  # the Node proxy on a dual-stack socket
        (["2001:db8::1"], "2001:db8::1"),
    ],
)
def test_the_last_is_who_asked_the_proxy(forwarded: list[str], address: str) -> None:
    from kernelpod.hub.logins.addresses import asked_proxy

    assert str(asked_proxy(request(*forwarded))) == address


@pytest.mark.parametrize("forwarded", [[], [""], ["192.0.2.7,"], ["unknown"], ["192.0.2.7:80"], ["a" * 10_000]])
def test_what_is_no_address_is_nobody(forwarded: list[str]) -> None:
    from kernelpod.hub.logins.addresses import asked_proxy

    with pytest.raises(ValueError, match="is not an address"):
        asked_proxy(request(*forwarded))


def test_who_connected_is_known_by_the_socket() -> None:
    from kernelpod.hub.logins.addresses import peer

    assert str(peer(request("192.0.2.7", end=("::ffff:127.0.0.1", 1, 0, 0)))) == "127.0.0.1"
    with pytest.raises(ValueError, match="a Unix socket"):
        peer(request("192.0.2.7", end=""))


@pytest.mark.parametrize(
    ("forwarded", "who"),
    [
        ("198.51.100.1", "198.51.100.1"),
        ("203.0.113.9,198.51.100.1", "198.51.100.1"),
        ("203.0.113.9,198.51.100.1,192.0.2.10", "198.51.100.1"),  # the web server says whom it was asked by
        ("192.0.2.10", "127.0.0.1"),
        ("forged,192.0.2.10", "127.0.0.1"),
    ],
)
def test_a_browser_is_whom_the_first_trusted_proxy_was_asked_by(forwarded: str, who: str) -> None:
    from kernelpod.hub.logins.addresses import browser

    assert browser(request(forwarded), ["192.0.2.0/24"]) == who
