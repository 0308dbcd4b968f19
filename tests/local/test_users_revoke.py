"""`kernelpod users revoke`: what it ends at hub and gateway, and what it says if it cannot."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from doubles import ACCESS, FakeHub, user_model
from kernelpod.cli.main import main
from kernelpod.hub import revocation

SCOPES = [ACCESS, "custom:kernelpod:admin", "delete:servers", "read:servers", "tokens"]
IDENTITY = {"cache_seconds": 3600, "negative_cache_seconds": 0.01, "stale_seconds": 3600}


class StartingHub(FakeHub):
    """A hub that gives alice's server a token while her tokens are being deleted."""

    starts_meanwhile = False

    def delete(self, path: str, token: str) -> int:
        """As the hub; the server's start comes between."""
        if self.starts_meanwhile:
            self.starts_meanwhile = False
            self.servers.add("alice")
            self.users["alices-late-token"] = user_model("alice")
        return super().delete(path, token)


@pytest.fixture(scope="module")
def own_hub() -> Iterator[StartingHub]:
    with StartingHub() as hub:
        yield hub


@pytest.fixture(scope="module")
def revoking(make_site: Any, own_hub: StartingHub) -> Any:
    own_hub.users.update(users())
    return make_site(own_hub, identity=IDENTITY)


def users() -> dict[str, Any]:
    return {
        "alice-token": user_model("alice"),
        "alices-other-token": user_model("alice"),
        "bob-token": user_model("bob"),
        "admin-token": user_model("carol", scopes=SCOPES),
        "helpless-token": user_model("dave", scopes=[ACCESS, "tokens"]),
    }


@pytest.fixture
def site(revoking: Any, own_hub: StartingHub) -> Iterator[Any]:
    own_hub.users.clear()
    own_hub.users.update(users())
    own_hub.servers, own_hub.stubborn = {"alice", "bob"}, set()
    revoking.admin.ids()
    yield revoking
    own_hub.mode = "ok"
    own_hub.users.update(users())
    revoking.stop_kernels()


def command(site: Any, *more: str, token: str = "admin-token", name: str = "alice") -> Result:  # noqa: S107
    settings = site.folder / "hub.yaml"
    settings.write_text(yaml.safe_dump({"hubs": [{"api_url": site.hub.api_url}]}), encoding="utf-8")
    arguments = ["--settings", str(settings), "--gateway-url", site.gateway.url, *more]
    environment = {"KERNELPOD_ADMIN_TOKEN": token}
    result = CliRunner().invoke(main, ["users", "revoke", name, *arguments], env=environment)
    assert token == "" or token not in result.output
    return result


def test_tokens_servers_and_kernels_end(site: Any, own_hub: StartingHub) -> None:
    kernel_id, bobs = site.alice.start(), site.bob.start()
    with site.alice.channels(kernel_id) as channels:
        result = command(site)
        assert channels.closed() == 1008
    assert (result.exit_code, result.output.splitlines()) == (
        0,
        [
            "done  2 tokens at the hub",
            "done  1 servers",
            "done  2 kernels, starts and websockets at the gateway",
        ],
    )
    assert sorted(own_hub.users) == ["admin-token", "bob-token", "helpless-token"]
    assert (own_hub.servers, site.admin.ids()) == ({"bob"}, [bobs])
    assert site.alice.post().status_code == 401


def test_a_dry_run_changes_nothing(site: Any, own_hub: StartingHub) -> None:
    site.alice.start()
    result = command(site, "--dry-run", "--json")
    said = json.loads(result.output)
    assert [(step["step"], step["outcome"], step["count"]) for step in said["steps"]] == [
        ("tokens", "planned", 2),
        ("servers", "planned", 1),
        ("gateway", "planned", 1),
    ]
    assert (result.exit_code, said["dry_run"], said["user"]) == (0, True, "alice")
    assert (len(own_hub.users), own_hub.servers, len(site.alice.ids())) == (5, {"alice", "bob"}, 1)


def test_a_server_that_starts_meanwhile_ends_with_its_token(site: Any, own_hub: StartingHub) -> None:
    own_hub.servers, own_hub.starts_meanwhile = set(), True
    assert command(site).exit_code == 0
    assert own_hub.servers == set()
    assert "alices-late-token" not in own_hub.users


def test_while_the_hub_is_silent_the_gateway_ends_what_it_has(site: Any, own_hub: StartingHub) -> None:
    site.alice.start()
    own_hub.mode = "error"
    result = command(site, "--json")
    steps = {step["step"]: step for step in json.loads(result.output)["steps"]}
    assert result.exit_code == 1
    assert {name: step["outcome"] for name, step in steps.items()} == {
        "tokens": "failed",
        "servers": "failed",
        "gateway": "done",
    }
    assert steps["tokens"]["message"].endswith("/hub/api answered 500")
    assert site.traces() == []
    assert site.alice.ask("GET", "kernels").status_code == 503


def test_without_the_gateway_tokens_and_servers_end(site: Any, own_hub: StartingHub) -> None:
    result = command(site, "--gateway-url", own_hub.api_url.replace("/hub/api", "/nowhere"))
    assert result.exit_code == 1
    assert "FAIL  kernels, starts and websockets at the gateway: " in result.output
    assert (own_hub.servers, "alice-token" in own_hub.users) == ({"bob"}, False)


def test_a_server_that_does_not_stop_is_said(
    site: Any, own_hub: StartingHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revocation, "STOP_SECONDS", 0.3)
    own_hub.stubborn = {"alice"}
    result = command(site)
    assert result.exit_code == 1
    assert "FAIL  servers: the hub has not stopped 1 servers within 0.3 s" in result.output
    assert "done  2 tokens at the hub" in result.output


@pytest.mark.parametrize(
    ("token", "name", "status", "said"),
    [
        ("helpless-token", "alice", 1, "lacks the scopes custom:kernelpod:admin, delete:servers, read:servers"),
        ("unknown", "alice", 1, "answered 403: it does not take the token. Nothing was done"),
        ("admin-token", "carol", 1, "The token is carol's own. Nothing was done"),
        ("admin-token", "Alice", 1, "The hub has no user 'Alice'"),
        ("", "alice", 2, "give an admin's by --token-file or $KERNELPOD_ADMIN_TOKEN"),
    ],
)
def test_what_cannot_be_done_is_said_before(
    site: Any, own_hub: StartingHub, token: str, name: str, status: int, said: str
) -> None:
    result = command(site, token=token, name=name)
    assert (result.exit_code, said in result.output) == (status, True), result.output
    assert (len(own_hub.users), own_hub.servers) == (5, {"alice", "bob"})


def test_a_token_in_a_file_or_the_settings(site: Any, tmp_path: Path) -> None:
    file, settings = tmp_path / "token", tmp_path / "settings.yaml"
    file.write_text("admin-token\n", encoding="utf-8")
    assert command(site, "--dry-run", "--token-file", str(file), token="").exit_code == 0
    hub = {"api_url": site.hub.api_url, "admin_token_file": str(file)}
    settings.write_text(yaml.safe_dump({"hubs": [hub]}), encoding="utf-8")
    assert command(site, "--dry-run", "--settings", str(settings), token="").exit_code == 0
