"""What a site's file may add to Kernelpod's services, roles and servers' variables, and what it may not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from kernelpod.findings.finding import FindingsError

pytestmark = pytest.mark.hub


def configured(tmp_path: Path, text: str) -> Any:
    """Return a configuration as ours, with this file added."""
    from traitlets.config import Config

    from kernelpod.hub.configfile.traits import configure_from

    c = Config()
    c.JupyterHub.services = [{"name": "culler", "command": ["python", "-m", "culler"]}]
    c.JupyterHub.load_roles = [{"name": "user", "scopes": ["self", "access:services"]}]
    c.Spawner.environment = {"OURS": "1"}
    (tmp_path / "config.yaml").write_text(text, encoding="utf-8")
    configure_from(c, tmp_path / "config.yaml")
    return c


def test_a_command_is_replaced_and_scopes_are_joined(tmp_path: Path) -> None:
    culler = {"name": "culler", "command": ["mine", "-m", "culler"], "oauth_client_allowed_scopes": ["b"]}
    role = {"name": "user", "scopes": ["self", "read:hub"], "users": ["carol"]}
    sections = {"JupyterHub": {"services": [culler], "load_roles": [role]}}
    c = configured(tmp_path, yaml.safe_dump(sections))
    assert c.JupyterHub.services == [culler]
    assert c.JupyterHub.load_roles == [{**role, "scopes": ["self", "access:services", "read:hub"]}]


@pytest.mark.parametrize("order", [("Spawner", "KubeSpawner"), ("KubeSpawner", "Spawner")], ids=" ".join)
def test_the_order_of_sections_does_not_count(tmp_path: Path, order: tuple[str, str]) -> None:
    c = configured(tmp_path, "".join(f"{name}: {{environment: {{{name}: '1'}}}}\n" for name in order))
    assert c.KubeSpawner.environment.keys() == {"OURS", "Spawner", "KubeSpawner"}


@pytest.mark.parametrize(
    ("made", "of"), [("PodSpawner", "KubeSpawner"), ("SandboxSpawner", "LocalProcessSpawner")]
)
def test_our_spawners_have_the_variables_of_those_they_are_made_from(tmp_path: Path, made: str, of: str) -> None:
    sections = {
        made: {"environment": {"MADE": "1", "BOTH": "made"}},
        of: {"environment": {"OF": "1", "BOTH": "of"}},
    }
    c = configured(tmp_path, yaml.safe_dump(sections, sort_keys=False))
    assert c[made].environment == {"OURS": "1", "OF": "1", "MADE": "1", "BOTH": "made"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("load_roles: [null]", "each entry is a mapping with a name"),
        ("load_roles: [{scopes: [self]}]", "each entry is a mapping with a name"),
        ("load_roles: [{name: [user], scopes: [self]}]", "each entry is a mapping with a name"),
        ("load_roles: [{name: user, scopes: null}]", "user: scopes: expected a list of texts"),
        ("load_roles: [{name: user, scopes: self}]", "user: scopes: expected a list of texts"),
        ("load_roles: [{name: user, scopes: [{a: b}]}]", "user: scopes: expected a list of texts"),
        ("load_roles: [{name: staff, users: [1234]}]", "staff: users: expected a list of texts; put a number in"),
        ("services: [announcements]", "each entry is a mapping with a name"),
        ("extra_user_scopes: [[read:hub]]", "expected a list of texts"),
        ("load_roles: {name: user}", "expected a list, not a value of type dict"),
    ],
)
def test_what_cannot_be_joined_is_said_with_its_place(tmp_path: Path, given: str, said: str) -> None:
    with pytest.raises(FindingsError) as error:
        configured(tmp_path, f"JupyterHub: {{{given}}}\n")
    (finding,) = error.value.findings
    trait = given.partition(":")[0]
    assert (finding.place.line, finding.text.startswith(f"JupyterHub.{trait}: {said}")) == (1, True), finding.text
