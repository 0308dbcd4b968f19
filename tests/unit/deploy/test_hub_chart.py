"""The hub by the chart Zero to JupyterHub, and the smoke test."""

from __future__ import annotations

import base64
import contextlib
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from deployments import Answers, deployment

from kernelpod.deploy import z2jh
from kernelpod.deploy.settings import SMOKE_USER
from kernelpod.settings.sections import Settings


def test_the_values_for_zero_to_jupyterhub_name_the_users_and_the_image() -> None:
    made = deployment(
        hub={"install": "z2jh", "users": ["alice"], "z2jh": {"values": {"cull": {"enabled": False}}}}
    )
    settings = {
        "servers": {"gateway_url": "http://kernelpod.gateway:8888"},
        "runtime": {"kubernetes": {"home_check_image": "gateway:1"}},
    }
    values = z2jh.values(made, Settings.model_validate(settings), [], "secret")
    assert values["hub"]["config"]["Authenticator"]["allowed_users"] == ["alice", SMOKE_USER]
    assert values["hub"]["config"]["DummyAuthenticator"] == {"password": "secret"}
    assert values["hub"]["config"]["KubeSpawner"]["gid"] == 100
    assert "image" not in values["hub"]["config"]["KubeSpawner"]
    assert values["singleuser"]["image"]["name"] == "ghcr.io/kernelpod/singleuser"
    assert values["proxy"] == {"service": {"type": "NodePort"}}
    assert values["cull"] == {"enabled": False}


def test_servers_of_zero_to_jupyterhub_reach_no_denied_address_and_no_internet_if_it_is_off() -> None:
    settings = Settings.model_validate(
        {
            "servers": {"gateway_url": "http://kernelpod.gateway:8888"},
            "runtime": {"kubernetes": {"home_check_image": "gateway:1"}},
        }
    )
    hub = {"install": "z2jh", "users": ["alice"]}
    (_, internet) = z2jh.values(deployment(hub=hub), settings, ["9.9.9.9/32", "2620:fe::fe/128"], "")[
        "singleuser"
    ]["networkPolicy"]["egress"]
    four, six = (peer["ipBlock"]["except"] for peer in internet["to"])
    assert ("9.9.9.9/32" in four, "2620:fe::fe/128" in six) == (True, True)
    assert "2620:fe::fe/128" not in four
    off = z2jh.values(deployment(hub={**hub, "internet": False}), settings, [], "")["singleuser"]["networkPolicy"]
    assert [rule["ports"] for rule in off["egress"]] == [[{"protocol": "TCP", "port": 8888}]]


def test_the_chart_of_the_hub_is_installed_and_its_token_handed_on() -> None:
    made = deployment(hub={"install": "z2jh", "users": ["alice"]})
    token = base64.b64encode(b"of the chart").decode()
    tools = Answers(kubectl_get_secret_hub={"data": {"hub.services.kernelpod.apiToken": token}})
    settings = Settings.model_validate(
        {
            "servers": {"gateway_url": "http://kernelpod.gateway:8888"},
            "runtime": {"kubernetes": {"home_check_image": "gateway:1"}},
        }
    )
    z2jh.install(tools.cluster(), made.hubs()[0], settings, [])
    (helm,) = [words for words in tools.asked if words[0] == "helm"]
    assert helm[1:8] == [
        "upgrade",
        "--install",
        "hub",
        "jupyterhub",
        "--repo",
        "https://hub.jupyter.org/helm-chart/",
        "--version",
    ]
    # By this Secret, destroy knows that the release is deploy's.
    assert tools.given[tools.asked.index(helm) - 1].count("name: kernelpod-deployed") == 1
    applied = [yaml.safe_load(text) for text in tools.given[-1:] if text]
    assert [(one["metadata"]["namespace"], one["stringData"]) for one in applied] == [
        ("gateway", {"token": "of the chart"})
    ]


def test_a_user_who_has_a_server_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("websocket")
    from kernelpod.deploy import smoke

    asked: list[str] = []

    class Busy(smoke.Browser):
        def login(self, _password: str) -> None:
            asked.append("login")

        def hub(self, method: str, path: str, *_: Any, **__: Any) -> Any:
            asked.append(f"{method} {path}")
            return SimpleNamespace(json=lambda: {"servers": {"": {"ready": True}}})

    monkeypatch.setattr(smoke, "Browser", Busy)
    monkeypatch.setattr(smoke, "hub_answers", lambda _: True)
    made = deployment(hub={"users": ["alice"], "url": "http://hub"}, smoke={"user": "alice"})
    tools = Answers(kubectl_get_secret={"data": {"trial_password": "eA=="}})
    with pytest.raises(smoke.SmokeError, match=r"Set smoke\.user to another user"):
        smoke.smoke(tools.cluster(), made, lambda _: contextlib.nullcontext())
    assert asked == ["login", "GET /users/alice"]


@pytest.mark.parametrize(
    ("reached", "allowed", "refused"),
    [("[]", False, ""), ('["the NFS server"]', False, "a kernel can reach the NFS server"), ('["x"]', True, "")],
)
def test_a_network_that_enforces_nothing_is_not_accepted(reached: str, allowed: bool, refused: str) -> None:
    pytest.importorskip("websocket")
    from kernelpod.deploy.smoke import SmokeError, network_is_closed

    services = {"items": [{"metadata": {"name": "kernelpod"}}]}
    tools = Answers(
        kubectl_get_services=services,
        kubectl_get_service={"spec": {"clusterIP": "10.96.0.1"}},
    )
    kernel = SimpleNamespace(run=lambda code: str(compile(code, "cell", "exec") and reached))
    made = deployment(allow_unenforced_network=allowed)
    if refused:
        with pytest.raises(SmokeError, match=refused):
            network_is_closed(tools.cluster(), made, kernel)
    else:
        network_is_closed(tools.cluster(), made, kernel)
