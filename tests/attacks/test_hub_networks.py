"""What a user's server, and the hub itself, cannot reach: read from the hub's network policies."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from kernelpod.base import shipped
from kernelpod.settings.sections import Settings
from kernelpod.z2jh.values import z2jh_values

POLICIES = list(yaml.safe_load_all((shipped.hub_manifests() / "networkpolicies.yaml").read_text(encoding="utf-8")))
# The metadata service of most clouds is also reached by an IPv6 address that carries its IPv4 address.
ADDRESSES = {
    "the metadata service": "169.254.169.254",
    "Azure's metadata service": "168.63.129.16",
    "Oracle's metadata service": "192.0.0.192",
    "Alibaba's metadata service": "100.100.100.200",
    "AWS's metadata service by IPv6": "fd00:ec2::254",
    "Google's metadata service by IPv6": "fd20:ce::254",
    "a link-local address of IPv6": "fe80::1",
    "the metadata service by NAT64": "64:ff9b::a9fe:a9fe",
    "the metadata service by a site's NAT64": "64:ff9b:1::a9fe:a9fe",
    "the metadata service by 6to4": "2002:a9fe:a9fe::1",
    "the metadata service by Teredo": "2001:0:a9fe:a9fe::1",
    "a relay of 6to4": "192.88.99.1",
}


def blocks(component: str) -> Iterator[dict[str, Any]]:
    """Yield the blocks of addresses that the pods of a component may reach."""
    for policy in POLICIES:
        if policy["spec"]["podSelector"].get("matchLabels") == {"component": component}:
            for rule in policy["spec"].get("egress", []):
                yield from (peer["ipBlock"] for peer in rule["to"] if "ipBlock" in peer)


def reached(component: str, address: str) -> bool:
    target = ipaddress.ip_address(address)
    return any(
        target in ipaddress.ip_network(block["cidr"])
        and not any(target in ipaddress.ip_network(out) for out in block["except"])
        for block in blocks(component)
    )


@pytest.mark.parametrize("component", ["hub", "singleuser-server"])
@pytest.mark.parametrize("address", ADDRESSES.values(), ids=ADDRESSES)
def test_a_server_or_hub_cannot_reach_metadata_services(component: str, address: str) -> None:
    assert not reached(component, address)


@pytest.mark.parametrize("address", ["10.0.0.5", "172.16.0.1", "100.64.0.1", "198.18.0.1", "fd12::1"])
def test_a_server_cannot_reach_private_addresses(address: str) -> None:
    assert reached("hub", address), "the API server and the servers may be there"
    assert not reached("singleuser-server", address)


@pytest.mark.parametrize("address", ["9.9.9.9", "168.63.129.17", "2620:fe::fe", "2001:db8::1"])
def test_a_server_reaches_the_internet(address: str) -> None:
    assert reached("singleuser-server", address)


def chart_list(name: str) -> set[str]:
    """Return a list of addresses of the gateway's chart, which Helm reads as JSON."""
    text = (shipped.chart() / "templates" / "_network.tpl").read_text(encoding="utf-8")
    found = re.search(rf'define "kernelpod.{name}" -}}}}\n(.*?)\n{{{{- end', text, re.DOTALL)
    assert found, name
    return set(json.loads(found[1]))


@pytest.mark.parametrize(
    ("component", "lists"), [("hub", ["special"]), ("singleuser-server", ["private", "special"])]
)
def test_the_hub_has_the_lists_of_the_chart(component: str, lists: list[str]) -> None:
    expected = set().union(*map(chart_list, lists))
    found = [out for block in blocks(component) for out in block["except"]]
    assert sorted(found) == sorted(expected)


def test_zero_to_jupyterhub_gives_servers_and_hub_the_same_ways_out() -> None:
    sections = {
        "servers": {"gateway_url": "http://kernelpod.gateway:8888"},
        "runtime": {"kubernetes": {"home_check_image": "gateway:1"}},
    }
    made = z2jh_values(Settings.model_validate(sections), "gateway")
    for component, section in (("hub", "hub"), ("singleuser-server", "singleuser")):
        network = made[section]["networkPolicy"]
        given = [peer["ipBlock"] for rule in network["egress"] for peer in rule["to"] if "ipBlock" in peer]
        assert given == list(blocks(component))
        # The chart's defaults for these are true.
        assert network["egressAllowRules"]["nonPrivateIPs"] is False
    assert made["hub"]["networkPolicy"]["egressAllowRules"]["cloudMetadataServer"] is False
