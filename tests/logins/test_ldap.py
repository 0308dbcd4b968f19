"""hub/logins/ldap.yaml at a real hub, against OpenLDAP's slapd as a process of the tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from slapd import SLAPD, Slapd

from certificates import certificates
from hubs import Hub, example, logged_in

STUDENTS = ["alice", "john.doe", "ünal", "admin", "root", "anna-b", "system:x"]
PEOPLE = {name: f"password of {name}" for name in [*STUDENTS, "carol"]}


@pytest.fixture(scope="module")
def slapd(tmp_path_factory: pytest.TempPathFactory, need: Any) -> Iterator[Slapd]:
    need(SLAPD.exists(), "slapd", "apt-get install --no-install-recommends slapd")
    with Slapd(tmp_path_factory.mktemp("slapd"), PEOPLE, STUDENTS) as running:
        yield running


def given(slapd: Slapd, authority: Path | None = None, **further: Any) -> dict[str, Any]:
    """Return the example with the directory's address and authority."""
    checks = {"validate": 2, "ca_certs_file": str(authority or slapd.folder / "ca.pem")}
    return example(
        "ldap",
        LDAPAuthenticator__server_address="localhost",
        LDAPAuthenticator__server_port=slapd.port,
        LDAPAuthenticator__tls_kwargs=checks,
        **further,
    )


@pytest.fixture(scope="module")
def hub(slapd: Slapd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    with Hub(tmp_path_factory.mktemp("ldap") / "hub", given(slapd)) as running:
        yield running


def test_the_server_is_openldap(slapd: Slapd, hub: Hub) -> None:
    assert "OpenLDAP: slapd" in slapd.log
    assert logged_in(hub, "alice", PEOPLE["alice"]) == "alice"
    assert 'BIND dn="uid=alice,ou=people,dc=example,dc=org" method=128' in slapd.log
    assert "STARTTLS" in slapd.log


@pytest.mark.parametrize(
    ("name", "becomes"),
    [("alice", "alice"), ("ALICE", "alice"), ("john.doe", "john.doe"), ("anna-b", "anna-b")],
)
def test_students_get_in(hub: Hub, name: str, becomes: str) -> None:
    assert logged_in(hub, name, PEOPLE[name.lower()]) == becomes


@pytest.mark.parametrize("name", ["admin", "root"])
def test_names_that_sound_mighty_are_students_like_others(hub: Hub, name: str) -> None:
    assert logged_in(hub, name, PEOPLE[name]) == name


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("alice", "wrong"),
        ("alice", ""),
        ("alice", PEOPLE["john.doe"]),
        ("nobody", "x"),
        ("alice,ou=people", PEOPLE["alice"]),
        ("*", PEOPLE["alice"]),
        ("alice/..", PEOPLE["alice"]),
        ("\N{PANDA FACE}", "x"),
        ("a" * 300, "x"),
    ],
)
def test_others_do_not(hub: Hub, name: str, password: str) -> None:
    assert logged_in(hub, name, password) is None


@pytest.mark.parametrize("name", ["ünal", "system:x"])
def test_names_that_the_example_does_not_allow_are_refused_with_the_right_password(hub: Hub, name: str) -> None:
    assert logged_in(hub, name, PEOPLE[name]) is None


def test_who_is_not_in_the_group_does_not_get_in(hub: Hub) -> None:
    assert logged_in(hub, "carol", PEOPLE["carol"]) is None
    assert "User 'carol' not allowed" in hub.log


def test_with_another_pattern_names_may_hold_umlauts_and_colons(slapd: Slapd, tmp_path: Path) -> None:
    with Hub(tmp_path / "hub", given(slapd, LDAPAuthenticator__valid_username_regex=r"^[\w.:-]{1,64}$")) as hub:
        assert [logged_in(hub, name, PEOPLE[name]) for name in ("ünal", "system:x")] == ["ünal", "system:x"]


def test_a_server_whose_certificate_is_somebody_elses_gets_no_password(slapd: Slapd, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    certificates(tmp_path / "other")
    before = slapd.log.count("BIND")
    with Hub(tmp_path / "hub", given(slapd, tmp_path / "other" / "ca.pem")) as hub:
        assert logged_in(hub, "alice", PEOPLE["alice"]) is None
        assert "CERTIFICATE_VERIFY_FAILED" in hub.log
    assert slapd.log.count("BIND") == before


def test_no_password_is_in_a_log(hub: Hub, slapd: Slapd) -> None:
    assert "password of" not in hub.log
    assert "password of" not in slapd.log
