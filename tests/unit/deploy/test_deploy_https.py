"""`https_secret`: what a deployment makes of a certificate's Secret, and what it says where there is none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from deployments import Answers, courses_deployment, deployment
from pydantic import ValidationError

from kernelpod.deploy import install, operations, overlay, z2jh
from kernelpod.deploy.cluster import ClusterError
from kernelpod.deploy.settings import OneHub
from kernelpod.settings.sections import Settings

BY_HAND = Path(__file__).parents[3] / "hub" / "https"
HTTPS = {"users": ["alice"], "https_secret": "hub-tls"}


def files(one: OneHub) -> dict[str, Any]:
    """Return the files of a hub's overlay."""
    made = overlay.hub_overlay(one, "{}", [])
    return {name: yaml.safe_load(text) for name, text in made.items()}


def patches(kustomization: dict[str, Any]) -> list[Any]:
    """Return the patches of a kustomization as data."""
    return [yaml.safe_load(one["patch"]) for one in kustomization["patches"]]


def test_it_is_what_is_done_by_hand() -> None:
    plain, made = files(deployment().hubs()[0]), files(deployment(hub=HTTPS).hubs()[0])
    before, after = patches(plain["kustomization.yaml"]), patches(made["kustomization.yaml"])
    added = [patch for patch in after[1:] if patch not in before]
    assert added == patches(
        yaml.safe_load((BY_HAND / "secret" / "kustomization.yaml").read_text(encoding="utf-8"))
    )
    assert after[0] != before[0], "the hub is restarted"
    by_hand = yaml.safe_load((BY_HAND / "files.yaml").read_text(encoding="utf-8"))["JupyterHub"]
    assert by_hand.items() <= made["config.yaml"]["JupyterHub"].items()
    assert not by_hand.keys() & plain["config.yaml"]["JupyterHub"].keys()


def test_each_hub_has_a_secret_of_its_own() -> None:
    more = {"exam": {"courses": "exam.yaml", "https_secret": "exam-tls"}}
    first, exam = (json.dumps(files(one)) for one in courses_deployment(more_hubs=more).hubs())
    assert "exam-tls" in exam
    assert "ssl_cert" not in first


def test_zero_to_jupyterhub_has_values_for_it() -> None:
    settings = {
        "servers": {"gateway_url": "http://kernelpod.gateway:8888"},
        "runtime": {"kubernetes": {"home_check_image": "gateway:1"}},
    }
    values = z2jh.values(
        deployment(hub={**HTTPS, "install": "z2jh"}), Settings.model_validate(settings), [], "secret"
    )
    assert values["proxy"]["https"] == {"enabled": True, "type": "secret", "secret": {"name": "hub-tls"}}
    assert "ssl_cert" not in values["hub"]["config"].get("JupyterHub", {})


@pytest.mark.parametrize(
    ("hub", "said"),
    [
        ({"install": "none"}, "has its own certificate"),
        ({"url": "http://hub.example.org"}, "url must begin with https:"),
        ({"https_secret": "no name"}, "https_secret"),
    ],
)
def test_what_does_not_fit_is_refused(hub: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        deployment(hub={**HTTPS, **hub})
    assert deployment(hub={**HTTPS, "url": "https://hub.example.org"}).hub.https_secret == "hub-tls"


def test_a_secret_that_is_missing_is_asked_for_with_its_namespace() -> None:
    create = "kubectl create secret tls hub-tls -n hub --cert=tls.crt --key=tls.key"
    one = deployment(hub=HTTPS).hubs()[0]
    with pytest.raises(ClusterError) as error:
        install.check_https(Answers().cluster(), one)
    assert error.value.message.endswith(f"Run:\n  kubectl create namespace hub\n  {create}")
    with pytest.raises(ClusterError) as error:
        install.check_https(Answers(kubectl_get_namespace={"kind": "Namespace"}).cluster(), one)
    assert error.value.message.endswith(f"Run:\n  {create}")


def test_a_secret_of_something_else_is_refused() -> None:
    one, whole = deployment(hub=HTTPS).hubs()[0], {"tls.crt": "", "tls.key": ""}
    with pytest.raises(ClusterError, match=r"lacks tls\.key"):
        install.check_https(Answers(kubectl_get_secret={"data": {"tls.crt": ""}}).cluster(), one)
    install.check_https(Answers(kubectl_get_secret={"data": whole}).cluster(), one)
    tools = Answers()
    install.check_https(tools.cluster(), deployment().hubs()[0])
    assert tools.asked == [], "without https_secret nothing is looked for"


def test_nothing_is_applied_without_the_secret() -> None:
    more = {"exam": {"courses": "exam.yaml", "https_secret": "exam-tls"}}
    tools = Answers()
    with pytest.raises(ClusterError, match="no Secret exam-tls in the namespace exam"):
        operations.render(tools.cluster(), courses_deployment(more_hubs=more))
    assert {words[1] for words in tools.asked} == {"get"}
