"""The gateway's settings file, as the chart makes them, through the code that reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from helm import CHART, NAMESPACE, VALUES, Helm, of_kind, settings_text

from doubles import a_connection, a_plan
from kernelpod.base.podkeys import SchedulingKey
from kernelpod.pods.kernel import kernel_manifest
from kernelpod.settings.loading import load
from kernelpod.settings.sections import Settings
from kernelpod.start.record import KernelRecord

pytestmark = pytest.mark.chart


def loaded(helm: Helm, values: dict[str, Any], folder: Path) -> Settings:
    """Return what the gateway reads from the chart's settings file."""
    file = folder / "settings.yaml"
    file.write_text(settings_text(helm.objects(values)), encoding="utf-8")
    return load(file)


@pytest.mark.parametrize("name", VALUES)
def test_the_settings_load_and_say_what_the_release_decides(name: str, helm: Helm, tmp_path: Path) -> None:
    values = VALUES[name]
    objects = helm.objects(values)
    settings = loaded(helm, values, tmp_path)
    cluster = settings.runtime.kubernetes
    (deployment,) = of_kind(objects, "Deployment").values()
    labelled = of_kind(objects, "Role").values()
    gateways = [one for one in labelled if one["metadata"]["labels"]["app.kubernetes.io/component"] == "gateway"]
    (role,) = (one for one in gateways if "secrets" in str(one["rules"]))
    gateway = deployment["spec"]["template"]["spec"]["containers"][0]
    assert (settings.gateway.ip, settings.gateway.port) == ("0.0.0.0", gateway["ports"][0]["containerPort"])
    assert settings.runtime.kind == "kubernetes"
    assert cluster.namespace == role["metadata"]["namespace"]
    assert cluster.release == "kernelpod"
    assert cluster.home_check_image == gateway["image"]
    mounted = {mount["mountPath"] for mount in gateway["volumeMounts"]}
    token_file = settings.hubs[0].token_file
    assert token_file is None or str(token_file.parent) in mounted
    if "kernelspecs" in values:
        assert str(settings.kernelspecs.path.parent) in mounted


def test_defaults_follow_from_names(helm: Helm, tmp_path: Path) -> None:
    settings = loaded(helm, {"hub": {"namespace": "teaching"}, "service": {"port": 80}}, tmp_path)
    assert settings.hubs[0].api_url == "http://hub.teaching:8081/hub/api"
    assert settings.hubs[0].token_file is None
    assert settings.servers.gateway_url == f"http://kernelpod.{NAMESPACE}:80"


def test_with_a_certificate_the_gateway_is_reached_and_probed_by_https(helm: Helm, tmp_path: Path) -> None:
    files = {"cert_file": "/tls/tls.crt", "key_file": "/tls/tls.key"}
    values = {"settings": {"gateway": files}}
    assert loaded(helm, values, tmp_path).servers.gateway_url == f"https://kernelpod.{NAMESPACE}:8888"
    for given, scheme in ((values, "HTTPS"), ({}, "HTTP")):
        (deployment,) = of_kind(helm.objects(given), "Deployment").values()
        container = deployment["spec"]["template"]["spec"]["containers"][0]
        probes = (container[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe"))
        assert {probe["scheme"] for probe in probes} == {scheme}


def test_what_may_be_given_is_kept(helm: Helm, tmp_path: Path) -> None:
    settings = loaded(helm, VALUES["overridden"], tmp_path)
    assert settings.hubs[0].name == "exam"
    assert settings.hubs[0].api_url == "http://hub.exam:8081/exam/hub/api"
    assert str(settings.hubs[0].token_file) == "/run/secrets/kernelpod/token"
    assert settings.servers.gateway_url == "https://gateway.example.org"
    assert settings.gateway.max_message_bytes == 2**28


def test_further_hubs_follow_the_first(helm: Helm, tmp_path: Path) -> None:
    settings = loaded(helm, VALUES["two-hubs"], tmp_path)
    assert [(hub.name, hub.api_url, str(hub.token_file)) for hub in settings.hubs] == [
        ("teaching", "http://hub.teaching:8081/hub/api", "/run/secrets/kernelpod/token"),
        ("exam", "http://hub.exam:8081/hub/api", "/run/secrets/kernelpod-exam/token"),
        ("lab", "http://hub.lab:8081/hub/api", "None"),
    ]
    assert str(settings.hubs[1].courses) == "/etc/kernelpod-courses/exam.yaml"


def test_the_chart_s_own_defaults_are_those_of_the_code() -> None:
    given = yaml.safe_load((CHART / "values.yaml").read_bytes())
    assert Settings.model_validate(given["settings"]) == Settings()
    defaults = Settings()
    assert given["kernels"]["namespace"]["name"] == defaults.runtime.kubernetes.namespace
    specs = given["kernelspecs"]["volume"]["mountPath"]
    assert defaults.kernelspecs.path == Path(specs, "kernelspecs")


NUMBERS = [
    ({"gateway": {"max_message_bytes": 67108864}}, ("gateway", "max_message_bytes"), 67108864),
    ({"culling": {"idle_seconds": 0.5}}, ("culling", "idle_seconds"), 0.5),
    ({"policy": {"uid": 2000000001}}, ("policy", "uid"), 2000000001),
    ({"policy": {"max_kernels": 0}}, ("policy", "max_kernels"), 0),
]


@pytest.mark.parametrize(("section", "path", "value"), NUMBERS)
def test_numbers_pass_through_helm(section: Any, path: Any, value: Any, helm: Helm, tmp_path: Path) -> None:
    """Helm reads every number as a float and writes large ones with an exponent."""
    settings = loaded(helm, {"settings": section}, tmp_path)
    assert getattr(getattr(settings, path[0]), path[1]) == value


TEXTS = ["on", "1e3", "{{ .Values }}", "a: b # c", '"', "Müller\n"]


@pytest.mark.parametrize("text", TEXTS)
def test_text_passes_through_helm(text: str, helm: Helm, tmp_path: Path) -> None:
    rule = {"users": [text], "max_kernels_per_user": 1}
    assert loaded(helm, {"settings": {"policy": {"rules": [rule]}}}, tmp_path).policy.rules[0].users == (text,)


SCHEDULING: dict[str, Any] = {
    "imagePullSecrets": [{"name": "registry"}],
    "nodeSelector": {"purpose": "kernels"},
    "tolerations": [{"key": "kernels", "operator": "Exists", "effect": "NoSchedule"}],
    "affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": []}},
    "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}],
    "priorityClassName": "kernels",
    "runtimeClassName": "gvisor",
    "schedulerName": "kernels",
}


def test_scheduling_keys_reach_the_pod_and_nothing_else_does(helm: Helm, tmp_path: Path) -> None:
    assert set(SCHEDULING) == set(get_args(SchedulingKey))
    settings = loaded(helm, {"kernels": SCHEDULING}, tmp_path)
    with_keys, without = (
        kernel_manifest(KernelRecord(plan=a_plan(settings=some)), a_connection(), "0a1b2c").pod["spec"]
        for some in (settings, loaded(helm, {}, tmp_path))
    )
    assert with_keys == {**without, **SCHEDULING}
