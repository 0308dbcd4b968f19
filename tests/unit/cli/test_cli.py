"""The command line: what scripts and people get, and how it ends when something is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from kernelpod.cli.main import main


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("KERNELPOD_SETTINGS", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def test_render_prints_the_secret_and_the_pod() -> None:
    result = run("render", "--user", "john.doe", "--spec", "python-pod")
    assert result.exit_code == 0
    secret, pod = yaml.safe_load_all(result.output)
    assert (secret["kind"], pod["kind"]) == ("Secret", "Pod")
    (home, _connection, _own) = pod["spec"]["containers"][0]["volumeMounts"]
    assert home["subPath"] == "john-doe---30f69670"


def test_render_shows_no_key_that_could_be_used() -> None:
    secret = next(yaml.safe_load_all(run("render", "--user", "alice", "--spec", "python-pod").output))
    connection = json.loads(secret["stringData"]["connection.json"])
    assert {connection[name][0] for name in ("key", "curve_publickey", "curve_secretkey")} == {"("}


def test_render_plan_is_json_with_the_profile_apart() -> None:
    listed = json.loads(run("render", "--user", "alice", "--spec", "python-pod", "--json").output)
    assert [document["kind"] for document in listed] == ["Secret", "Pod"]
    plan = json.loads(run("render", "--user", "alice", "--spec", "python-pod.large", "--plan").output)
    assert (plan["spec"], plan["profile"]) == ("python-pod", "large")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--spec", "nothing"], "There is no kernelspec 'nothing'"),
        (
            ["--spec", "python-pod", "--env", "KERNEL_PATH=/home/bob"],
            "KERNEL_PATH is '/home/bob', but your home is",
        ),
        (["--spec", "python-pod", "--env", "KERNEL_CPUS=many"], "'many' is not an amount of CPU"),
    ],
)
def test_render_refuses_what_the_gateway_would_refuse(arguments: list[str], said: str) -> None:
    result = run("render", "--user", "alice", *arguments)
    assert result.exit_code == 1
    assert said in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize("option", [["--out", "manifests"], ["--offline"]], ids="".join)
def test_render_ignores_no_option_of_a_deployment(option: list[str]) -> None:
    result = run("render", "--user", "alice", "--spec", "python-pod", *option)
    assert (result.exit_code, "--out and --offline are for --deployment" in result.output) == (2, True)


def test_settings_masks_secrets(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("hubs: [{name: hub, token: very-secret-token}]\n")
    for form in ([], ["--json"]):
        result = run("settings", "--settings", str(file), *form)
        assert result.exit_code == 0
        assert "very-secret" not in result.output


def test_settings_file_is_found_by_the_variable_and_by_xdg(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    standard = tmp_path / "config" / "kernelpod" / "settings.yaml"
    standard.parent.mkdir(parents=True)
    standard.write_text("gateway: {port: 1001}\n")
    assert yaml.safe_load(run("settings").output)["gateway"]["port"] == 1001
    named = tmp_path / "named.yaml"
    named.write_text("gateway: {port: 1002}\n")
    monkeypatch.setenv("KERNELPOD_SETTINGS", str(named))
    assert yaml.safe_load(run("settings").output)["gateway"]["port"] == 1002


def test_a_typo_in_the_settings_ends_with_2_and_names_the_key(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("homes: {rot: /homes}\n")
    result = run("settings", "--settings", str(file))
    assert result.exit_code == 2
    assert "homes.rot: unknown key; did you mean root?" in result.output


def test_schema_refuses_unknown_keys_everywhere() -> None:
    schema = json.loads(run("settings", "--schema").output)
    sections = [schema, *schema["$defs"].values()]
    assert len(sections) > 10
    assert all(section["additionalProperties"] is False for section in sections if section["type"] == "object")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_a_script_of_the_shell(shell: str) -> None:
    assert "COMPLETE=" in run("completion", shell).output.upper()


@pytest.mark.parametrize("command", sorted(main.commands))
def test_every_command_has_help_with_an_example(command: str) -> None:
    help_text = run(command, "--help").output
    assert "Example" in help_text
    assert f"kernelpod {command}" in help_text
