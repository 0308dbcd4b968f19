"""hub/logins/dummy.yaml at a real hub: one password for everybody who is named."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hubs import Hub, example, logged_in

PASSWORD = "only for this test"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    with Hub(tmp_path_factory.mktemp("dummy") / "hub", example("dummy"), DEMO_PASSWORD=PASSWORD) as running:
        yield running


@pytest.mark.parametrize(("given", "name"), [("alice", "alice"), ("Alice", "alice"), (" bob ", "bob")])
def test_who_is_named_gets_in_under_the_name_in_lower_case(hub: Hub, given: str, name: str) -> None:
    assert logged_in(hub, given, PASSWORD) == name


@pytest.mark.parametrize(
    ("given", "password"),
    [
        ("alice", "wrong"),
        ("alice", ""),
        ("alice", PASSWORD + " "),
        ("carol", PASSWORD),
        ("admin", PASSWORD),
        ("root", PASSWORD),
        ("system:x", PASSWORD),
        ("\N{PANDA FACE}", PASSWORD),
        ("a" * 300, PASSWORD),
        ("alice/bob", PASSWORD),
        ("..", PASSWORD),
        ("", PASSWORD),
    ],
)
def test_others_do_not(hub: Hub, given: str, password: str) -> None:
    assert logged_in(hub, given, password) is None


def test_the_password_is_in_no_log(hub: Hub) -> None:
    assert PASSWORD not in hub.log
