"""Options of servers' commands and of profiles' arguments stay: they may take something away from users."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from old_hubs import OPEN, fates, made_of, new, notes, unsaid

from kernelpod.importers.hub.shell import command_of
from kernelpod.importers.hub.values import Options
from kernelpod.importers.plain.hubs import imported_python
from kernelpod.importers.report import Imported

OFF = "--ServerApp.terminals_enabled=False"
SERVER = f"jupyterhub-singleuser {OFF}"
# What a shell runs, the options that servers get of it, and whether something else is in it.
TEXTS: list[tuple[str, list[str], bool]] = [
    (SERVER, [OFF], False),
    (f"exec {SERVER}", [OFF], False),
    (f"set -e; exec {SERVER}", [OFF], False),
    (f"set -euo pipefail\nexec {SERVER}", [OFF], False),
    (f"export KERNEL_PATH=/h/$JUPYTERHUB_USER; exec {SERVER}", [OFF], False),
    (f'env "KERNEL_PATH=/h/$JUPYTERHUB_USER" {SERVER}', [OFF], False),
    (f"/opt/conda/bin/{SERVER}", [OFF], False),
    ("start.sh jupyterhub-singleuser --A.b='*'", ["--A.b=*"], False),
    ("exec tini -g -- start-singleuser.sh --A.b=1", ["--A.b=1"], False),
    ("jupyter labhub --A.b=1", ["--A.b=1"], False),
    ("python3 -m jupyterhub.singleuser --A.b=1", ["--A.b=1"], False),
    ("jupyterhub-singleuser --A.b 1 --debug", ["--A.b", "1", "--debug"], False),
    ("jupyterhub-singleuser \\\n  --A.b=1 \\\n  --C.d=2", ["--A.b=1", "--C.d=2"], False),
    ("jupyterhub-singleuser --A.b=\"{'a': 'b, c'}\"", ["--A.b={'a': 'b, c'}"], False),
    ('jupyterhub-singleuser --A.b="a;b|c"', ["--A.b=a;b|c"], False),
    ('jupyterhub-singleuser --A.b=1 "$@"', ["--A.b=1"], False),
    ("jupyterhub-singleuser --gateway-url=http://x --A.b=1", ["--A.b=1"], False),
    ("jupyterhub-singleuser --gateway-url http://x", [], False),
    ("jupyterhub-singleuser", [], False),
    (f"mkdir -p ~/a && exec {SERVER}", [OFF], True),
    (f"cp -r /opt/a ~\n{SERVER}\n", [OFF], True),
    (f"FOO=bar {SERVER}", [OFF], True),
    (f"sudo {SERVER}", [OFF], True),
    (f"{SERVER} > /tmp/log 2>&1", [OFF], True),
    (f"{SERVER} > /tmp/log {OFF}", [], True),
    (f"> /log {SERVER}", [], True),
    ("jupyterhub-singleuser --A.b='> x'", ["--A.b=> x"], False),
    ("jupyterhub-singleuser --A.b={1,2}", [], True),
    ("jupyterhub-singleuser --A.b='{1,2}'", ["--A.b={1,2}"], False),
    ("jupyterhub-singleuser --A.b ~/x", [], True),
    ("jupyterhub-singleuser --A.b='$x' --C.d=\"\\$y\"", ["--A.b=$x", "--C.d=$y"], False),
    ('jupyterhub-singleuser --A.b="$x"', [], True),
    ("jupyterhub-singleuser --A.b=1\\\n--C.d=2", ["--A.b=1--C.d=2"], False),
    ("jupyterhub-singleuser --A.b='x\\\ny'", ["--A.b=x\\\ny"], False),
    ("jupyterhub-singleuser ';' --A.b=1", ["--A.b=1"], False),
    ("jupyterhub-singleuser --A.b='a'\"b\"\\ c#d", ["--A.b=ab c#d"], False),
    ("jupyterhub-singleuser --A.b='", [], True),
    ("jupyterhub-singleuser --A.b=\\", [], True),
    (f"{SERVER} | tee /log", [OFF], True),
    (f"{SERVER} || sleep 9", [OFF], True),
    (f"{SERVER} --A.b=$HOME", [], True),
    (f"if true; then {SERVER}; fi", [], True),
    (f"{SERVER} & {SERVER} --A.b=1", [], True),
    (f"({SERVER})", [], True),
    (f"{SERVER} $(cat /options)", [], True),
    (f"{SERVER} `cat /options`", [], True),
    (f"{SERVER} # why", [], True),
    (f'{SERVER} "', [], True),
    ("sleep 9", [], True),
    ("", [], True),
    ('"$0" --A.b=1', [], True),
    ("\x00\x07", [], True),
    ("x" * 50_000, [], True),
    ("eval jupyterhub-singleuser --A.b=1", ["--A.b=1"], True),
    ("while sleep 1; do jupyterhub-singleuser --A.b=1; done", [], True),
    ("function f { jupyterhub-singleuser --A.b=1; }; f", [], True),
    (f"echo start jupyterhub-singleuser; exec {SERVER}", [OFF], True),
    (f"jupyter labextension disable a && exec {SERVER}", [OFF], True),
    ("jupyter lab --A.b=1", ["--A.b=1"], False),
    ("jupyter-labhub --A.b=1", ["--A.b=1"], False),
]


@pytest.mark.parametrize(("text", "options", "more"), TEXTS)
@pytest.mark.parametrize("shell", [["bash", "-c"], ["/bin/sh", "-ec"], ["tini", "--", "bash", "-l", "-c"]])
def test_a_text_that_a_shell_runs(shell: list[str], text: str, options: list[str], more: bool) -> None:
    found = command_of([*shell, text])
    assert (found.options, found.more, found.text) == (options, more, len(shell))


@pytest.mark.parametrize(
    ("command", "options"),
    [
        (["jupyterhub-singleuser", OFF], [OFF]),
        (["jupyterhub-singleuser", "--A.b", "1", "x", "-y"], ["--A.b", "1"]),
        (["jupyterhub-singleuser", "--gateway-url", "http://x", OFF], [OFF]),
        (["bash", "-c", 'set -e; exec "$@"', "--", "jupyterhub-singleuser", OFF], [OFF]),
        (["bash", "/start.sh", OFF], [OFF]),
        (["bash", "-c"], []),
        ([OFF], []),
        ([], []),
        (None, []),
        ("jupyterhub-singleuser --A.b=1", []),
        ([None, 3, {"a": 1}], []),
    ],
)
def test_a_plain_command(command: Any, options: list[str]) -> None:
    assert command_of(command).options == options


def test_words_of_a_text_are_its_arguments() -> None:
    given = ["sh", "-c", 'mkdir -p ~/a; exec "$@"', "sh", "jupyterhub-singleuser", OFF]
    assert (command_of(given).options, command_of(given).more) == ([OFF], True)


def of_command(folder: Path, command: Any, more: str = "", config: str = "") -> Imported:
    text = OPEN if not config else f"hub: {{config: {{Authenticator: {{allow_all: true}}, {config}}}}}\n"
    servers = f"cmd: {yaml.safe_dump(command, default_flow_style=True).strip()}, storage: {{type: none}}{more}"
    made = made_of(folder, f"{text}singleuser: {{{servers}}}\n")
    assert unsaid(made) == []
    return made


def test_the_rest_of_a_text_is_quoted(tmp_path: Path) -> None:
    made = of_command(tmp_path, ["bash", "-c", f"mkdir -p ~/a && {SERVER}"])
    assert new(made)[0]["hub"]["config"]["Spawner"]["args"] == [OFF]
    [(change, why)] = notes(made, "singleuser.cmd.2")
    assert (change, why.endswith(f"of servers: mkdir -p ~/a && {SERVER}")) == ("left", True)
    assert fates(made)["singleuser.cmd.0"] == "dropped"
    made = of_command(tmp_path, ["bash", "-c", SERVER])
    assert fates(made)["singleuser.cmd.2"] == "changed"


@pytest.mark.parametrize(
    "text",
    [
        f"export GITHUB_TOKEN=hunter2; {SERVER}",
        f"git clone https://eve:hunter2@example.org/x; {SERVER}",
        f"curl -u eve:hunter2 x; {SERVER}",
        "jupyterhub-singleuser --ServerApp.token=hunter2",
        "jupyterhub-singleuser --ServerApp.password hunter2 > /log",
    ],
)
def test_a_secret_in_a_text_is_in_no_report(tmp_path: Path, text: str) -> None:
    made = of_command(tmp_path, ["bash", "-c", text])
    public = [raw for name, raw in made.files.items() if name not in made.private]
    assert "hunter2" not in b"".join(public).decode() + "\n".join(made.said()) + str(made.as_dict(()))


BASE = ["--A.b=1"]
PROFILES: list[tuple[dict[str, Any], list[str] | None]] = [
    ({}, None),
    ({"args": ["--C.d=2"]}, [OFF, "--C.d=2"]),
    ({"args": ["--C.d", "2", "x", "--gateway-url", "http://x"]}, [OFF, "--C.d", "2"]),
    ({"args": []}, [OFF]),
    ({"args": BASE}, None),
    ({"args": "--C.d=2"}, None),
    ({"args": None}, None),
    ({"args": [None, 3, {"a": 1}]}, [OFF]),
    ({"cmd": ["jupyterhub-singleuser", "--C.d=2"]}, ["--C.d=2", *BASE]),
    ({"cmd": ["bash", "-c", "jupyterhub-singleuser --C.d=2"]}, ["--C.d=2", *BASE]),
    ({"cmd": ["bash", "-c", "jupyterhub-singleuser --C.d=2"], "args": ["--E.f=3"]}, ["--C.d=2", "--E.f=3"]),
    ({"cmd": "jupyterhub-singleuser"}, BASE),
    ({"cmd": ["jupyterhub-singleuser", OFF]}, None),
    ({"cmd": None}, None),
    ({"cmd": {"a": 1}, "args": {"a": 1}}, BASE),
]


@pytest.mark.parametrize(("override", "args"), PROFILES)
def test_a_profile_has_the_options_that_it_had(
    tmp_path: Path, override: dict[str, Any], args: list[str] | None
) -> None:
    for spelled in (
        [{"display_name": "a", "kubespawner_override": {**override, "cpu_limit": 1}}],
        [{"display_name": "a", "profile_options": {"o": {"choices": {"c": {"kubespawner_override": override}}}}}],
    ):
        given = yaml.safe_dump(spelled, default_flow_style=True, width=9999).strip()
        made = of_command(
            tmp_path, ["jupyterhub-singleuser", OFF], f", profileList: {given}", f"KubeSpawner: {{args: {BASE}}}"
        )
        [profile] = new(made)[0]["singleuser"]["profileList"]
        found = profile.get("kubespawner_override")
        if found is None:
            found = profile["profile_options"]["o"]["choices"]["c"]["kubespawner_override"]
        assert ("cmd" in found, found.get("args")) == (False, args)
        assert new(made)[0]["hub"]["config"]["KubeSpawner"]["args"] == [OFF, *BASE]


def test_a_choice_has_the_command_of_its_profile(tmp_path: Path) -> None:
    choices = {"c": {"kubespawner_override": {"args": ["--E.f=3"]}}}
    override = {"cmd": ["jupyterhub-singleuser", "--C.d=2"]}
    profile = {"profile_options": {"o": {"choices": choices}}, "kubespawner_override": override}
    given = yaml.safe_dump([{"display_name": "a", **profile}], default_flow_style=True, width=9999).strip()
    made = of_command(tmp_path, ["jupyterhub-singleuser", OFF], f", profileList: {given}")
    [found] = new(made)[0]["singleuser"]["profileList"]
    assert found["profile_options"]["o"]["choices"]["c"]["kubespawner_override"]["args"] == ["--C.d=2", "--E.f=3"]


def test_arguments_of_a_hub_without_helm_have_the_generated_ones_too(tmp_path: Path) -> None:
    file = tmp_path / "jupyterhub_config.py"
    for section in ("Spawner", "DockerSpawner"):
        kind = "kubespawner.KubeSpawner" if section == "Spawner" else "docker"
        lines = f"c.JupyterHub.spawner_class = '{kind}'\nc.{section}.cmd = ['sh', '-c', '{SERVER}']\n"
        for more, args in (("", [OFF]), (f"c.{section}.args = ['--A.b=1']\n", [OFF, "--A.b=1"])):
            file.write_text(lines + more, encoding="utf-8")
            made = imported_python(file, Options())
            found = yaml.safe_load(made.files["config.yaml"])["Spawner"]["args"]
            assert found == [*args, "--GatewayWebSocketConnection.kernel_ws_protocol="]
            assert unsaid(made) == []
