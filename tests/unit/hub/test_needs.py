"""What in a hub's own configuration file breaks servers or kernels, and what of it does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from kernelpod.settings.sections import Settings

pytestmark = pytest.mark.hub
SETTINGS: dict[str, Any] = {"servers": {"gateway_url": "http://kernelpod.gateway:8888"}}
HOST = {"hubs": [{"subdomain_host": "https://h.org"}]}


def said_of(folder: Path, text: str, **sections: Any) -> list[str]:
    from kernelpod.hub.configfile.needs import broken_needs

    path = folder / "config.yaml"
    path.write_text(text, encoding="utf-8")
    found = broken_needs(path, Settings.model_validate({**SETTINGS, **sections}))
    return [f"{one.place.line}: {one.level}: {one.text}" for one in found]


BROKEN: list[tuple[str, str]] = [
    ("Spawner: {args: [--debug]}", "1: error: Spawner.args: the generated arguments are lost"),
    ("LoggingConfigurable: {args: [a]}", "1: error: LoggingConfigurable.args: the generated arguments are lost"),
    ("Spawner: {server_token_scopes: self}", "1: error: Spawner.server_token_scopes: servers need the generated"),
    ("PodSpawner:\n  delete_grace_period: 1", "2: error: PodSpawner.delete_grace_period: servers end before"),
    (
        "SandboxSpawner: {environment: {KERNEL_PATH: /x}}",
        "1: error: SandboxSpawner.environment.KERNEL_PATH: servers and kernels would have different homes",
    ),
    (
        "KubeSpawner: {environment: {JUPYTER_GATEWAY_URL: 'http://x'}}",
        "1: error: KubeSpawner.environment.JUPYTER_GATEWAY_URL: servers could not reach",
    ),
    (
        "KubeSpawner: {profile_list: [{kubespawner_override: {args: [a]}}]}",
        "1: error: KubeSpawner.profile_list.0.kubespawner_override.args: the generated arguments are lost",
    ),
    (
        "JupyterHub: {db_url: 'sqlite://'}",
        "1: error: JupyterHub.db_url: a restarted hub loses all running servers",
    ),
    ("KubeSpawner: {privileged: true}", "1: warning: KubeSpawner.privileged: servers get all privileges"),
    (
        "nfs: {}\nhub: {users: [a]}\nmore_hubs:\n  exam: {config: {Spawner: {args: [a]}}}",
        "4: error: more_hubs.exam.config.Spawner.args: the generated arguments are lost",
    ),
]


@pytest.mark.parametrize(("text", "said"), BROKEN)
def test_what_a_file_breaks_is_named_at_its_place(tmp_path: Path, text: str, said: str) -> None:
    (found,) = said_of(tmp_path, text)
    assert found.startswith(said)


def test_hosts_of_servers_are_those_of_the_settings(tmp_path: Path) -> None:
    text = "JupyterHub: {subdomain_host: 'https://other.org'}"
    (found,) = said_of(tmp_path, text, **HOST)
    assert "set hubs[].subdomain_host in the settings instead" in found
    assert said_of(tmp_path, text) == []


@pytest.mark.parametrize(
    "text",
    [
        "Spawner: {environment: {MINE: '{', LANG: de}, cmd: [start.sh]}",
        "Spawner: {args: ['--debug', '--GatewayWebSocketConnection.kernel_ws_protocol=']}",
        "KubeSpawner: {uid: 5, volumes: [{name: a}], init_containers: [{name: a}], delete_grace_period: 600}",
        "JupyterHub: {load_roles: [{name: a}], services: [{name: b}], base_url: /x, db_url: 'mysql://a/b'}",
        "nfs: {}\nhub: {install: z2jh, config: {Spawner: {args: [a]}}}",
        "Spawner: {args: [",
    ],
)
def test_of_what_is_joined_or_enforced_nothing_is_said(tmp_path: Path, text: str) -> None:
    assert said_of(tmp_path, text) == []


def test_of_values_it_is_said_who_checks_them(tmp_path: Path) -> None:
    (found,) = said_of(tmp_path, "hub:\n  config: {Spawner: {args: [a]}}")
    assert found.startswith(
        "2: note: hub.config: only names and types are checked here; kernelpod hub check-values"
    )


def test_of_several_hubs_the_file_is_for_the_one_that_it_fits(tmp_path: Path) -> None:
    from kernelpod.hub import servers

    hubs: dict[str, Any] = {"hubs": [{"name": "a", "service": "x"}, {"name": "b", "service": "y"}]}
    settings = Settings.model_validate({**SETTINGS, **hubs, "homes": {"path_template": "{hub}/{username}"}})
    scopes = servers.token_scopes(settings, settings.hub("b"))
    text = yaml.safe_dump({"Spawner": {"server_token_scopes": scopes}})
    more = {**hubs, "homes": {"path_template": "{hub}/{username}"}}
    assert said_of(tmp_path, text, **more) == []
    assert said_of(tmp_path, "Spawner: {server_token_scopes: []}", **more) != []


def test_the_command_says_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from click.testing import CliRunner

    from kernelpod.cli.main import main

    path, settings = tmp_path / "config.yaml", tmp_path / "settings.yaml"
    settings.write_text("{}", encoding="utf-8")
    path.write_text("Authenticator: {allowed_users: mia}\nSpawner: {args: [a]}\n", encoding="utf-8")
    words = ["hub", "check-config", "--settings", str(settings), str(path)]
    done = CliRunner().invoke(main, words)
    assert (done.exit_code, len(done.output.splitlines())) == (1, 2)
    assert f"{path}:2:11: error: Spawner.args: the generated arguments are lost" in done.output
    path.write_text("Authenticator: {allowed_users: mia}\n", encoding="utf-8")
    assert CliRunner().invoke(main, words).output == f"{path}: 0 errors, 0 warnings\n"
