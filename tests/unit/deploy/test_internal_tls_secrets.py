"""The Secrets of `internal_tls`: what is made, kept, renewed, replaced and refused."""

from __future__ import annotations

import base64
import json
import subprocess
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import yaml
from deployments import courses_deployment, deployment

from kernelpod.deploy import install, tlssecrets
from kernelpod.deploy.authority import AUTHORITY_DAYS, CERTIFICATE_DAYS
from kernelpod.deploy.cluster import Cluster, ClusterError
from kernelpod.deploy.internaltls import SECRET, TlsSecret
from kernelpod.deploy.rendered import MANAGED
from kernelpod.deploy.settings import Deployment
from kernelpod.settings.sections import Settings

NOW = datetime(2026, 1, 2, tzinfo=timezone.utc)
SETTINGS = Settings.model_validate({"servers": {"gateway_url": "https://kernelpod.gateway:8888"}})
ONE = deployment(internal_tls=True)
TWO = courses_deployment(internal_tls=True)


class Stored:
    """A cluster that stores Secrets as kubectl does."""

    def __init__(self) -> None:
        self.secrets: dict[tuple[str, str], dict[str, Any]] = {}
        self.verbs: list[str] = []

    def __call__(self, command: list[str], given: str | None, seconds: float) -> subprocess.CompletedProcess[str]:
        verb, said = command[1], ""
        if verb == "get":
            found = self.secrets.get((command[command.index("-n") + 1], command[3]))
            said = json.dumps(found) if found else ""
        else:
            self.verbs.append(verb)
            one = yaml.safe_load(given or "")
            key = (one["metadata"]["namespace"], one["metadata"]["name"])
            assert (verb == "replace") == (key in self.secrets)
            data = {name: base64.b64encode(text.encode()).decode() for name, text in one.pop("stringData").items()}
            self.secrets[key] = {**one, "data": data}
        return subprocess.CompletedProcess(command, 0, said, "")

    @property
    def cluster(self) -> Cluster:
        """This cluster as deploy sees it."""
        return Cluster(("kubectl",), ("helm",), run=self)

    def plan(self, of: Deployment, days: float = 0) -> list[TlsSecret]:
        """Return what is planned so many days later."""
        return tlssecrets.plan(self.cluster, of, SETTINGS, NOW + timedelta(days=days))

    def deploy(self, of: Deployment, days: float = 0) -> None:
        """Store what is planned."""
        install.store_certificates(self.cluster, self.plan(of, days))

    def values(self, space: str, name: str = SECRET) -> dict[str, str]:
        """Return what is stored."""
        return self.cluster.read_secret(name, space)


@pytest.fixture
def stored() -> Stored:
    made = Stored()
    made.deploy(TWO)
    return made


def test_each_namespace_gets_what_it_needs_and_the_authoritys_key_is_in_a_secret_of_its_own(
    stored: Stored,
) -> None:
    assert {key: sorted(one["data"]) for key, one in stored.secrets.items()} == {
        ("gateway", "kernelpod-authority"): ["ca.crt", "ca.key"],
        ("gateway", SECRET): ["ca.crt", "hub-exam.crt", "hub-hub.crt", "tls.crt", "tls.key"],
        **{
            (space, SECRET): [
                "gateway-ca.crt",
                *(
                    f"{name}.{end}"
                    for name in ("hub-ca", "notebooks-ca", "proxy-client-ca")
                    for end in ("crt", "key")
                ),
            ]
            for space in ("hub", "exam")
        },
    }
    assert all(one["metadata"]["labels"] == MANAGED for one in stored.secrets.values()), "destroy removes them"
    gateway, hub, exam = (stored.values(space) for space in ("gateway", "hub", "exam"))
    assert gateway["ca.crt"] == hub["gateway-ca.crt"] == exam["gateway-ca.crt"]
    assert (gateway["hub-hub.crt"], gateway["hub-exam.crt"]) == (hub["hub-ca.crt"], exam["hub-ca.crt"])
    keys = [value for key, value in (*hub.items(), *exam.items()) if key.endswith(".key")]
    assert len(set(keys)) == 6, "no hub can sign for another one"


def test_a_deploy_that_is_repeated_changes_nothing(stored: Stored) -> None:
    before, verbs = dict(stored.secrets), list(stored.verbs)
    assert verbs == ["create"] * 4
    stored.deploy(TWO, days=1)
    assert (stored.secrets, stored.verbs) == (before, verbs)
    assert all(one.values == one.former for one in stored.plan(TWO))


def test_what_ends_soon_is_renewed_by_the_next_deploy_and_said_before(stored: Stored) -> None:
    before = stored.values("gateway")
    days = CERTIFICATE_DAYS - 20
    (said,) = tlssecrets.problems(stored.cluster, TWO, NOW + timedelta(days=days))
    assert said.startswith("a certificate of internal_tls ends on 2031-01-01; run `kernelpod deploy`")
    stored.deploy(TWO, days)
    after = stored.values("gateway")
    assert {key for key in before if before[key] != after[key]} == {"tls.crt", "tls.key"}
    assert tlssecrets.problems(stored.cluster, TWO, NOW + timedelta(days=days)) == []
    hub = stored.values("hub")
    stored.deploy(TWO, AUTHORITY_DAYS - 20)
    renewed = stored.values("hub")
    assert {key for key in hub if hub[key] != renewed[key]} == {key for key in hub if key.endswith(".crt")}


def test_a_hub_that_is_made_again_or_removed_changes_what_the_gateway_trusts(stored: Stored) -> None:
    former = stored.values("gateway")
    del stored.secrets["exam", SECRET]
    stored.deploy(TWO)
    now = stored.values("gateway")
    assert {key for key in now if former[key] != now[key]} == {"hub-exam.crt"}
    stored.deploy(courses_deployment(internal_tls=True, more_hubs={}))
    assert "hub-exam.crt" not in stored.values("gateway")


def test_the_gateways_certificate_follows_its_address(stored: Stored) -> None:
    settings = Settings.model_validate({"servers": {"gateway_url": "https://gateway.example.org"}})
    planned = {(one.namespace, one.name): one for one in tlssecrets.plan(stored.cluster, TWO, settings, NOW)}
    assert {key for key, one in planned.items() if one.values != one.former} == {("gateway", SECRET)}


def test_a_secret_of_somebody_else_or_a_damaged_authority_is_not_replaced(stored: Stored) -> None:
    stored.secrets["hub", SECRET]["metadata"]["labels"] = {}
    with pytest.raises(ClusterError, match=f"the Secret {SECRET} in the namespace hub was not made by `kernelpod"):
        stored.plan(TWO)
    stored.secrets["hub", SECRET]["metadata"]["labels"] = MANAGED
    for damaged in (b"", b"\xff\x00"):
        data = base64.b64encode(damaged).decode()
        stored.secrets["hub", SECRET]["data"]["hub-ca.key"] = data
        with pytest.raises(
            ClusterError, match=r"hub-ca\.crt and hub-ca\.key .*Delete the Secret and deploy again"
        ):
            stored.plan(TWO)
    stored.secrets["gateway", SECRET]["data"]["ca.crt"] = data
    (said,) = tlssecrets.problems(stored.cluster, TWO, NOW)
    assert said == "the certificates of internal_tls are missing or damaged; run `kernelpod deploy`"
    del stored.secrets["gateway", SECRET]
    (said,) = tlssecrets.problems(stored.cluster, TWO, NOW)
    assert said == "the certificates of internal_tls are missing or damaged; run `kernelpod deploy`"


def test_no_key_is_printed(stored: Stored) -> None:
    """Neither by a dry run, which prints the hub's objects, nor as part of a command."""
    for one in stored.plan(ONE):
        assert "PRIVATE KEY" not in one.certificates
        assert "BEGIN CERTIFICATE" in one.certificates
