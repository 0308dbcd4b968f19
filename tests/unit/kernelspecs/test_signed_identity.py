"""A signed identity proves a user's home to a stock gateway's launcher, and nothing else does."""

from __future__ import annotations

import re

import pytest

from kernelpod.kernelspecs.stock.signed_identity import (
    SignedIdentity,
    SignedIdentityError,
    read_signed_identity,
    sign_identity,
)

KEY, OTHER_KEY = "k" * 32, "o" * 32
NOW = 1_800_000_000
ALICE = SignedIdentity("alice", "", "/homes/alice", 1000, 100, NOW + 60)


def refused(text: str, key: str = KEY, now: float = NOW) -> str:
    """Return what is said of a signed identity that proves nothing."""
    with pytest.raises(SignedIdentityError) as caught:
        read_signed_identity(key, text, now)
    return str(caught.value)


@pytest.mark.parametrize("user", ["alice", "John.Döe", "a@b.org", '"}, {"', "\N{SNOWMAN}\n$(HOME)"])
def test_what_the_hub_says_arrives(user: str) -> None:
    identity = ALICE._replace(user=user, server="exam", path=f"/homes/{user}")
    text = sign_identity(KEY, identity)
    assert read_signed_identity(KEY, text, NOW) == identity
    assert re.fullmatch(r"[A-Za-z0-9_-]+\.[0-9a-f]{64}", text)


def test_a_signed_identity_of_another_key_is_refused() -> None:
    assert "not made by this gateway's hub" in refused(sign_identity(OTHER_KEY, ALICE))


def test_a_changed_signed_identity_is_refused() -> None:
    text = sign_identity(KEY, ALICE)
    for place in range(len(text)):
        forged = text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :]
        assert "not made by this gateway's hub" in refused(forged)


def test_the_body_of_one_signed_identity_with_the_signature_of_another_is_refused() -> None:
    mine, hers = sign_identity(KEY, ALICE), sign_identity(KEY, ALICE._replace(user="bob", path="/homes/bob"))
    assert "not made" in refused(f"{hers.partition('.')[0]}.{mine.partition('.')[2]}")


@pytest.mark.parametrize("text", ["", ".", "a.b", "é.é", "." * 5000, "e30"])
def test_garbage_is_refused(text: str) -> None:
    assert "not made" in refused(text)


def test_a_signed_identity_expires() -> None:
    text = sign_identity(KEY, ALICE)
    assert read_signed_identity(KEY, text, ALICE.expires - 1) == ALICE
    assert "has expired" in refused(text, now=ALICE.expires)


def test_a_key_that_can_be_guessed_is_no_key() -> None:
    with pytest.raises(ValueError, match="the identity key has 5 characters; it needs at least 32"):
        sign_identity("short", ALICE)
