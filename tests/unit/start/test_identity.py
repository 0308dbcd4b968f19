"""The prover: what the hub's answers mean, and what happens while it is silent."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from pydantic import SecretStr

from doubles import ACCESS, user_model
from kernelpod.errors import Denied, HubUnavailable, NotProven, UserError
from kernelpod.settings.hubs import Hub, IdentitySettings
from kernelpod.start import prover as prover_module
from kernelpod.start.hubanswers import HubAnswer, HubSilentError, parse_answer
from kernelpod.start.identity import Identity, Owner
from kernelpod.start.prover import Prover

ALICE = SecretStr("alice-token")
TIMES = IdentitySettings(cache_seconds=30, negative_cache_seconds=5, stale_seconds=600)


class AskedHub:
    """Answers what it is told to, counts questions, and owns the clock."""

    def __init__(self) -> None:
        self.now, self.asked, self.gate = 1000.0, 0, asyncio.Event()
        self.gate.set()
        self.answer: HubAnswer | None = good()
        self.prover = Prover(Hub(), TIMES, self.ask, lambda: self.now)

    async def ask(self, hub: Hub, token: SecretStr) -> HubAnswer:
        self.asked += 1
        await self.gate.wait()
        if self.answer is None:
            raise HubSilentError
        return self.answer

    async def fails(self, kind: type[UserError], token: SecretStr = ALICE, **how: Any) -> str:
        with pytest.raises(kind) as caught:
            await self.prover.prove(token, **how)
        assert token.get_secret_value() not in f"{caught.value!r} {caught.value.detail}"
        return caught.value.code


def good(name: str = "alice", **changes: Any) -> HubAnswer:
    return HubAnswer(200, json.dumps(user_model(name, **changes)).encode())


@pytest.fixture
async def hub() -> AskedHub:
    return AskedHub()


async def test_an_answer_is_cached_for_a_short_time(hub: AskedHub) -> None:
    assert (await hub.prover.prove(ALICE)).identity.owner == Owner(hub="hub", kind="user", name="alice")
    hub.now += 29.9
    await hub.prover.prove(ALICE)
    assert hub.asked == 1
    hub.now += 0.2
    await hub.prover.prove(ALICE)
    assert hub.asked == 2


async def test_fresh_asks_although_the_answer_is_cached(hub: AskedHub) -> None:
    await hub.prover.prove(ALICE)
    hub.answer = HubAnswer(403, b"")
    assert not (await hub.prover.prove(ALICE)).stale
    assert await hub.fails(NotProven, fresh=True) == "unknown_token"
    assert await hub.fails(NotProven) == "unknown_token"  # what was known of the token is forgotten


async def test_what_was_known_when_another_gateway_led_is_used_only_while_the_hub_is_silent(hub: AskedHub) -> None:
    await hub.prover.prove(ALICE)
    hub.now += 1
    hub.prover.ask_anew()
    hub.answer = None
    assert (await hub.prover.prove(ALICE)).stale
    hub.now += 2
    hub.answer = HubAnswer(403, b"")  # that gateway had revoked her
    assert await hub.fails(NotProven) == "unknown_token"
    hub.now += 6
    hub.answer = good()
    await hub.prover.prove(ALICE)
    asked = hub.asked
    await hub.prover.prove(ALICE)
    assert hub.asked == asked


async def test_a_refusal_is_cached_for_a_shorter_time(hub: AskedHub) -> None:
    hub.answer = HubAnswer(403, b"{}")
    assert await hub.fails(NotProven) == "unknown_token"
    assert await hub.fails(NotProven) == "unknown_token"
    assert hub.asked == 1
    hub.now += 5.1
    hub.answer = good()
    await hub.prover.prove(ALICE)
    hub.now += 30
    assert (await hub.prover.prove(ALICE)).identity.name == "alice"


async def test_one_question_a_token_is_under_way_at_a_time(hub: AskedHub) -> None:
    hub.gate.clear()
    asking = [asyncio.ensure_future(hub.prover.prove(ALICE)) for _ in range(20)]
    other = asyncio.ensure_future(hub.prover.prove(SecretStr("bob-token")))
    await asyncio.sleep(0)
    asking[0].cancel()  # who gives up does not take the others' answer away
    hub.gate.set()
    done = await asyncio.gather(*asking[1:], other)
    assert hub.asked == 2
    assert len(done) == 20


async def test_one_token_says_nothing_about_another(hub: AskedHub) -> None:
    await hub.prover.prove(ALICE)
    hub.answer = HubAnswer(403, b"")
    assert await hub.fails(NotProven, SecretStr("alice-token ")) == "unknown_token"
    assert (await hub.prover.prove(ALICE)).identity.name == "alice"


@pytest.mark.parametrize("scopes", [[], ["access:services!service=other"], ["access:servers"], ["self"], None])
async def test_without_the_scope_nobody_passes(hub: AskedHub, scopes: Any) -> None:
    hub.answer = good(scopes=scopes)
    assert await hub.fails(Denied) == "missing_scope"


@pytest.mark.parametrize("scope", [ACCESS, "access:services"])
async def test_with_the_scope_one_passes(hub: AskedHub, scope: str) -> None:
    hub.answer = good(scopes=[scope])
    assert scope in (await hub.prover.prove(ALICE)).identity.scopes


async def test_an_admin_without_the_scope_does_not_pass(hub: AskedHub) -> None:
    hub.answer = good("root", admin=True, scopes=["admin:users"])
    assert await hub.fails(Denied) == "missing_scope"


SILENCES: dict[str, HubAnswer | None] = {
    "no answer": None,
    "an error": HubAnswer(500, b"Internal Server Error"),
    "a bad gateway": HubAnswer(502, b""),
    "too many requests": HubAnswer(429, b""),
    "a redirect to a login page": HubAnswer(302, b""),
    "a login page": HubAnswer(200, b"<html>log in</html>"),
    "nothing": HubAnswer(200, b""),
    "null": HubAnswer(200, b"null"),
    "a list": HubAnswer(200, b"[]"),
    "no name": HubAnswer(200, json.dumps({"kind": "user", "scopes": [ACCESS]}).encode()),
    "an empty name": good(""),
    "another kind": good(kind="group"),
    "a name that is a number": HubAnswer(200, b'{"kind": "user", "name": 1}'),
    "groups that are numbers": good(groups=[1]),
    "servers that are a list": good(servers=["x"]),
    "scopes that are one word": good(scopes=5),
    "half a text": HubAnswer(200, good().body[:-3]),
    "a name twice": HubAnswer(200, good().body[:-1] + b', "name": "bob"}'),
}
AWAY = ("no answer", "a bad gateway")


@pytest.mark.parametrize("silence", SILENCES.values(), ids=SILENCES)
async def test_a_hub_that_does_not_answer_never_means_yes(hub: AskedHub, silence: HubAnswer | None) -> None:
    hub.answer = silence
    assert await hub.fails(HubUnavailable) == "hub_unavailable"


@pytest.mark.parametrize("name", SILENCES)
async def test_a_users_answer_cannot_silence_the_hub_for_others(hub: AskedHub, name: str) -> None:
    """Only a hub that cannot be reached is asked nothing for a while."""
    hub.answer = SILENCES[name]
    await hub.fails(HubUnavailable)
    hub.answer = good("bob")
    if name in AWAY:
        assert await hub.fails(HubUnavailable, SecretStr("bob-token")) == "hub_unavailable"
    else:
        assert (await hub.prover.prove(SecretStr("bob-token"))).identity.name == "bob"
    assert hub.prover.reachable == (name not in AWAY)


@pytest.mark.parametrize("silence", SILENCES.values(), ids=SILENCES)
async def test_a_hub_without_an_answer_is_not_asked_again_at_once(
    hub: AskedHub, silence: HubAnswer | None
) -> None:
    await hub.prover.prove(ALICE)
    hub.answer, hub.now = silence, hub.now + 31
    for _ in range(5):
        assert (await hub.prover.prove(ALICE)).stale
    assert hub.asked == 2


async def test_a_user_keeps_no_right_by_an_answer_that_nobody_can_read(hub: AskedHub) -> None:
    await hub.prover.prove(ALICE)
    deep = b'{"a": ' * 100_000
    hub.answer, hub.now = HubAnswer(200, good().body[:-1] + b', "servers": ' + deep), hub.now + 31
    assert await hub.fails(HubUnavailable) == "hub_answer_invalid"
    assert await hub.fails(HubUnavailable, fresh=True) == "hub_answer_invalid"
    assert hub.prover.reachable


@pytest.mark.parametrize("silence", SILENCES.values(), ids=SILENCES)
async def test_a_proven_token_stays_good_for_a_while_and_is_marked_stale(
    hub: AskedHub, silence: HubAnswer | None
) -> None:
    await hub.prover.prove(ALICE)
    hub.answer = silence
    hub.now += 31
    assert (await hub.prover.prove(ALICE)).stale
    hub.now += 568
    assert (await hub.prover.prove(ALICE, fresh=True)).stale
    hub.now += 2
    assert await hub.fails(HubUnavailable) == "hub_unavailable"


async def test_a_silent_hub_is_not_asked_by_every_request(hub: AskedHub) -> None:
    hub.answer = None
    for _ in range(5):
        await hub.fails(HubUnavailable)
    assert hub.asked == 1
    hub.now += 1.1
    hub.answer = good()
    assert not (await hub.prover.prove(ALICE)).stale
    assert hub.prover.reachable


async def test_the_caches_are_bounded_and_the_oldest_goes(hub: AskedHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prover_module, "MAX_CACHED", 3)
    for number in range(5):
        await hub.prover.prove(SecretStr(f"t{number}"))
    hub.answer = HubAnswer(403, b"")
    for number in range(5, 10):
        await hub.fails(NotProven, SecretStr(f"t{number}"))
    assert len(hub.prover._known) == len(hub.prover._refused) == 3
    assert (await hub.prover.prove(SecretStr("t4"))).identity.name == "alice"
    assert await hub.fails(NotProven, SecretStr("t1")) == "unknown_token"


async def test_tokens_are_kept_by_their_hash_only(hub: AskedHub) -> None:
    await hub.prover.prove(ALICE)
    assert ALICE.get_secret_value() not in repr(vars(hub.prover))


def read(**changes: Any) -> Identity:
    return parse_answer(Hub(name="exam"), good(**changes))


def test_a_service_that_is_called_like_a_user_is_somebody_else() -> None:
    user, service = read(), read(kind="service")
    assert user.owner != service.owner
    assert (str(user.owner), str(service.owner)) == ("exam:alice", "exam:service:alice")


def test_no_two_owners_are_written_alike() -> None:
    called = ("alice", "service:alice", "user:alice", "user:service:alice", "exam:alice", "")
    written = [str(Owner(hub="exam", kind=kind, name=name)) for kind in ("user", "service") for name in called]
    assert len(set(written)) == len(written)


def test_alice_of_one_hub_is_not_alice_of_another() -> None:
    assert read().owner != parse_answer(Hub(name="teaching"), good()).owner


def test_what_the_model_says_is_read() -> None:
    options = {"profile": "large", "semester": 5 * "x" * 200, "filler": ["x" * 1000], "_": {}}
    servers = {"gpu": {"name": "gpu", "user_options": options}}
    seen = read(groups=["staff", "ml"], servers=servers)
    assert (seen.name, seen.groups, seen.server) == ("alice", ("ml", "staff"), "gpu")
    assert seen.user_options == {"profile": "large", "semester": "x" * 200}


@pytest.mark.parametrize("servers", [{}, None, {"a": {}, "b": {}}])
def test_a_token_of_no_single_server_names_none(servers: Any) -> None:
    assert read(servers=servers).server is None
