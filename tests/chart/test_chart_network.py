"""Who may reach whom, read from the policies as Kubernetes reads them: what no rule allows is refused."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any

import pytest
from helm import VALUES, Helm, of_kind

from kernelpod.base import names
from kernelpod.pods.kernel import POD_PORTS

pytestmark = pytest.mark.chart

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
GUARDED = [name for name, values in VALUES.items() if values.get("networkPolicy", {}).get("enabled", True)]
# Metadata services of clouds, and addresses that carry an IPv4 address inside.
ALWAYS = [
    *("169.254.0.0/16", "168.63.129.16/32", "192.0.0.0/24", "100.100.100.200/32", "192.88.99.0/24"),
    *("fe80::/10", "fd00:ec2::/32", "fd20:ce::254/128"),
    *("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32"),
]
PRIVATE = [
    *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "198.18.0.0/15", "240.0.0.0/4"),
    "fc00::/7",
]
SERVERS = {"pvc": ["10.0.0.5/32"], "inline-nfs": ["10.0.0.5/32"], "kernelspecs-volume": ["10.0.0.6/32"]}


def allows(block: dict[str, Any], address: Any) -> bool:
    """Return whether an ipBlock allows an address."""
    excepted = [ipaddress.ip_network(out) for out in block.get("except", [])]
    return bool(address in ipaddress.ip_network(block["cidr"])) and not any(address in out for out in excepted)


def blocks(policy: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the blocks that a policy allows for more than DNS."""
    for rule in policy["spec"].get("egress") or []:
        if {port["port"] for port in rule.get("ports", [{"port": None}])} != {53}:
            yield from (peer["ipBlock"] for peer in rule["to"] if "ipBlock" in peer)


def selects(policy: dict[str, Any], labels: dict[str, str]) -> bool:
    return bool(policy["spec"]["podSelector"]["matchLabels"].items() <= labels.items())


def kernel_labels(release: str = "kernelpod", network: str = "default") -> dict[str, str]:
    return names.labels(release, "hub", "user", "Alice", "python-pod", "k", network)


def kernel_policies(objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    ours = [one for one in objects if one["metadata"]["labels"]["app.kubernetes.io/component"] == "kernel"]
    return list(of_kind(ours, "NetworkPolicy").values())


def gateway_policy(objects: list[dict[str, Any]]) -> dict[str, Any]:
    (policy,) = of_kind(
        [o for o in objects if o["metadata"].get("namespace") == "gateway"], "NetworkPolicy"
    ).values()
    return policy


def edges(network: Network) -> tuple[Any, Any]:
    return network.network_address, network.broadcast_address


def within(inner: Network, outer: Network) -> bool:
    return inner.version == outer.version and inner.subnet_of(outer)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", GUARDED)
def test_no_profile_reaches_what_is_denied(name: str, helm: Helm) -> None:
    """Blocks are either apart or one within the other, so the first and last address stand for all of a block."""
    denied = [*ALWAYS, *SERVERS.get(name, []), *VALUES[name].get("networkPolicy", {}).get("deny", [])]
    for policy in kernel_policies(helm.objects(VALUES[name])):
        for block in blocks(policy):
            for network in map(ipaddress.ip_network, denied):
                assert not any(allows(block, address) for address in edges(network)), (block, network)
                assert not within(ipaddress.ip_network(block["cidr"]), network), (block, network)


@pytest.mark.parametrize("name", GUARDED)
def test_the_gateway_reaches_no_special_address_and_no_port_of_nfs(name: str, helm: Helm) -> None:
    """An NFS server's address itself may be the API server's too, on a single node."""
    policy = gateway_policy(helm.objects(VALUES[name]))
    for block in blocks(policy):
        assert not any(allows(block, address) for cidr in ALWAYS for address in edges(ipaddress.ip_network(cidr)))
    assert all(rule["ports"] for rule in policy["spec"]["egress"])
    assert not {111, 2049} & {port["port"] for rule in policy["spec"]["egress"] for port in rule["ports"]}


@pytest.mark.parametrize("name", GUARDED)
def test_exceptions_lie_within_their_block(name: str, helm: Helm) -> None:
    """Kubernetes refuses the policy otherwise."""
    for policy in of_kind(helm.objects(VALUES[name]), "NetworkPolicy").values():
        for block in blocks(policy):
            whole = ipaddress.ip_network(block["cidr"])
            parts = [ipaddress.ip_network(out) for out in block.get("except", [])]
            assert all(within(part, whole) and part != whole for part in parts), block


# Addresses around the borders of blocks: in which of them an address lies is asked of Python, not of the chart.
DENIED = ["10.0.0.0/9", "10.128.0.0/31", "203.0.113.77/32", "2001:db8:8000::/33", "2001:db8::1/128", "0.0.0.0/5"]
OUTER = ["10.0.0.0/8", "203.0.113.64/26", "2001:db8::/32", "2001:db8::/64", "128.0.0.0/1", "8.0.0.0/7", "::/0"]


def test_blocks_are_compared_as_addresses_are(helm: Helm) -> None:
    egress = [{"to": [{"ipBlock": {"cidr": cidr}}]} for cidr in OUTER]
    values = {"networkPolicy": {"deny": DENIED, "profiles": {"all": {"egress": egress}}}}
    policy = of_kind(kernel_policies(helm.objects(values)), "NetworkPolicy")["kernelpod-egress-all"]
    for block in blocks(policy):
        whole = ipaddress.ip_network(block["cidr"])
        inside = {cidr for cidr in [*ALWAYS, *DENIED] if within(ipaddress.ip_network(cidr), whole)}
        assert set(block.get("except", [])) == inside, block


@pytest.mark.parametrize("cidr", PRIVATE)
def test_the_internet_has_no_private_addresses(cidr: str, helm: Helm) -> None:
    policies = of_kind(kernel_policies(helm.objects()), "NetworkPolicy")
    internet = list(blocks(policies["kernelpod-egress-default"]))
    assert not any(allows(block, address) for block in internet for address in edges(ipaddress.ip_network(cidr)))
    for address in map(ipaddress.ip_address, ("9.9.9.9", "172.15.0.1", "172.32.0.1", "2620:fe::fe")):
        assert any(allows(block, address) for block in internet), address


def test_a_kernel_without_network_cannot_ask_for_names(helm: Helm) -> None:
    """Names are a way out: the cluster's name server asks any server of the world."""
    policies = of_kind(kernel_policies(helm.objects()), "NetworkPolicy")
    assert policies["kernelpod-egress-none"]["spec"]["egress"] == []


@pytest.mark.parametrize("name", GUARDED)
def test_kernels_are_denied_all_that_no_profile_allows(name: str, helm: Helm) -> None:
    policies = kernel_policies(helm.objects(VALUES[name]))
    for network in ("default", "none", "never-heard-of"):
        mine = [policy for policy in policies if selects(policy, kernel_labels(network=network))]
        assert {kind for policy in mine for kind in policy["spec"]["policyTypes"]} == {"Ingress", "Egress"}
        expected = ["kernelpod-egress-default"] if network == "default" else []
        assert [one["metadata"]["name"] for one in mine if one["spec"].get("egress")] == expected
    assert not [policy for policy in policies if selects(policy, kernel_labels(release="other"))]


def test_only_the_gateway_reaches_kernels_and_only_on_their_ports(helm: Helm) -> None:
    objects = helm.objects({"nameOverride": "kernels", "kernels": {"namespace": {"name": "exam"}}})
    (deployment,) = of_kind(objects, "Deployment").values()
    (rule,) = [rule for policy in kernel_policies(objects) for rule in policy["spec"].get("ingress", [])]
    (peer,) = rule["from"]
    assert peer["namespaceSelector"] == {"matchLabels": {"kubernetes.io/metadata.name": "gateway"}}
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert peer["podSelector"]["matchLabels"].items() <= labels.items()
    (port,) = rule["ports"]
    assert list(range(port["port"], port["endPort"] + 1)) == POD_PORTS
    assert rule["ports"] in [one["ports"] for one in gateway_policy(objects)["spec"]["egress"]]


def test_the_gateway_is_reached_by_servers_the_hub_and_who_reads_metrics(helm: Helm) -> None:
    objects = helm.objects(VALUES["kernelspecs-volume"])
    (rule,) = gateway_policy(objects)["spec"]["ingress"]
    gateways, servers, hub, metrics = rule["from"]
    assert "namespaceSelector" not in gateways  # its own
    assert gateways["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "gateway"
    assert servers["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "teaching"}
    assert servers["podSelector"]["matchLabels"] == {"component": "singleuser-server"}
    assert hub["namespaceSelector"] == servers["namespaceSelector"]
    assert hub["podSelector"]["matchLabels"] == {"component": "hub"}
    assert metrics["podSelector"]["matchLabels"] == {"app.kubernetes.io/name": "prometheus"}
    assert rule["ports"] == [{"protocol": "TCP", "port": 8888}]


def targets(helm: Helm, values: dict[str, Any]) -> dict[str, list[int]]:
    """Return the ports that the gateway may reach by the pods' first label."""
    egress = gateway_policy(helm.objects(values))["spec"]["egress"]
    selected = [rule for rule in egress if "namespaceSelector" in rule["to"][0]]
    return {
        next(iter(rule["to"][0]["podSelector"]["matchLabels"].values())): [port["port"] for port in rule["ports"]]
        for rule in selected
    }


@pytest.mark.parametrize(
    ("url", "port"),
    [
        (None, 8081),
        ("http://hub.hub:9000/x/hub/api", 9000),
        ("https://hub.hub/hub/api", 443),
        ("http://hub.hub", 80),
    ],
)
def test_the_gateway_reaches_dns_hub_and_kernels(url: str | None, port: int, helm: Helm) -> None:
    values = {"settings": {"hubs": [{"api_url": url}]}} if url else {}
    assert targets(helm, values) == {"kube-dns": [53, 53], "hub": [port], "kernelpod": [POD_PORTS[0]]}


def test_gateways_reach_each_other(helm: Helm) -> None:
    objects = helm.objects()
    egress = gateway_policy(objects)["spec"]["egress"]
    (pods,) = (rule for rule in egress if list(rule["to"][0]) == ["podSelector"])
    (deployment,) = of_kind(objects, "Deployment").values()
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert pods["to"][0]["podSelector"]["matchLabels"].items() <= labels.items()
    assert pods["ports"] == [{"protocol": "TCP", "port": 8888}]


def test_the_api_server_is_reached_where_it_shares_its_node_with_nfs(helm: Helm) -> None:
    node = "192.168.77.1"
    values = {
        "networkPolicy": {"deny": [f"{node}/32"]},
        "homes": {"persistentVolume": {"create": True, "server": node}},
    }
    rule = gateway_policy(helm.objects(values))["spec"]["egress"][-1]
    assert any(allows(peer["ipBlock"], ipaddress.ip_address(node)) for peer in rule["to"])


def test_where_the_api_server_is_can_be_said_exactly(helm: Helm) -> None:
    """The API server is what `deny` names for kernels; the gateway still reaches it, and on its ports only."""
    policy: dict[str, Any] = {"deny": ["10.0.0.1/32"], "apiServer": {"cidrs": ["10.0.0.1/32"], "ports": [6443]}}
    rule = gateway_policy(helm.objects({"networkPolicy": policy}))["spec"]["egress"][-1]
    assert rule["to"] == [{"ipBlock": {"cidr": "10.0.0.1/32"}}]
    assert rule["ports"] == [{"protocol": "TCP", "port": 6443}]


def test_dns_servers_that_are_no_pods_are_reached_for_dns_only(helm: Helm) -> None:
    for policy in of_kind(helm.objects(VALUES["kernelspecs-volume"]), "NetworkPolicy").values():
        for rule in policy["spec"].get("egress", []):
            if {"ipBlock": {"cidr": "169.254.20.10/32"}} in rule["to"]:
                assert {port["port"] for port in rule["ports"]} == {53}


def test_without_policies_there_are_none(helm: Helm) -> None:
    assert not of_kind(helm.objects(VALUES["overridden"]), "NetworkPolicy")
