"""What `internal_tls` changes: settings, chart values, the hub's configuration and objects; what it refuses."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from deployments import Answers, courses_deployment, deployment
from pydantic import ValidationError

from kernelpod.base import shipped
from kernelpod.deploy import internaltls, operations, overlay, rendered
from kernelpod.deploy.progress import Progress
from kernelpod.deploy.settings import OneHub

PLACE = "/run/secrets/internal-tls"
SHOWN = {"cert_file": f"{PLACE}/tls.crt", "key_file": f"{PLACE}/tls.key"}
VOLUME = {"name": "internal-tls", "secret": {"secretName": "kernelpod-internal-tls", "defaultMode": 0o440}}
MOUNT = {"name": "internal-tls", "mountPath": PLACE, "readOnly": True}
ON, OFF = courses_deployment(internal_tls=True), courses_deployment()


def files(one: OneHub, certificates: str = "") -> dict[str, Any]:
    made = overlay.hub_overlay(one, "{}", [], certificates)
    return {name: yaml.safe_load(text) for name, text in made.items()}


def test_the_gateway_serves_https_asks_each_hub_by_https_and_mounts_its_secret() -> None:
    values = rendered.chart_values(ON, [])
    assert values["settings"]["gateway"] == SHOWN
    assert values["settings"]["servers"] == {"gateway_ca_file": "/etc/jupyterhub/ssl/gateway-ca.crt"}
    (first,), (exam,) = values["settings"]["hubs"], values["extraHubs"]
    for of, name in ((first, "hub"), (exam["settings"], "exam")):
        assert {key: of[key] for key in ("api_url", "ca_file", *SHOWN)} == {
            "api_url": f"https://hub.{name}:8081/hub/api",
            "ca_file": f"{PLACE}/hub-{name}.crt",
            **SHOWN,
        }
    assert [one["name"] for one in values["extraVolumes"]] == ["courses-files", "internal-tls"]
    assert (values["extraVolumes"][1], values["extraVolumeMounts"][1]) == (VOLUME, MOUNT)


def test_without_the_key_nothing_of_it_is_there() -> None:
    for made in (rendered.chart_values(OFF, []), *(files(one) for one in OFF.hubs())):
        said = json.dumps(made)
        assert "internal" not in said
        assert "https:" not in said


def test_volumes_of_the_file_are_beside_those_that_the_gateway_needs() -> None:
    """Unless they have the same name: then the file's are meant."""
    given = {
        "extraVolumes": [{"name": "mine", "emptyDir": {}}],
        "extraVolumeMounts": [{"name": "mine", "mountPath": "/mine"}],
    }
    made = rendered.chart_values(deployment(internal_tls=True, values=given), [])
    assert made["extraVolumes"] == [VOLUME, *given["extraVolumes"]]
    assert made["extraVolumeMounts"] == [MOUNT, *given["extraVolumeMounts"]]
    own = {"extraVolumes": [{"name": "internal-tls", "emptyDir": {}}]}
    assert (
        rendered.chart_values(deployment(internal_tls=True, values=own), [])["extraVolumes"] == own["extraVolumes"]
    )
    assert "extraVolumes" not in rendered.chart_values(deployment(), [])


@pytest.mark.parametrize("number", [0, 1])
def test_each_hub_makes_its_certificates_from_authorities_of_its_own(number: int) -> None:
    one = ON.hubs()[number]
    made = files(one)["config.yaml"]
    hub = made["JupyterHub"]
    assert hub["internal_ssl"] is True
    assert hub["trusted_alt_names"] == ["DNS:hub", f"DNS:hub.{one.name}"]
    assert made["KubeSpawner"]["hub_connect_url"] == "https://hub:8081"
    assert made["PodSpawner"]["gateway_ca_file"] == f"{PLACE}/gateway-ca.crt"
    authorities = hub["external_ssl_authorities"]
    assert authorities.pop("services-ca") == {"cert": f"{PLACE}/gateway-ca.crt"}
    assert authorities == {
        name: {"cert": f"{PLACE}/{name}.crt", "key": f"{PLACE}/{name}.key"} for name in internaltls.HUB_AUTHORITIES
    }


def test_the_files_configuration_cannot_switch_off_half_of_it() -> None:
    config = {"JupyterHub": {"internal_ssl": False}, "KubeSpawner": {"hub_connect_url": "http://hub:8081"}}
    made = files(deployment(internal_tls=True, hub={"users": ["alice"], "config": config}).hubs()[0])[
        "config.yaml"
    ]
    assert (made["JupyterHub"]["internal_ssl"], made["KubeSpawner"]["hub_connect_url"]) == (
        True,
        "https://hub:8081",
    )


def test_other_certificates_restart_the_hub_and_the_same_ones_do_not() -> None:
    one = ON.hubs()[0]
    first, same, other = (files(one, text)["kustomization.yaml"]["patches"] for text in ("a", "a", "b"))
    assert first == same
    assert (first[0] != other[0], first[1:]) == (True, other[1:])


@pytest.fixture
def built(tmp_path: Path) -> Any:
    """Return what kustomize makes of a hub's manifests and overlay."""
    if not shutil.which("kubectl"):
        pytest.skip("kubectl is not on PATH; make test-cluster has one")

    def build(one: OneHub, name: str) -> dict[tuple[str, str], Any]:
        folder = tmp_path / name
        shutil.copytree(shipped.hub_manifests(), folder / "base")
        (folder / "overlay").mkdir()
        for file, text in overlay.hub_overlay(one, "{}", []).items():
            (folder / "overlay" / file).write_text(text, encoding="utf-8")
        command = ["kubectl", "kustomize", str(folder / "overlay")]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        return {(one["kind"], one["metadata"]["name"]): one for one in yaml.safe_load_all(done.stdout)}

    return build


@pytest.mark.parametrize("https_secret", [None, "hub-tls"])
def test_the_hubs_objects_as_kustomize_makes_them(built: Any, https_secret: str | None) -> None:
    hub = {"users": ["alice"], "https_secret": https_secret}
    plain = built(deployment(hub=hub).hubs()[0], "plain")
    made = built(deployment(hub=hub, internal_tls=True).hubs()[0], "made")
    changed = {key for key in made if made[key] != plain[key]}
    assert changed == {("Deployment", "hub"), ("Role", "hub"), ("Secret", "hub-config")}
    assert made["Role", "hub"]["rules"] == [*plain["Role", "hub"]["rules"], internaltls.SERVERS_RULE]
    (container,) = made["Deployment", "hub"]["spec"]["template"]["spec"]["containers"]
    (before,) = plain["Deployment", "hub"]["spec"]["template"]["spec"]["containers"]
    assert VOLUME in made["Deployment", "hub"]["spec"]["template"]["spec"]["volumes"]
    assert [one for one in container["volumeMounts"] if one not in before["volumeMounts"]] == [MOUNT]
    scheme = {"scheme": "HTTPS"} if https_secret else {}
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert container[probe]["httpGet"] == {"path": "/hub/health", "port": "public", **scheme}
        timing = {key: value for key, value in container[probe].items() if key != "httpGet"}
        assert timing == {key: value for key, value in before[probe].items() if key != "httpGet"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"hub": {"install": "z2jh", "users": ["alice"]}}, r"requires hub\.install: manifests.*docs/https\.md"),
        ({"hub": {"install": "none"}}, r"requires hub\.install: manifests"),
        ({"settings": {"gateway": SHOWN}}, r"remove settings\.gateway\.cert_file"),
        ({"settings": {"servers": {"gateway_ca_file": "/ca"}}}, r"remove settings\.servers\.gateway_ca_file"),
        ({"settings": {"hubs": [{"ca_file": "/ca"}]}}, r"remove settings\.hubs\.ca_file"),
        ({"settings": {"hubs": [SHOWN]}}, r"remove settings\.hubs\.cert_file"),
        (
            {"settings": {"servers": {"gateway_url": "http://gateway:1"}}},
            r"settings\.servers\.gateway_url must begin with https:",
        ),
        ({"settings": {"hubs": [{"api_url": "http://hub:1"}]}}, r"settings\.hubs\.api_url must begin with https:"),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=f"internal_tls: {said}"):
        deployment(internal_tls=True, **changes)
    deployment(**changes)


def test_deploy_says_what_it_will_do_before_it_asks() -> None:
    said = "inside      HTTPS; servers that still speak HTTP are ended"
    assert said in operations.intention(ON, "https://cluster")
    assert said not in operations.intention(OFF, "https://cluster")


def tools() -> Answers:
    """Return tools that answer as in an empty cluster."""
    chart = {
        "data": {"settings.yaml": yaml.safe_dump({"servers": {"gateway_url": "https://kernelpod.gateway:8888"}})}
    }
    return Answers(
        helm_template=yaml.safe_dump(chart),
        helm_list=[],
        kubectl_version={"serverVersion": {"gitVersion": "v1.34.0"}},
        kubectl_kustomize="{kind: ConfigMap}",
    )


def test_a_dry_run_plans_certificates_and_stores_none() -> None:
    asked = tools()
    shown = "".join(operations.render(asked.cluster(), deployment(internal_tls=True)).values())
    assert "PRIVATE KEY" not in shown
    assert {words[1] for words in asked.asked} == {"get", "version", "template", "kustomize"}


def test_certificates_are_stored_before_the_pods_that_mount_them(capsys: pytest.CaptureFixture[str]) -> None:
    """And their keys are no words of a command, and not in the copy that `apply` would keep."""
    asked = tools()
    operations.deploy(asked.cluster(), ON, Progress(print))
    given = [(words[1], text or "") for words, text in zip(asked.asked, asked.given, strict=True)]
    secrets = [number for number, (_, text) in enumerate(given) if "PRIVATE KEY" in text]
    assert [given[number][0] for number in secrets] == ["create"] * 4
    hubs = [number for number, (verb, text) in enumerate(given) if verb == "apply" and "kind: ConfigMap" in text]
    (chart,) = [number for number, words in enumerate(asked.asked) if words[1] == "upgrade"]
    assert max(secrets) < min(hubs) < max(hubs) < chart
    assert "PRIVATE KEY" not in f"{asked.asked}{capsys.readouterr().out}"
