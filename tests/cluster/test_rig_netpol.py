"""Kubernetes' NetworkPolicy semantics, as the rig's rules have them; a row is a sentence of its reference."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from rig.netpol import matches, rules

Rule = Mapping[str, Any]

NAMESPACES = [
    {"metadata": {"name": "hub", "labels": {"team": "red"}}},
    {"metadata": {"name": "kernels", "labels": {"team": "blue"}}},
]


def pod(namespace: str, name: str, address: str, **fields: Any) -> dict[str, Any]:
    """A running pod labelled app=NAME that names its port 8888 `http`."""
    ports = [{"name": "http", "containerPort": 8888}]
    return {
        "metadata": {"namespace": namespace, "name": name, "labels": {"app": name}},
        "spec": {"containers": [{"ports": ports}], **fields.get("spec", {})},
        "status": {"podIP": address, "phase": fields.get("phase", "Running")},
    }


PODS = [
    pod("hub", "proxy", "10.88.0.1"),
    pod("hub", "web", "10.88.0.2"),
    pod("kernels", "kernel", "10.88.0.3"),
    pod("kernels", "other", "10.88.0.4"),
    pod("kernels", "on-node", "192.168.77.1", spec={"hostNetwork": True}),
    pod("kernels", "ended", "10.88.0.2", phase="Succeeded"),
]


def policy(**spec: Any) -> dict[str, Any]:
    """A policy in `kernels` that selects the pod `kernel` unless told otherwise."""
    selector = {"matchLabels": {"app": "kernel"}}
    return {"metadata": {"namespace": "kernels", "name": "p"}, "spec": {"podSelector": selector, **spec}}


def chains(*policies: Mapping[str, Any]) -> dict[str, list[str]]:
    """The lines of each pod's chain, without the two that let a pod reach itself."""
    text = rules(policies, PODS, NAMESPACES)
    found = re.findall(r"chain (\w+-\S+) \{\n(.*?)\n    \}", text, re.DOTALL)
    return {name: [line.strip() for line in body.split("\n")][2:] for name, body in found}


def test_without_policies_no_pod_has_a_chain() -> None:
    assert chains() == {}


INGRESS = "ingress-10.88.0.3"
EGRESS = "egress-10.88.0.3"


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param({}, {INGRESS: ["drop"]}, id="no rule denies ingress by default"),
        pytest.param({"policyTypes": ["Egress"]}, {EGRESS: ["drop"]}, id="no rule denies egress"),
        pytest.param(
            {"egress": [{}]}, {EGRESS: ["return", "drop"], INGRESS: ["drop"]}, id="egress implies its type"
        ),
        pytest.param({"ingress": [{}]}, {INGRESS: ["return", "drop"]}, id="an empty rule allows everything"),
        pytest.param({"ingress": [{"from": []}]}, {INGRESS: ["return", "drop"]}, id="empty peers are everyone"),
        pytest.param(
            {"podSelector": {}, "ingress": []},
            {INGRESS: ["drop"], "ingress-10.88.0.4": ["drop"]},
            id="an empty selector is every pod of the namespace, not of the node's network",
        ),
    ],
)
def test_isolation(spec: Rule, expected: Mapping[str, Sequence[str]]) -> None:
    assert chains(policy(**spec)) == expected


def in_both(side: str, match: str | None) -> list[str]:
    """The lines for addresses; pods' in both families."""
    if match is None:
        return []
    if match.startswith("{"):
        six = re.sub(r"10\.88\.0\.(\d)", r"fd00:88::a58:\1", match)
        return [f"ip {side} {match} return", f"ip6 {side} {six} return"]
    return [f"{'ip6' if ':' in match else 'ip'} {side} {match.replace('ADDR', side)} return"]


@pytest.mark.parametrize(
    ("peer", "match"),
    [
        pytest.param({"podSelector": {}}, "{ 10.88.0.3, 10.88.0.4 }", id="pods of the policy's own namespace"),
        pytest.param({"namespaceSelector": {}}, "{ 10.88.0.1, 10.88.0.2, 10.88.0.3, 10.88.0.4 }", id="all pods"),
        pytest.param(
            {"namespaceSelector": {"matchLabels": {"team": "red"}}}, "{ 10.88.0.1, 10.88.0.2 }", id="a namespace"
        ),
        pytest.param(
            {
                "namespaceSelector": {"matchLabels": {"team": "red"}},
                "podSelector": {"matchLabels": {"app": "proxy"}},
            },
            "{ 10.88.0.1 }",
            id="both selectors must hold",
        ),
        pytest.param({"podSelector": {"matchLabels": {"app": "proxy"}}}, None, id="nobody is nobody"),
        pytest.param({"ipBlock": {"cidr": "10.0.0.0/8"}}, "10.0.0.0/8", id="a block"),
        pytest.param(
            {"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8", "10.1.0.0/16"]}},
            "0.0.0.0/0 ip ADDR != 10.0.0.0/8 ip ADDR != 10.1.0.0/16",
            id="a block with holes, which may overlap",
        ),
        pytest.param(
            {"ipBlock": {"cidr": "::/0", "except": ["fc00::/7"]}},
            "::/0 ip6 ADDR != fc00::/7",
            id="a block of IPv6",
        ),
    ],
)
@pytest.mark.parametrize(("direction", "key", "side"), [("ingress", "from", "saddr"), ("egress", "to", "daddr")])
def test_peers(peer: Rule, match: str | None, direction: str, key: str, side: str) -> None:
    spec = {"policyTypes": [direction.capitalize()], direction: [{key: [peer]}]}
    assert chains(policy(**spec)) == {f"{direction}-10.88.0.3": [*in_both(side, match), "drop"]}


@pytest.mark.parametrize(
    ("port", "line"),
    [
        pytest.param({"port": 443}, "tcp dport 443 return", id="TCP unless said"),
        pytest.param({"protocol": "UDP", "port": 53}, "udp dport 53 return", id="UDP"),
        pytest.param({"port": 8000, "endPort": 8100}, "tcp dport 8000-8100 return", id="a range"),
        pytest.param({"protocol": "SCTP"}, "meta l4proto sctp return", id="every port of a protocol"),
        pytest.param({"port": "http"}, "tcp dport 8888 return", id="the selected pod's own name"),
        pytest.param({"port": "http", "protocol": "UDP"}, None, id="a name is one of a protocol"),
        pytest.param({"port": "https"}, None, id="a name that the pod does not have"),
    ],
)
def test_ports(port: Rule, line: str | None) -> None:
    expected = [*([line] if line else []), "drop"]
    assert chains(policy(ingress=[{"ports": [port]}])) == {INGRESS: expected}


def test_a_port_name_in_egress_is_the_receivers() -> None:
    peers = [{"namespaceSelector": {"matchLabels": {"team": "red"}}}]
    spec = {"policyTypes": ["Egress"], "egress": [{"to": peers, "ports": [{"port": "http"}]}]}
    lines = [
        f"{family} daddr {{ {prefix}{n} }} tcp dport 8888 return"
        for n in (1, 2)
        for family, prefix in (("ip", "10.88.0."), ("ip6", "fd00:88::a58:"))
    ]
    assert chains(policy(**spec)) == {EGRESS: [*lines, "drop"]}


def test_every_peer_goes_with_every_port_and_policies_add_up() -> None:
    peers = [{"ipBlock": {"cidr": "10.1.0.0/16"}}, {"ipBlock": {"cidr": "10.2.0.0/16"}}]
    first = policy(ingress=[{"from": peers, "ports": [{"port": 1}, {"port": 2}]}])
    lines = [f"ip saddr 10.{net}.0.0/16 tcp dport {port} return" for net in (1, 2) for port in (1, 2)]
    assert chains(first, policy(ingress=[{"ports": [{"port": 3}]}])) == {
        INGRESS: [*lines, "tcp dport 3 return", "drop"]
    }


def test_a_selected_pod_still_reaches_itself() -> None:
    text = rules([policy(policyTypes=["Ingress", "Egress"])], PODS, NAMESPACES)
    for side in ("saddr", "daddr"):
        assert f"ip {side} 10.88.0.3 return" in text
        assert f"ip6 {side} fd00:88::a58:3 return" in text


@pytest.mark.parametrize(
    ("operator", "values", "selected"),
    [
        ("In", ["a", "b"], True),
        ("In", ["b"], False),
        ("NotIn", ["b"], True),
        ("NotIn", ["a"], False),
        ("Exists", [], True),
        ("DoesNotExist", [], False),
    ],
)
def test_expressions(operator: str, values: Sequence[str], selected: bool) -> None:
    selector = {"matchExpressions": [{"key": "k", "operator": operator, "values": values}]}
    assert matches(selector, {"k": "a"}) is selected


def test_a_label_that_is_missing_is_not_in_any_list() -> None:
    assert matches({"matchExpressions": [{"key": "k", "operator": "NotIn", "values": ["a"]}]}, {})
    assert not matches({"matchExpressions": [{"key": "k", "operator": "In", "values": ["a"]}]}, {})
