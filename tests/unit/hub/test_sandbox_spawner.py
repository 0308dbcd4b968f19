"""Servers as processes of this machine: what they are told, where they write, which port they get."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kernelpod.base.freeports import hold_port
from kernelpod.settings.sections import Settings

pytestmark = pytest.mark.hub


def spawner(sandbox: str, uid: int, **traits: Any) -> Any:
    from kernelpod.hub.spawners.sandbox import SandboxSpawner

    settings = Settings.model_validate(
        {"policy": {"uid": uid}, "runtime": {"kind": "local", "local": {"sandbox": sandbox}}}
    )
    user = SimpleNamespace(name="ünal", groups=[])
    return SandboxSpawner(settings=settings, of_hub=settings.hub(), user=user, **traits)


@pytest.mark.parametrize(
    ("sandbox", "uid", "root"), [("none", 0, True), ("none", 1000, False), ("required", 1000, False)]
)
def test_root_is_allowed_where_the_server_really_runs_as_root(sandbox: str, uid: int, root: bool) -> None:
    assert ("--allow-root" in spawner(sandbox, uid).get_args()) == root


def test_a_server_has_a_log_of_its_own_where_there_is_a_folder_for_them(tmp_path: Path) -> None:
    one = spawner("none", os.getuid(), log_folder=str(tmp_path))
    with one._log_file() as output:
        subprocess.run(["sh", "-c", "echo said; echo complained >&2"], check=True, timeout=60, **output)
    (log,) = tmp_path.iterdir()
    assert log.name.startswith("server-nal---")
    assert log.read_text(encoding="utf-8") == "said\ncomplained\n"


def test_without_one_it_writes_into_the_hubs() -> None:
    with spawner("none", os.getuid())._log_file() as output:
        assert output == {}


def test_the_port_of_a_server_is_held_until_it_has_ended() -> None:
    one = spawner("none", os.getuid())
    one._port = hold_port()
    port = one._port.number
    other = hold_port(port)
    assert other.number != port
    other.release()
    one.clear_state()
    again = hold_port(port)
    assert again.number == port
    again.release()


@pytest.mark.parametrize(
    ("one", "other"), [(("alice", "bob"), ("alice-bob", "")), (("a-b", "c"), ("a", "b-c")), (("a", ""), ("A", ""))]
)
def test_no_two_servers_have_the_same_control_group(one: tuple[str, str], other: tuple[str, str]) -> None:
    """Starting a server ends what is left in its group."""

    def group(user: str, server: str) -> str:
        made = spawner("none", os.getuid())
        made.user = SimpleNamespace(name=user, groups=[])
        made.orm_spawner = SimpleNamespace(name=server, server=None)
        return str(made._group)

    assert group(*one) != group(*other)
