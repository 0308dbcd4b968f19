"""What is asked of the cluster: tokens, addresses, the URL that people reach."""

from __future__ import annotations

import base64
import json
import re
from contextlib import nullcontext
from typing import Any

import pytest
import yaml
from deployments import TOKENS, Answers, courses_deployment, deployment

from kernelpod.base.missingtools import ToolsMissing
from kernelpod.deploy import install, operations
from kernelpod.deploy.cluster import ClusterError, find_cluster, run
from kernelpod.deploy.progress import Progress
from kernelpod.deploy.state import public_url


def test_a_tool_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: "/bin/kubectl" if name == "kubectl" else None)
    with pytest.raises(ToolsMissing, match="helm is not on PATH"):
        find_cluster(deployment())


def test_microk8s_is_used_where_there_is_no_kubectl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: "/snap/bin/microk8s" if name == "microk8s" else None)
    found = find_cluster(deployment())
    assert (found.kubectl_words, found.helm_words, found.microk8s) == (
        ("microk8s", "kubectl"),
        ("microk8s", "helm3"),
        True,
    )


def test_the_context_goes_with_every_question(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: f"/bin/{name}")
    tools = Answers()
    found = find_cluster(deployment(context="there"), tools)
    found.kubectl("version")
    found.helm("list")
    assert tools.asked == [
        ["kubectl", "--context", "there", "version"],
        ["helm", "--kube-context", "there", "list"],
    ]


def test_a_command_that_hangs_is_an_error() -> None:
    with pytest.raises(ClusterError, match="did not finish within"):
        run(["sleep", "20"], None, 0.1)


def test_the_addresses_of_nfs_server_nodes_and_api_servers_are_denied() -> None:
    node = {
        "status": {
            "addresses": [{"type": "InternalIP", "address": "10.1.1.1"}, {"type": "Hostname", "address": "n"}]
        }
    }
    tools = Answers(
        kubectl_get_nodes={"items": [node, node]},
        kubectl_get_endpointslices={"items": [{"endpoints": [{"addresses": ["10.1.1.1", "fd00::1"]}]}]},
    )
    denied = ["10.1.1.1/32", "fd00::1/128"]
    assert install.denied_addresses(tools.cluster(), "203.0.113.7") == ["203.0.113.7/32", *denied]
    loopback = ["127.0.0.1/32", "::1/128"]
    assert install.denied_addresses(tools.cluster(), "localhost") in [
        [*made, *denied] for made in (loopback, loopback[:1], loopback[1:])
    ]


@pytest.mark.parametrize(
    ("replicas", "runs", "lease", "refused"),
    [
        (2, True, False, True),
        (2, True, True, False),
        (2, False, False, False),
        (1, True, False, False),
        (None, True, False, False),
    ],
)
def test_several_gateways_do_not_follow_one_without_a_lease(
    replicas: int | None, runs: bool, lease: bool, refused: bool
) -> None:
    there = {"kubectl_get_deployments": {"items": [{}] if runs else []}}
    if lease:
        there["kubectl_get_lease"] = {"kind": "Lease"}
    tools = Answers(**there)
    values = {} if replicas is None else {"replicaCount": replicas}
    with pytest.raises(ClusterError, match="replicaCount: 1 first") if refused else nullcontext():
        install.check_lease(tools.cluster(), deployment(values=values))
    assert all("kernels" in " ".join(asked) for asked in tools.asked if "lease" in asked)


def kubelet(limit: object) -> dict[str, Any]:
    return {"kubeletconfig": {"podPidsLimit": limit}}


@pytest.mark.parametrize(
    ("said", "warned"),
    [
        ([4096, 4096], ""),
        ([-1, 4096], "node n0: one kernel"),
        ([4096, -1, -1], "node n1 and 1 more: one kernel"),
        (["", 4096], ""),
        ([None], ""),
    ],
)
def test_nodes_without_a_limit_of_processes_are_named(said: list[Any], warned: str) -> None:
    nodes = {"items": [{"metadata": {"name": f"n{number}"}} for number in range(len(said))]}
    tools = Answers(kubectl_get_nodes=nodes)
    for number, limit in enumerate(said):
        asked = f"kubectl get --raw /api/v1/nodes/n{number}/proxy/configz"
        tools.answers[asked] = kubelet(limit) if limit != "" else ""
    warnings = install.pid_warnings(tools.cluster())
    assert [text.startswith(warned) for text in warnings] == ([True] if warned else [])


@pytest.mark.parametrize("name", ["nfs.invalid", "a" * 64 + ".invalid", "a..b"])
def test_an_nfs_server_whose_name_is_not_found_is_refused(name: str) -> None:
    """Its addresses would not be denied to kernels."""
    with pytest.raises(ClusterError, match=r"nfs\.server: this machine does not find the name .* /etc/hosts"):
        install.addresses_of(name)


def test_tokens_that_exist_are_never_made_anew() -> None:
    tools = Answers(kubectl_get_secret={"data": dict.fromkeys([*TOKENS, "token"], "")})
    install.make_secrets(tools.cluster(), deployment().hubs()[0])
    assert {words[1] for words in tools.asked} == {"get"}


def test_a_new_hub_gets_all_of_its_tokens() -> None:
    tools = Answers()
    install.make_secrets(tools.cluster(), deployment().hubs()[0])
    made, copy = [yaml.safe_load(str(given)) for given in tools.given if given]
    assert (made["kind"], made["metadata"]["name"]) == ("Secret", "hub")
    assert copy["metadata"] | {"labels": None} == {"name": "kernelpod-hub", "namespace": "gateway", "labels": None}
    assert copy["stringData"] == {"token": made["stringData"]["service_token"]}
    assert list(made["stringData"]) == [*TOKENS, "trial_password"]
    values = [made["stringData"][name] for name in TOKENS]
    assert len(set(values)) == len(TOKENS)
    assert all(re.fullmatch("[0-9a-f]{64}", value) for value in values)


def test_the_gateways_copy_of_a_token_follows_a_hub_that_was_made_anew() -> None:
    old = {"data": {"token": base64.b64encode(b"of the former hub").decode()}}
    tools = Answers(**{"kubectl get secret kernelpod-hub-exam": old})
    install.make_secrets(tools.cluster(), courses_deployment().hubs()[1])
    made, copy = [yaml.safe_load(str(given)) for given in tools.given if given]
    assert made["metadata"]["namespace"] == "exam"
    assert copy["metadata"]["name"] == "kernelpod-hub-exam"
    assert [words[1] for words in tools.asked if "get" not in words] == ["create", "replace"]
    assert copy["stringData"] == {"token": made["stringData"]["service_token"]}


def test_a_hub_of_before_gets_a_crypt_key_and_nothing_else_changes() -> None:
    data = dict.fromkeys(["cookie_secret", "proxy_token", "service_token", "token"], "b2xk")
    tools = Answers(kubectl_get_secret={"metadata": {"resourceVersion": "17"}, "data": data})
    install.make_secrets(tools.cluster(), deployment().hubs()[0])
    (words,) = [words for words in tools.asked if "get" not in words]
    assert words[:4] == ["kubectl", "patch", "secret", "hub"]
    (given,) = [json.loads(given) for given in tools.given if given]
    assert given["metadata"] == {"resourceVersion": "17"}
    assert list(given["stringData"]) == ["crypt_key"]
    assert re.fullmatch("[0-9a-f]{64}", given["stringData"]["crypt_key"])


def test_a_secret_of_another_kind_of_hub_is_not_taken_for_its_tokens() -> None:
    tools = Answers(kubectl_get_secret_hub={"data": {"hub.services.kernelpod.apiToken": ""}})
    with pytest.raises(ClusterError, match="has no service_token"):
        install.make_secrets(tools.cluster(), deployment().hubs()[0])
    assert {words[1] for words in tools.asked} == {"get"}


def test_a_hub_that_is_there_already_needs_its_token() -> None:
    with pytest.raises(ClusterError, match="create secret generic kernelpod-hub"):
        install.make_secrets(Answers().cluster(), deployment(hub={"install": "none"}).hubs()[0])


ADDRESSES: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"url": "https://hub.example.org/"}, {}, "https://hub.example.org"),
    ({}, {"type": "NodePort", "ports": [{"name": "http", "nodePort": 30080}]}, "http://10.1.1.1:30080"),
    ({}, {"type": "ClusterIP", "clusterIP": "fd00::5", "ports": [{"name": "http"}]}, "http://[fd00::5]"),
    ({}, {"type": "NodePort", "ports": [{"name": "https", "nodePort": 30443}]}, "https://10.1.1.1:30443"),
    (
        {},
        {"type": "ClusterIP", "clusterIP": "10.9.0.1", "ports": [{"name": "http"}, {"name": "https"}]},
        "https://10.9.0.1",
    ),
]


@pytest.mark.parametrize(("hub", "spec", "url"), ADDRESSES)
def test_the_url_is_the_one_people_reach(hub: dict[str, Any], spec: dict[str, Any], url: str) -> None:
    node = {"status": {"addresses": [{"type": "InternalIP", "address": "10.1.1.1"}]}}
    tools = Answers(kubectl_get_service={"spec": spec}, kubectl_get_nodes={"items": [node]})
    assert public_url(tools.cluster(), deployment(hub={"users": ["a"], **hub})) == url


def test_the_url_of_a_hub_below_a_path_has_the_path() -> None:
    spec = {"type": "ClusterIP", "clusterIP": "10.9.0.1", "ports": [{"name": "http"}]}
    below = {"hubs": [{"api_url": "http://hub.hub:8081/jupyter/hub/api"}]}
    tools = Answers(kubectl_get_service={"spec": spec})
    assert public_url(tools.cluster(), deployment(settings=below)) == "http://10.9.0.1/jupyter"


def test_a_load_balancer_without_an_address_is_explained() -> None:
    tools = Answers(kubectl_get_service={"spec": {"type": "LoadBalancer", "ports": [{"name": "http"}]}})
    with pytest.raises(ClusterError, match="metallb"):
        public_url(tools.cluster(), deployment())


def test_there_is_nothing_to_roll_back_to_after_one_deployment() -> None:
    with pytest.raises(ClusterError, match="no earlier deployment to roll back to"):
        operations.rollback(Answers().cluster(), deployment(), Progress(print))
