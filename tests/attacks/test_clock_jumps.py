"""Clocks that jump, also over the end of a code: nobody gains a right by it, and nobody loses a kernel."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from clock import LIBRARY, Clock
from doubles import FakeHub, eventually, user_model

JUMPS = ["+400d", "-400d"]
DAY = timedelta(days=1)
QUICK = {"cache_seconds": 0.5, "negative_cache_seconds": 0.1, "stale_seconds": 600, "recheck_seconds": 0.5}


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory, need: Any) -> Clock:
    need(LIBRARY, "libfaketime", "apt-get install libfaketime")
    return Clock(tmp_path_factory.mktemp("clock"))


@pytest.fixture(scope="module")
def own_hub() -> Iterator[FakeHub]:
    with FakeHub() as running:
        admin = user_model("carol", scopes=[*user_model("carol")["scopes"], "custom:kernelpod:admin"])
        running.users.update({"alice-token": user_model("alice"), "admin-token": admin})
        yield running


@pytest.fixture(scope="module")
def wrong_site(make_site: Any, own_hub: FakeHub, clock: Clock) -> Any:
    """A gateway with that clock."""
    site = make_site(own_hub, identity=QUICK)
    site.gateway.stop()
    site.gateway.start(**clock.environment)
    return site


@pytest.fixture
def jumping(wrong_site: Any, own_hub: FakeHub, clock: Clock) -> Iterator[Any]:
    """That gateway, with the right time before and after, and no kernel."""
    yield wrong_site
    clock.set("+0")
    own_hub.users["alice-token"] = user_model("alice")
    eventually(lambda: wrong_site.alice.ask("GET", "kernels").status_code == 200, what="alice is known again")
    wrong_site.stop_kernels()


@pytest.mark.parametrize("offset", JUMPS)
def test_nobody_loses_a_kernel_by_a_clock_that_jumps(jumping: Any, clock: Clock, offset: str) -> None:
    kernel_id = jumping.alice.start()
    with jumping.alice.channels(kernel_id) as channels:
        channels.run("x = 7")
        clock.set(offset)
        began = jumping.alice.start()
        year = jumping.alice.model(began)["last_activity"][:4]
        assert year != f"{datetime.now(timezone.utc):%Y}"  # the gateway's clock is wrong
        assert channels.run("print(x)") == "7\n"
        clock.set("+0")
        assert channels.run("print(x)") == "7\n"
    assert sorted(jumping.alice.ids()) == sorted([kernel_id, began])


@pytest.mark.parametrize("offset", JUMPS)
def test_a_former_user_cannot_go_on_by_a_clock_that_jumps(
    jumping: Any, own_hub: FakeHub, clock: Clock, offset: str
) -> None:
    kernel_id = jumping.alice.start()
    with jumping.alice.channels(kernel_id) as channels:
        channels.run("x = 7")
        clock.set(offset)
        del own_hub.users["alice-token"]
        assert channels.closed_with()[0] == 1008
    eventually(lambda: jumping.alice.ask("GET", "kernels").status_code == 401, what="the token is refused")


@pytest.mark.parametrize("offset", JUMPS)
def test_a_user_who_is_not_known_any_more_is_known_again_when_the_hub_says_so(
    jumping: Any, own_hub: FakeHub, clock: Clock, offset: str
) -> None:
    clock.set(offset)
    eventually(lambda: jumping.alice.ask("GET", "kernels").status_code == 200, what="alice is known")
    del own_hub.users["alice-token"]
    eventually(lambda: jumping.alice.ask("GET", "kernels").status_code == 401, what="the token is refused")
    clock.set("+0")
    own_hub.users["alice-token"] = user_model("alice")
    eventually(lambda: jumping.alice.ask("GET", "kernels").status_code == 200, what="the refusal is forgotten")


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A function that types alice's one-time code, valid for two days, at a time: the name, or the status."""
    from tornado.web import HTTPError

    from kernelpod.hub.logins import codes, onetime

    monkeypatch.setattr(codes, "_SCRYPT", {"n": 2, "r": 1, "p": 1})
    secret, now = codes.new_code(), datetime.now(timezone.utc)
    codes.write_list(tmp_path / "list", {"alice": codes.new_entry(secret, now, now + 2 * DAY)})
    made = onetime.OneTimeAuthenticator(list_file=str(tmp_path / "list"), state_dir=str(tmp_path / "used"))
    monkeypatch.setattr(onetime, "browser", lambda *_: "192.0.2.1")
    handler = SimpleNamespace(request=None)

    async def typed(after: timedelta, what: str = secret) -> int | str | None:
        monkeypatch.setattr(onetime, "datetime", SimpleNamespace(now=lambda zone: datetime.now(zone) + after))
        try:
            return await made.authenticate(handler, {"username": "alice", "password": what})  # type: ignore[no-any-return]
        except HTTPError as error:
            return int(error.status_code)

    return typed


@pytest.mark.hub
async def test_a_student_cannot_use_a_code_twice_by_a_clock_that_jumps(code: Any) -> None:
    assert await code(DAY) == "alice"
    assert [await code(moment) for moment in (DAY, -DAY, 3 * DAY, timedelta(0))] == [403] * 4


@pytest.mark.hub
async def test_a_code_is_neither_lost_nor_longer_valid_by_a_clock_that_jumps(code: Any) -> None:
    assert [await code(3 * DAY), await code(-DAY)] == [403, 403]
    assert await code(DAY) == "alice"


@pytest.mark.hub
async def test_a_stranger_cannot_guess_without_end_by_a_clock_that_jumps(code: Any) -> None:
    answers = [await code(number * DAY, "wrong") for number in range(-3, 4)]
    assert answers == [None] * 5 + [429] * 2
