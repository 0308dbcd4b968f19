"""What is said of files of values with keys that the chart does not have, and with names that are given twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from hub_settings import SECTIONS

from kernelpod.base.chartkeys import KEYS
from kernelpod.base.chartkeys import SECTIONS as OF_CHART
from kernelpod.cli.main import main
from kernelpod.findings.yamlfile import read_tree
from kernelpod.settings.sections import Settings
from kernelpod.z2jh.chartfile import strays
from kernelpod.z2jh.overrides import overrides
from kernelpod.z2jh.values import z2jh_values
from zero_schema import SCHEMAS, VERSIONS

CULLED = {**SECTIONS, "culling": {"idle_seconds": 1800}}
FAULTS: list[tuple[str, str, str]] = [
    (
        "hub: {loadRoles: {everybody: {name: user}}}",
        "hub.loadRoles.everybody.name",
        "hub.loadRoles.user is a",
    ),
    ("hub: {loadRoles: {user: {name: x}}}", "hub.loadRoles.user.name", "need this role by the name user"),
    ("hub: {loadRoles: {jupyterhub-idle-culler: {}}}", "hub.loadRoles.jupyterhub-idle-culler", "the chart's own"),
    ("hub: {services: {a: {name: kernelpod}}}", "hub.services.a.name", "keep one of them only"),
    (
        "hub: {services: {kernelpod: {name: a}}}",
        "hub.services.kernelpod.name",
        "by the name kernelpod",
    ),
    (
        "jupyterhub: {singleuser: {cmd: [x]}}",
        "jupyterhub",
        "write what is below jupyterhub into a file",
    ),
    ("a: {b: {c: {hub: {}}}}", "a.b.c", "write what is below a.b.c into a file of its own"),
    ("singelUser: {cmd: [x]}", "singelUser", "no such section; did you mean singleuser?"),
    ("rubbish: 1", "rubbish", "the chart has no such section; remove it"),
    ("singleuser: {extraEnvs: {}}", "singleuser.extraEnvs", "no such key; did you mean extraEnv?"),
    ("cull: {enable: true}", "cull.enable", "did you mean enabled?"),
    (
        "hub: {config: {KubeSpwner: {}}}",
        "hub.config.KubeSpwner",
        "did you mean KubeSpawner?",
    ),
    ("hub: {config: {jupyterhub: {}}}", "hub.config.jupyterhub", "did you mean JupyterHub?"),
    ("hub: {config: {OAuthenticator: [a]}}", "hub.config.OAuthenticator", "a section is a mapping of traits"),
]


def said(folder: Path, text: str, version: str = "4.4", sections: dict[str, Any] = CULLED) -> list[str]:
    path = folder / "yours.yaml"
    path.write_text(text, encoding="utf-8")
    ours = z2jh_values(Settings.model_validate(sections), "gateway", chart_version=version)
    return [f"{one.level}: {one.text}" for one in overrides(ours, read_tree(path), version) if one.level != "note"]


@pytest.mark.parametrize(("text", "place", "sentence"), FAULTS)
def test_a_fault_of_the_file_is_one_error_at_its_place(
    tmp_path: Path, text: str, place: str, sentence: str
) -> None:
    (found,) = said(tmp_path, text)
    assert found.startswith(f"error: {place}: ")
    assert sentence in found


def test_two_roles_of_an_admins_are_both_named(tmp_path: Path) -> None:
    assert len(said(tmp_path, "hub: {loadRoles: {a: {name: x}, b: {name: x}, c: {}}}")) == 2


@pytest.mark.parametrize(
    "text",
    [
        "hub: {loadRoles: {teacher: {name: lecturer}, admin: {scopes: []}}, services: {mine: {name: other}}}",
        "hub: {config: {GitHubOAuthenticator: {client_id: a}, OAuthenticator: {}, OurOwn: {a: b}}}",
        "hub: {config: {Authenticator: , JupyterHub: }}",
        "custom: {jupyterhub: {hub: {}}}",
        "httpRoute: {enabled: true}",
    ],
)
def test_names_and_keys_that_are_known_or_an_admins_own_are_no_fault(tmp_path: Path, text: str) -> None:
    assert [one for one in said(tmp_path, text) if "removed" not in one] == []


def test_a_section_is_no_other_charts(tmp_path: Path) -> None:
    assert said(tmp_path, "httpRoute: {}", "4.0.0") == [
        "error: httpRoute: the chart has no such section; remove it"
    ]
    assert said(tmp_path, "hub: {config: {SimpleSpawner: {cmd: a}}}")[0].startswith(
        "warning: hub.config.SimpleSpawner"
    )


@pytest.mark.skipif(not SCHEMAS, reason="set KERNELPOD_Z2JH_SCHEMAS to a folder of the chart's schemas")
@pytest.mark.parametrize("version", VERSIONS)
def test_sections_and_keys_are_those_of_the_chart(version: str) -> None:
    schema = yaml.safe_load((Path(SCHEMAS) / f"values.schema-{version}.yaml").read_text(encoding="utf-8"))
    chart = schema["properties"]
    assert [key for key in OF_CHART if list(strays({key: {}}, version, {}))] == sorted(OF_CHART - chart.keys())
    assert list(strays({key: {} for key in chart}, version, {})) == []
    for section, keys in KEYS.items():
        # The schema still describes this key, which the chart refuses since 2.0.
        removed = {"enabled"} if section == "rbac" else set()
        assert keys == chart[section]["properties"].keys() - removed


def test_the_command_says_for_which_chart_all_holds(tmp_path: Path) -> None:
    settings, yours = tmp_path / "settings.yaml", tmp_path / "yours.yaml"
    settings.write_text(yaml.safe_dump(SECTIONS), encoding="utf-8")
    yours.write_text("singleuser: {memory: {limit: 2G}}", encoding="utf-8")
    words = ["hub", "check-values", "--settings", str(settings), str(yours), "--chart-version"]
    done = CliRunner().invoke(main, [*words, "4.0.0"])
    assert (done.exit_code, done.output) == (
        0,
        f"{yours}: what servers and kernels need holds with chart 4.0.0.\n",
    )
    assert CliRunner().invoke(main, [*words, "4.0.0", "--json"]).output == "[]\n"
    yours.write_text("singleuser:\n  cmd: [x]\n", encoding="utf-8")
    done = CliRunner().invoke(main, [*words, "4.4"])
    assert (done.exit_code, "holds" in done.output) == (1, False)
