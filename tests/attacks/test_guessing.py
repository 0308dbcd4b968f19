"""One-time codes: who guesses must wait, whatever names are tried; who sits in a full hall need not."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kernelpod.hub.logins import codes

pytestmark = pytest.mark.hub


@pytest.fixture
def login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A function that types a wrong code for a name from an address, and returns the status of the answer."""
    from tornado.web import HTTPError

    from kernelpod.hub.logins import onetime

    codes.write_list(tmp_path / "list", {})
    monkeypatch.setattr(codes, "_SCRYPT", {"n": 2, "r": 1, "p": 1})
    made = onetime.OneTimeAuthenticator(
        list_file=str(tmp_path / "list"), state_dir=str(tmp_path / "used"),
        address_attempts=50, address_wait_seconds=60,
    )  # fmt: skip
    monkeypatch.setattr(onetime, "browser", lambda request, _: request.sent_from)

    async def typed(name: str, place: str) -> int:
        handler = SimpleNamespace(request=SimpleNamespace(sent_from=place))
        try:
            await made.authenticate(handler, {"username": name, "password": "wrong"})
        except HTTPError as error:
            return int(error.status_code)
        return 403

    return typed


async def test_a_stranger_cannot_guess_without_end_by_changing_names(login: Any) -> None:
    answers = [await login(f"name{number}", "192.0.2.1") for number in range(60)]
    assert answers == [403] * 50 + [429] * 10
    assert await login("alice", "192.0.2.2") == 403  # elsewhere nobody is locked out


async def test_a_stranger_cannot_guess_without_end_by_changing_ipv6_addresses(login: Any) -> None:
    answers = [await login(f"name{number}", f"2001:db8::{number:x}") for number in range(60)]
    assert answers == [403] * 50 + [429] * 10
    assert await login("alice", "2001:db8:0:1::1") == 403


async def test_a_stranger_cannot_guess_one_name_without_end(login: Any) -> None:
    assert [await login("alice", "192.0.2.1") for _ in range(7)] == [403] * 5 + [429] * 2
    assert await login("bob", "192.0.2.1") == 403


def test_a_full_hall_behind_one_address_gets_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """By default, 500 students may each type four codes at once."""
    from kernelpod.hub.logins import onetime
    from kernelpod.hub.logins.onetime import OneTimeAuthenticator, Throttle

    monkeypatch.setattr(onetime, "time", SimpleNamespace(monotonic=lambda: 0.0))
    traits = OneTimeAuthenticator.class_traits()
    throttle = Throttle(traits["address_attempts"].default_value, traits["address_wait_seconds"].default_value)
    assert [throttle.wait("192.0.2.1") for _ in range(4 * 500)] == [0] * 2000
    assert 0 < throttle.wait("192.0.2.1") <= 0.2
