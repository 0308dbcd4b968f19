"""Values of a stock Enterprise Gateway's chart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from old_hubs import ROOT, WORLDS, asked, fates, notes, run, unsaid

from kernelpod.base.merging import merged
from kernelpod.deploy.withouthelm.chart import rendered
from kernelpod.importers.gateway.values import GATEWAY_CHART, imported_gateway
from kernelpod.importers.helm.files import helm_values
from kernelpod.importers.hub.layout import guessed
from kernelpod.importers.report import Imported, ImportingError
from kernelpod.settings.sections import Settings

KERNEL = "kernel: {launchTimeout: 60}\n"


def gateway_of(folder: Path, text: str) -> tuple[Imported, dict[str, Any]]:
    (folder / "old.yaml").write_text(text, encoding="utf-8")
    made = imported_gateway(helm_values([folder / "old.yaml"], chart=GATEWAY_CHART))
    data: dict[str, Any] = yaml.safe_load(made.files["gateway.yaml"]) or {}
    return made, data


def with_variable(folder: Path, name: str, value: str) -> tuple[Imported, dict[str, Any]]:
    return gateway_of(folder, f"{KERNEL}deployment: {{extraEnv: {{{name}: {value!r}}}}}\n")


@pytest.mark.parametrize("world", ["gateway-stock", "gateway-umbrella"])
def test_the_chart_takes_what_comes_out(world: str) -> None:
    made: dict[str, Any] = {}
    for name in ("gateway.yaml", "secrets.yaml"):
        file = WORLDS / world / "made" / name
        made = merged(made, yaml.safe_load(file.read_text(encoding="utf-8")) if file.exists() else {})
    objects = rendered(ROOT / "charts" / "kernelpod", made, "kernelpod", "gateway")
    assert [one for one in objects if one["kind"] == "Deployment"]


def test_no_secret_is_printed_or_readable_by_others(tmp_path: Path) -> None:
    said = run(WORLDS / "gateway-stock" / "values.yaml", "--to", tmp_path / "new")
    for name in ("gateway.yaml", "import-report.json"):
        said += (tmp_path / "new" / name).read_text(encoding="utf-8")
    assert not [secret for secret in ("s3cr3tn0w", "made-up-t0ken", "eyJhdXRocyI6") if secret in said]
    for name in ("secrets.yaml", "pull-secrets.yaml"):
        assert (tmp_path / "new" / name).stat().st_mode & 0o777 == 0o600


SETTINGS = [
    ("EG_MAX_KERNELS_PER_USER", "-1", {"policy": {"max_kernels_per_user": None}}),
    ("EG_MAX_KERNELS", "7", {"policy": {"max_kernels": 7}}),
    ("KG_CULL_IDLE_TIMEOUT", "-5", {"culling": {"idle_seconds": 0}}),
    ("EG_CULL_BUSY", "True", {"culling": {"busy": "cull"}}),
    ("EG_WS_PING_INTERVAL_SECS", "20", {"gateway": {"ping_interval_seconds": 20}}),
    ("EG_DEFAULT_KERNEL_NAME", "r_kubernetes", {"kernelspecs": {"default": "r-kubernetes"}}),
    (
        "EG_UNAUTHORIZED_USERS",
        "mia, jo",
        {"policy": {"rules": [{"users": ["mia", "jo"], "max_kernels_per_user": 0}]}},
    ),
    (
        "EG_AUTHORIZED_USERS",
        '["mia"]',
        {"policy": {"rules": [{"users": ["mia"], "max_kernels_per_user": 10}], "max_kernels_per_user": 0}},
    ),
]


@pytest.mark.parametrize(("name", "value", "settings"), SETTINGS)
def test_a_variable_is_a_setting(tmp_path: Path, name: str, value: str, settings: dict[str, Any]) -> None:
    made, data = with_variable(tmp_path, name, value)
    assert data["settings"] == {"start": {"launch_timeout_seconds": 60}, **settings}
    assert fates(made)[f"deployment.extraEnv.{name}"] == "changed"


DROPPED = [
    ("EG_AUTH_TOKEN", "made-up", "no token is shared"),
    ("EG_CULL_IDLE_TIMEOUT", "soon", "is a number, and this is none"),
    ("EG_MAX_KERNELS", "1.5", "settings.policy.max_kernels"),
    ("EG_DEFAULT_KERNEL_NAME", "__", "no kernelspec has such a name"),
    ("EG_KERNEL_WHITELIST", "[]", "all were allowed"),
    ("EG_PROHIBITED_GIDS", "0,100", "no client can ask for others"),
    ("EG_UNHEARD_OF", "1", "Enterprise Gateway's own code"),
    ("EG_AUTHORIZED_USERS", "", "nothing is set"),
]


@pytest.mark.parametrize(("name", "value", "why"), DROPPED)
def test_a_variable_without_a_place_says_why(tmp_path: Path, name: str, value: str, why: str) -> None:
    made, _ = with_variable(tmp_path, name, value)
    [(fate, said), *_more] = notes(made, f"deployment.extraEnv.{name}")
    assert (fate, why in said) == ("dropped", True)
    assert unsaid(made) == []


def test_an_id_that_was_refused_and_is_usual_is_a_warning(tmp_path: Path) -> None:
    made, _ = with_variable(tmp_path, "EG_GID_BLACKLIST", "0,100")
    assert ("warning", "100 was refused: set policy.gid of settings to another") in notes(
        made, "deployment.extraEnv.EG_GID_BLACKLIST"
    )


def test_other_variables_stay(tmp_path: Path) -> None:
    two = "{name: B, valueFrom: {fieldRef: {fieldPath: a}}}, {name: C}"
    odd = f"[{{name: A, value: 1}}, {two}, 3, {{name: D, value: true}}]"
    made, data = gateway_of(tmp_path, f"{KERNEL}extraEnv: {odd}\n")
    assert data["extraEnv"] == [
        {"name": "A", "value": "1"},
        {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "a"}}},
        {"name": "D", "value": "true"},
    ]
    assert [note.change for note in made.fates() if note.key.startswith("extraEnv.")].count("dropped") == 2


def test_variables_of_both_places_count(tmp_path: Path) -> None:
    first = "extraEnv: [{name: A, value: a}, {name: B, value: b}, {name: EG_UNAUTHORIZED_USERS, value: eve}]\n"
    second = "deployment: {extraEnv: {B: c, EG_AUTHORIZED_USERS: ada, KG_AUTHORIZED_USERS: mia}}\n"
    made, data = gateway_of(tmp_path, f"{KERNEL}{first}{second}")
    assert data["extraEnv"] == [{"name": "A", "value": "a"}, {"name": "B", "value": "c"}]
    assert [rule["users"] for rule in data["settings"]["policy"]["rules"]] == [["eve"], ["ada"]]
    assert fates(made)["extraEnv.1.value"] == fates(made)["deployment.extraEnv.KG_AUTHORIZED_USERS"] == "dropped"
    assert unsaid(made) == []


@pytest.mark.parametrize(
    ("one", "codes"),
    [
        ("{name: EG_AUTHORIZED_USERS, valueFrom: {configMapKeyRef: {name: a, key: b}}}", {"everybody"}),
        ("{name: EG_UNAUTHORIZED_USERS, value: 'ENC[AES256_GCM,data:x]'}", {"everybody"}),
        ("{name: EG_MAX_KERNELS, value: many}", {"everybody"}),
        ("{name: EG_MAX_KERNELS_PER_USER, value: 2.5}", {"everybody"}),
        ("{name: EG_MAX_KERNELS, value: ''}", set()),
        ("{name: EG_CULL_IDLE_TIMEOUT, value: soon}", set()),
        ("{name: EG_KEYFILE, valueFrom: {secretKeyRef: {name: a, key: b}}}", set()),
    ],
)
def test_a_limit_that_is_not_taken_is_a_question(tmp_path: Path, one: str, codes: set[str]) -> None:
    made, _ = gateway_of(tmp_path, f"{KERNEL}extraEnv: [{one}]\n")
    assert (asked(made), unsaid(made)) == (codes, [])


def test_who_may_start_kernels_can_start_them(tmp_path: Path) -> None:
    made = "{EG_AUTHORIZED_USERS: ada, EG_MAX_KERNELS_PER_USER: '-1'}"
    _, data = gateway_of(tmp_path, f"{KERNEL}extraEnv: {made}\n")
    settings = Settings.model_validate(data["settings"])
    assert (settings.policy.max_kernels_per_user, settings.policy.rules[0].max_kernels_per_user) == (0, 50)


def test_of_two_values_for_one_place_the_last_one_is_told(tmp_path: Path) -> None:
    made, data = gateway_of(tmp_path, f"{KERNEL}replicas: 1\ndeployment: {{replicas: 2}}\n")
    assert (data["replicaCount"], fates(made)["replicas"], fates(made)["deployment.replicas"]) == (
        2,
        "dropped",
        "changed",
    )


def test_an_encrypted_value_is_left(tmp_path: Path) -> None:
    made, _ = gateway_of(tmp_path, f"{KERNEL}authToken: 'ENC[AES256_GCM,data:x]'\nsops: {{version: '3'}}\n")
    assert fates(made) == {
        "kernel.launchTimeout": "changed",
        "authToken": "left",
        "sops.version": "dropped",
    }


ODD = [None, 3, "x", [], [[]], {"a": None}, [None, 1, {}], True, {"enabled": True}, {"enabled": 1, "name": []}]
SECTIONS = ["deployment", "global", "ingress", "kernelspecs", "kernelspecsPvc", "kip", "nfs", "service", "image"]


@pytest.mark.parametrize("odd", ODD)
def test_odd_values_have_a_fate(tmp_path: Path, odd: Any) -> None:
    keys = ("resources", "extraEnv", "ports", "imagePullSecrets", "commonLabels", "allowedKernels", "secrets")
    inner = {name: dict.fromkeys(keys, odd) for name in (*SECTIONS, "imagePullSecretsCreate")}
    kernel = dict.fromkeys(("launchTimeout", "cullIdleTimeout", "defaultKernelName", "allowedKernels"), odd)
    for data in ({**dict.fromkeys(SECTIONS, odd), "kernel": kernel}, {**inner, "kernel": kernel}):
        made, values = gateway_of(tmp_path, yaml.safe_dump(data))
        assert unsaid(made) == []
        rendered(ROOT / "charts" / "kernelpod", values, "kernelpod", "gateway")


@pytest.mark.parametrize(
    ("text", "layout"),
    [
        (KERNEL, "eg-values"),
        ("global: {rbac: true}\nmirrorWorkingDirs: false\n", "eg-values"),
        (f"gateway: {{{KERNEL.strip()}}}\n", "eg-values"),
        (f"gateway: {{{KERNEL.strip()}}}\njupyterhub: {{singleuser: {{image: {{name: a}}}}}}\n", "z2jh-values"),
    ],
)
def test_the_layout_is_guessed(tmp_path: Path, text: str, layout: str) -> None:
    (tmp_path / "old.yaml").write_text(text, encoding="utf-8")
    assert guessed(tmp_path / "old.yaml") == layout


def test_two_gateways_are_a_choice(tmp_path: Path) -> None:
    (tmp_path / "old.yaml").write_text(f"a: {{{KERNEL.strip()}}}\nb: {{{KERNEL.strip()}}}\n", encoding="utf-8")
    with pytest.raises(ImportingError, match="several gateways, at a, b; choose one with --at"):
        helm_values([tmp_path / "old.yaml"], chart=GATEWAY_CHART)
    words = ("--from", "eg-values", "--at", "b", "--to", tmp_path / "new", "--dry-run")
    assert "old.yaml:2:" in run(tmp_path / "old.yaml", *words)
