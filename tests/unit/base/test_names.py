"""Names are total, collision-free and valid for Kubernetes, and homes are named as KubeSpawner does."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest

from doubles import KERNEL_ID
from kernelpod.base import names

USERS = {
    "alice": "alice",
    "Alice": "alice---3bc51062",
    "john.doe": "john-doe---30f69670",
    "user_1": "user-1---",
    "123abc": "x-123abc---",
    "alice@example.org": "alice-example-org---",
    "a" * 48: "a" * 48,
    "a" * 49: "a" * 37 + "---",
    "a" * 63: "a" * 37 + "---",
    "b" * 300: "b" * 37 + "---",
    "jürgen": "j-rgen---",
    "王小明": "x---",
    "": "x---",
    "-": "x---",
    "--": "x---",
    "a--b": "a-b---",
    "alice-": "alice---",
    "-alice": "alice---",
    "../bob": "bob---",
    "bob/../alice": "bob-alice---",
    "x\ny": "x-y---",
    "{username}": "username---",
    "ju\u0308rgen": "ju-rgen---",
    "\uff41lice": "lice---",
    "\u0130lgaz": "i-lgaz---",
    "\u0131lgaz": "lgaz---",
    "hub:alice": "hub-alice---",
    "user:alice": "user-alice---",
    "service:alice": "service-alice---",
    "service.alice": "service-alice---",
    "%2e%2e": "x-2e-2e---",
    "%2e%2e%2fbob": "x-2e-2e-2fbob---",
}
DNS_LABEL = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?\Z")


def test_a_former_user_slug_is_that_of_claims_of_old_hubs() -> None:
    assert names.former_user_slug("john.doe") == "john-2edoe"
    assert names.former_user_slug("Ünal-1") == "-c3-9cnal-2d1"
    assert names.former_user_slug("alice") == "alice"


@pytest.mark.parametrize(("username", "slug"), USERS.items())
def test_a_user_slug_is_a_dns_label_that_people_recognise(username: str, slug: str) -> None:
    made = names.user_slug(username)
    assert made == slug or (slug.endswith("---") and made.startswith(slug))
    assert DNS_LABEL.match(made)
    assert len(made) <= 48


def test_no_two_users_share_a_slug() -> None:
    close = [*USERS, "ALICE", "alice\n", "alice ", "Alice---3bc51062", names.user_slug("Alice"), "a" * 64]
    assert len({names.user_slug(name) for name in close}) == len(close)


def test_nobody_can_choose_a_name_that_is_anothers_slug() -> None:
    assert names.user_slug(names.user_slug("Alice")) != names.user_slug("Alice")


def test_lone_surrogates_have_a_name_too() -> None:
    assert DNS_LABEL.match(names.user_slug("\ud800"))


@pytest.mark.parametrize("username", USERS)
def test_a_pod_name_is_valid_and_unique_per_start(username: str) -> None:
    first, second = (names.pod_name(username, KERNEL_ID, incarnation) for incarnation in ("0a1b2c", "ffffff"))
    assert first != second
    assert DNS_LABEL.match(first)
    assert len(first) <= 63


@pytest.mark.parametrize(
    ("text", "made"), [("", ""), ("hub", "hub"), ("A.b_c", "A.b_c"), ("a b", "a-b---"), ("x" * 64, "x" * 52)]
)
def test_label_values_are_kept_where_kubernetes_allows_them(text: str, made: str) -> None:
    value = names.label_value(text)
    assert value.startswith(made)
    assert not value or names._LABEL_VALUE.match(value)


def test_labels_carry_the_prefix_that_never_changes() -> None:
    labels = names.labels("kernelpod", "hub", "user", "Alice", "python-pod", KERNEL_ID, "default")
    assert labels["kernelpod.io/user"] == names.user_slug("Alice")
    assert labels["kernelpod.io/kernel-id"] == KERNEL_ID
    assert all(len(value) <= 63 for value in labels.values())
    assert names.selector(names.release_labels("kernelpod")) == (
        "app.kubernetes.io/name=kernelpod,app.kubernetes.io/instance=kernelpod,"
        "app.kubernetes.io/component=kernel,app.kubernetes.io/managed-by=kernelpod"
    )
    assert names.release_labels("kernelpod").items() <= labels.items()


def test_no_user_has_the_label_of_a_service() -> None:
    def label(kind: str, name: str) -> str:
        return names.labels("kernelpod", "hub", kind, name, "python-pod", KERNEL_ID, "default")[
            "kernelpod.io/user"
        ]

    services = {label("service", name) for name in USERS}
    assert len(services) == len(USERS)
    assert not services & {label("user", name) for name in (*USERS, *services)}


def test_a_slug_needs_room_for_its_hash() -> None:
    with pytest.raises(ValueError, match="too few for a hash"):
        names.safe_slug("Alice", 11)
    assert len(names.safe_slug("Alice", 12)) == 12


@pytest.mark.hub
@pytest.mark.parametrize("username", USERS)
def test_the_slug_is_kubespawners_own(username: str, need_module) -> None:
    kubespawner = need_module("kubespawner.slugs")
    assert names.user_slug(username) == kubespawner.safe_slug(username, max_length=48)


@pytest.mark.hub
@pytest.mark.parametrize("username", USERS)
def test_the_slug_is_what_the_spawner_writes_for_its_username_placeholder(username: str, need_module) -> None:
    class_ = need_module("kubespawner").KubeSpawner
    spawner = SimpleNamespace(
        user=SimpleNamespace(id=1, name=username), name="", slug_scheme="safe", _namespace_default=lambda: "hub"
    )
    assert class_._expand_user_properties(spawner, "{username}") == names.user_slug(username)
