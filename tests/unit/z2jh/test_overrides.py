"""What an admin's values for Zero to JupyterHub break: every danger by its path, and harmless ones left alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from kernelpod.cli.main import main
from kernelpod.findings.finding import START, Finding
from kernelpod.findings.yamlfile import Spot, YamlTree
from kernelpod.settings.sections import Settings
from kernelpod.z2jh import overrides as checked
from kernelpod.z2jh.values import z2jh_values

SETTINGS: dict[str, Any] = {
    "servers": {"gateway_url": "http://kernelpod.gateway:8888"},
    "runtime": {"kubernetes": {"home_check_image": "gateway:1"}},
}
OURS = z2jh_values(Settings.model_validate(SETTINGS), "gateway")
CULLED = z2jh_values(Settings.model_validate({**SETTINGS, "culling": {"idle_seconds": 1800}}), "gateway")
HOSTS = z2jh_values(
    Settings.model_validate({**SETTINGS, "hubs": [{"subdomain_host": "https://h.org"}]}), "gateway"
)
COURSES = z2jh_values(Settings.model_validate({**SETTINGS, "hubs": [{"courses": "/c/t.yaml"}]}), "gateway")


def overrides(ours: dict[str, Any], yours: dict[str, Any]) -> list[Finding]:
    """Return what an admin's values override, at no place in particular."""
    return checked.overrides(ours, YamlTree(yours, {(): Spot(Path("yours.yaml"), START)}))


def nested(path: str, value: Any) -> dict[str, Any]:
    """Return values that say one thing."""
    for word in reversed(path.split("/")):
        value = {word: value}
    made: dict[str, Any] = value
    return made


DANGERS: list[tuple[str, Any, str, str]] = [
    ("singleuser/networkPolicy/enabled", False, "warning", "servers can reach all addresses"),
    ("singleuser/networkPolicy/egressAllowRules/privateIPs", True, "warning", "private addresses"),
    ("singleuser/networkPolicy/egressAllowRules/nonPrivateIPs", True, "warning", "metadata services"),
    ("hub/networkPolicy/egressAllowRules/nonPrivateIPs", True, "warning", "metadata services"),
    ("hub/networkPolicy/egressAllowRules/cloudMetadataServer", True, "warning", "metadata services"),
    ("singleuser/networkPolicy/egress", [], "error", "servers must reach the gateway"),
    ("hub/networkPolicy/egress", [], "error", "the hub must reach servers"),
    ("singleuser/cmd", ["start-singleuser.sh"], "error", "Unknown"),
    ("singleuser/cmd", None, "error", "Unknown"),
    ("singleuser/storage/type", "static", "error", "different homes"),
    ("singleuser/storage/type", "dynamic", "error", "different homes"),
    ("singleuser/storage/homeMountPath", "/home/x", "error", "different homes"),
    ("singleuser/storage/extraVolumes", [], "error", "one of them is the home"),
    ("singleuser/initContainers", [{"name": "mine"}], "error", "one of them creates homes"),
    ("singleuser/extraEnv/KERNEL_PATH", "/x/{username}", "error", "different homes"),
    ("singleuser/extraEnv/JUPYTER_GATEWAY_URL", "http://x", "error", "reach or use the gateway"),
    ("singleuser/extraEnv/KERNEL_VOLUMES", '[{"name": "h"}]', "error", "double literal braces"),
    ("singleuser/extraEnv/MINE", "{", "error", "double literal braces"),
    ("singleuser/uid", 4000, "error", "set policy.uid and policy.gid instead"),
    ("singleuser/fsGid", 100, "error", "the owners of all homes would change"),
    ("singleuser/allowPrivilegeEscalation", True, "warning", "privileges"),
    ("hub/db/type", "sqlite-memory", "error", "loses all running servers"),
    ("hub/loadRoles/user", None, "error", "does not start"),
    ("hub/loadRoles/other", None, "error", "does not start"),
    ("hub/loadRoles/user/scopes", ["self"], "error", "add them"),
    ("hub/config/KubeSpawner/delete_grace_period", 1, "error", "servers end before their kernels are deleted"),
    ("hub/config/Spawner/server_token_scopes", ["users:activity!user"], "error", "add them"),
    ("hub/networkPolicy/ingress", [], "error", "the gateway must reach the hub"),
    ("hub/services/kernelpod", None, "error", "a service of the hub"),
    ("hub/services", None, "error", "the section is removed"),
    ("singleuser/storage", None, "error", "the section is removed"),
    ("fullnameOverride", "teaching", "error", "that of the Service `hub`"),
    ("fullnameOverride", None, "error", "that of the Service `hub`"),
    ("hub/baseUrl", "/jupyter/", "error", "set hubs[].api_url"),
    ("hub/config/JupyterHub/base_url", "/jupyter/", "error", "set hub.baseUrl instead"),
    ("hub/config/JupyterHub/load_roles", [{"name": "x"}], "error", "add yours to hub.loadRoles"),
    ("hub/config/JupyterHub/services", [], "error", "add yours to hub.services"),
    ("hub/config/JupyterHub/spawner_class", "simple", "error", "another spawner"),
    ("hub/config/JupyterHub/db_url", "sqlite:///:memory:", "error", "loses all running servers"),
    ("hub/db/url", "sqlite://", "error", "loses all running servers"),
    ("hub/config/KubeSpawner/environment", {"MINE": "a"}, "error", "the generated variables are lost"),
    ("hub/config/KubeSpawner/cmd", ["start.sh"], "error", "Unknown"),
    ("hub/config/KubeSpawner/args", ["--x"], "warning", "override the generated ones"),
    ("hub/config/KubeSpawner/slug_scheme", "escape", "error", "different homes"),
    ("hub/config/KubeSpawner/uid", 4000, "error", "different ids"),
    ("hub/config/KubeSpawner/gid", 4000, "error", "different ids"),
    ("hub/config/KubeSpawner/volumes", {"mine": {"name": "mine"}}, "error", "one of them is the home"),
    ("hub/config/KubeSpawner/volume_mounts", [], "error", "one of them is the home"),
    ("hub/config/KubeSpawner/init_containers", [{"name": "mine"}], "error", "one of them creates homes"),
    (
        "hub/config/KubeSpawner/extra_pod_config",
        {"hostname": "x"},
        "error",
        "generated fields of the pod are lost",
    ),
    ("hub/config/KubeSpawner/working_dir", "/srv", "error", "not start in their home"),
    ("hub/config/KubeSpawner/server_token_scopes", [], "error", "add them"),
    ("hub/config/KubeSpawner/pod_security_context/runAsUser", 0, "error", "different ids"),
    ("hub/config/KubeSpawner/container_security_context/privileged", True, "warning", "all privileges"),
    ("hub/config/KubeSpawner/extra_container_config/workingDir", "/srv", "warning", "replaces a field"),
    ("hub/config/KubeSpawner/enable_user_namespaces", True, "error", "do not hold in other namespaces"),
    ("hub/config/Spawner/cmd", ["start.sh"], "error", "Unknown"),
    ("singleuser/extraEnv", None, "error", "the generated variables are lost"),
    ("singleuser/extraPodConfig/volumes", [{"name": "x"}], "error", "replaces the home"),
    ("singleuser/initContainers", {"mine": {"name": "mine"}}, "error", "one of them creates homes"),
    ("singleuser/storage/extraVolumes/kernelpod-00", None, "error", "one of them is the home"),
    ("singleuser/storage/extraVolumes/mine/name", "homes", "error", "choose another"),
    ("singleuser/storage/extraVolumeMounts/mine/mountPath", "/home/jovyan", "error", "choose another"),
    ("cull/enabled", True, "error", "set culling.idle_seconds instead"),
    ("cull/maxAge", 86400, "warning", "while their kernels are busy"),
]


@pytest.mark.parametrize(("path", "value", "level", "said"), DANGERS)
def test_a_dangerous_value_is_named_with_what_it_breaks(path: str, value: Any, level: str, said: str) -> None:
    (found,) = overrides(OURS, nested(path, value))
    assert found.level == level
    assert found.text.startswith(f"{path.replace('/', '.')}: ")
    assert said in found.text


@pytest.mark.parametrize(
    ("trait", "value", "said"),
    [
        ("cmd", ["start.sh"], "Unknown"),
        ("uid", 4000, "different ids"),
        ("volumes", [{"name": "mine"}], "one of them is the home"),
        ("init_containers", [], "one of them creates homes"),
        ("working_dir", "/srv", "not start in their home"),
        ("environment/JUPYTER_GATEWAY_URL", "http://x", "reach or use the gateway"),
        ("environment/MINE", "{", "double literal braces"),
    ],
)
def test_a_profile_is_no_way_around(trait: str, value: Any, said: str) -> None:
    override = {"kubespawner_override": nested(trait, value)}
    choice = {"profile_options": {"size": {"choices": {"large": override}}}}
    for profile in (override, choice):
        for path in ("singleuser/profileList", "hub/config/KubeSpawner/profile_list"):
            (found,) = overrides(OURS, nested(path, [{"display_name": "A"}, profile]))
            assert (found.level, said in found.text) == ("error", True), found
            assert found.text.startswith(f"{path.replace('/', '.')}.1.")


@pytest.mark.parametrize("version", ["3.3.8", "4.0.0", "4.4.0"])
@pytest.mark.parametrize("mine", [[{"name": "mine"}], {"mine": {"name": "mine"}}], ids=["list", "mapping"])
def test_volumes_of_an_admin_are_added_or_replace_ours(version: str, mine: Any) -> None:
    """Helm merges a mapping only with a mapping."""
    ours = z2jh_values(Settings.model_validate(SETTINGS), "gateway", chart_version=version)
    found = overrides(ours, nested("singleuser/storage/extraVolumes", mine))
    added = version == "4.4.0" and isinstance(mine, dict)
    assert [one.level for one in found] == ([] if added else ["error"])


@pytest.mark.parametrize(("version", "errors"), [("3.3.8", 1), ("4.0.0", 0)])
@pytest.mark.parametrize("path", ["hub/config/Authenticator/allowed_users", "hub/config/X/admin_users"])
def test_users_whose_names_end_the_hub_are_named(path: str, version: str, errors: int) -> None:
    ours = z2jh_values(Settings.model_validate(SETTINGS), "gateway", chart_version=version)
    found = overrides(ours, nested(path, ["alice", "john.doe"]))
    assert [one.level for one in found] == ["error"] * errors
    assert all(": john.doe: this chart's hub does not start" in one.text for one in found)
    assert overrides(ours, nested(path, ["alice", "Bob"])) == []


def test_a_hub_below_a_path_is_followed_where_the_gateway_asks_it_there() -> None:
    hubs = {"hubs": [{"api_url": "http://hub.hub:8081/jupyter/hub/api"}]}
    ours = z2jh_values(Settings.model_validate({**SETTINGS, **hubs}), "gateway")
    assert ours["hub"]["baseUrl"] == "/jupyter/"
    assert overrides(ours, nested("hub/baseUrl", "/jupyter/")) == []
    assert overrides(ours, nested("hub/baseUrl", "/"))[0].level == "error"


WITH_CULLING: list[tuple[str, Any, str, str]] = [
    ("cull/enabled", False, "error", "set culling.idle_seconds instead"),
    ("cull/enabled", None, "error", "set culling.idle_seconds instead"),
    ("cull/timeout", 1800, "error", "servers are culled before their kernels"),
    ("cull/timeout", None, "error", "servers are culled before their kernels"),
    ("cull/every", None, "warning", "its own default interval"),
    ("cull", None, "error", "the section is removed"),
    ("singleuser/extraEnv/JUPYTERHUB_ACTIVITY_INTERVAL", "3600", "error", "too late"),
    ("singleuser/extraEnv/KERNELPOD_ACTIVITY_SECONDS", None, "error", "too late"),
]


@pytest.mark.parametrize(("path", "value", "level", "said"), WITH_CULLING)
def test_what_contradicts_the_one_number_is_named(path: str, value: Any, level: str, said: str) -> None:
    (found,) = overrides(CULLED, nested(path, value))
    assert found.level == level
    assert found.text.startswith(f"{path.replace('/', '.')}: ")
    assert said in found.text


@pytest.mark.parametrize(("path", "value"), [("cull/timeout", 7200), ("cull/every", 60), ("cull/users", True)])
def test_culling_later_or_looking_more_often_contradicts_nothing(path: str, value: Any) -> None:
    assert [one for one in overrides(CULLED, nested(path, value)) if one.level != "note"] == []


HARMLESS: list[tuple[str, Any]] = [
    ("singleuser/networkPolicy/enabled", True),
    ("singleuser/storage/type", "none"),
    ("singleuser/extraEnv/MINE", "a {{brace}} and {username}"),
    ("singleuser/extraEnv/FROM", {"valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}}),
    ("singleuser/memory/limit", "2G"),
    ("hub/config/KubeSpawner/delete_grace_period", 130),
    ("hub/loadRoles/user/scopes", [*OURS["hub"]["loadRoles"]["user"]["scopes"], "read:users"]),
    ("singleuser/networkPolicy/egress", OURS["singleuser"]["networkPolicy"]["egress"][:1]),
    ("singleuser/networkPolicy/egress", [*OURS["singleuser"]["networkPolicy"]["egress"], {"to": []}]),
    ("hub/db/type", "postgres"),
    ("proxy/https/enabled", True),
    ("hub/loadRoles/teacher", {"scopes": ["self"]}),
    ("fullnameOverride", ""),
    ("nameOverride", "teaching"),
    ("hub/baseUrl", "/"),
    ("hub/config/JupyterHub/db_url", "postgresql://db/hub"),
    ("hub/config/KubeSpawner/mem_limit", "2G"),
    ("hub/config/KubeSpawner/pod_security_context/fsGroupChangePolicy", "OnRootMismatch"),
    ("hub/config/Spawner/http_timeout", 60),
    ("singleuser/extraPodConfig/dnsPolicy", "None"),
    ("singleuser/profileList", [{"display_name": "A", "kubespawner_override": {"mem_limit": "2G"}}]),
    ("singleuser/profileList", [{"kubespawner_override": {"environment": {"MINE": "a"}}}]),
    ("singleuser/storage/extraVolumes/mine", {"name": "mine", "emptyDir": {}}),
    ("singleuser/storage/extraVolumeMounts/mine", {"name": "mine", "mountPath": "/mine"}),
]


@pytest.mark.parametrize(("path", "value"), HARMLESS)
def test_a_harmless_value_breaks_nothing(path: str, value: Any) -> None:
    assert [one for one in overrides(OURS, nested(path, value)) if one.level != "note"] == []


def test_our_own_values_over_ours_change_nothing() -> None:
    assert overrides(OURS, OURS) == overrides(COURSES, COURSES) == overrides(CULLED, CULLED) == []


def test_with_courses_the_path_of_the_kernel_is_not_to_be_set_either() -> None:
    (found,) = overrides(COURSES, nested("singleuser/extraEnv/KERNEL_PATH", "/x"))
    assert found.level == "error"
    (found,) = overrides(COURSES, nested("hub/extraConfig/90-kernelpod", "pass"))
    assert "its courses" in found.text


@pytest.mark.parametrize("ours", [OURS, COURSES], ids=["plain", "courses"])
def test_failed_starts_of_a_user_are_not_to_end_the_hub(ours: dict[str, Any]) -> None:
    (found,) = overrides(ours, nested("hub/consecutiveFailureLimit", 5))
    assert (found.level, "can end the hub" in found.text) == ("warning", True)


def test_the_command_says_it_and_exits_1_for_what_breaks(tmp_path: Path) -> None:
    settings, yours = tmp_path / "settings.yaml", tmp_path / "yours.yaml"
    settings.write_text(yaml.safe_dump(SETTINGS), encoding="utf-8")
    yours.write_text("singleuser:\n  cmd: [x]\n  networkPolicy: {enabled: false}\n", encoding="utf-8")
    words = ["hub", "check-values", "--settings", str(settings), str(yours)]
    done = CliRunner().invoke(main, words)
    assert (done.exit_code, len(done.output.splitlines())) == (1, 2)
    assert f"{yours}:2:3: error: singleuser.cmd: " in done.output
    assert [one["level"] for one in json.loads(CliRunner().invoke(main, [*words, "--json"]).output)] == [
        "error",
        "warning",
    ]
    yours.write_text("singleuser: {networkPolicy: {enabled: false}}", encoding="utf-8")
    assert CliRunner().invoke(main, words).exit_code == 0


@pytest.mark.parametrize(("text", "said"), [("[1]", "must be a mapping"), ("{", "not YAML"), (None, "yours.yaml")])
def test_what_are_no_values_is_said(tmp_path: Path, text: str | None, said: str) -> None:
    settings, yours = tmp_path / "settings.yaml", tmp_path / "yours.yaml"
    settings.write_text(yaml.safe_dump(SETTINGS), encoding="utf-8")
    if text is not None:
        yours.write_text(text, encoding="utf-8")
    done = CliRunner().invoke(main, ["hub", "check-values", "--settings", str(settings), str(yours)])
    assert done.exit_code == 2
    assert said in done.output


@pytest.mark.parametrize(
    ("path", "value", "level", "said"),
    [
        ("hub/config/JupyterHub/subdomain_host", "", "error", "servers would share an origin"),
        ("hub/config/JupyterHub/cookie_host_prefix_enabled", False, "warning", "log somebody in as another user"),
        ("proxy/chp/extraCommandLineFlags", ["--x"], "error", "must tell the servers' hosts apart"),
    ],
)
def test_what_would_end_the_hosts_of_servers_is_said(path: str, value: Any, level: str, said: str) -> None:
    (found,) = overrides(HOSTS, nested(path, value))
    assert found.level == level
    assert said in found.text
    assert (
        overrides(HOSTS, nested("proxy/chp/extraCommandLineFlags", ["--x", "--host-routing"]))[0].level == "note"
    )
