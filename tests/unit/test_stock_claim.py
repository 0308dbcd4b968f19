"""A claim proves a user's home to a stock gateway's launcher, and nothing else does."""

from __future__ import annotations

import re

import pytest

from kernelpod.claim import Claim, ClaimError, make_claim, read_claim

KEY, OTHER_KEY = "k" * 32, "o" * 32
NOW = 1_800_000_000
ALICE = Claim("alice", "", "/homes/alice", 1000, 100, NOW + 60)


def refused(text: str, key: str = KEY, now: float = NOW) -> str:
    """Return what is said of a claim that proves nothing."""
    with pytest.raises(ClaimError) as caught:
        read_claim(key, text, now)
    return str(caught.value)


@pytest.mark.parametrize("user", ["alice", "John.Döe", "a@b.org", '"}, {"', "\N{SNOWMAN}\n$(HOME)"])
def test_what_the_hub_says_arrives(user: str) -> None:
    claim = ALICE._replace(user=user, server="exam", path=f"/homes/{user}")
    text = make_claim(KEY, claim)
    assert read_claim(KEY, text, NOW) == claim
    assert re.fullmatch(r"[A-Za-z0-9_-]+\.[0-9a-f]{64}", text)


def test_a_claim_of_another_key_is_refused() -> None:
    assert "not made by this gateway's hub" in refused(make_claim(OTHER_KEY, ALICE))


def test_a_changed_claim_is_refused() -> None:
    text = make_claim(KEY, ALICE)
    for place in range(len(text)):
        forged = text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :]
        assert "not made by this gateway's hub" in refused(forged)


def test_the_body_of_one_claim_with_the_signature_of_another_is_refused() -> None:
    mine, hers = make_claim(KEY, ALICE), make_claim(KEY, ALICE._replace(user="bob", path="/homes/bob"))
    assert "not made" in refused(f"{hers.partition('.')[0]}.{mine.partition('.')[2]}")


@pytest.mark.parametrize("text", ["", ".", "a.b", "é.é", "." * 5000, "e30"])
def test_garbage_is_refused(text: str) -> None:
    assert "not made" in refused(text)


def test_a_claim_expires() -> None:
    text = make_claim(KEY, ALICE)
    assert read_claim(KEY, text, ALICE.expires - 1) == ALICE
    assert "has expired" in refused(text, now=ALICE.expires)


def test_a_key_that_can_be_guessed_is_no_key() -> None:
    with pytest.raises(ValueError, match="the claim key has 5 characters; it needs at least 32"):
        make_claim("short", ALICE)
