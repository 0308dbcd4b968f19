"""Servers that cannot ask for names know the hosts that they need."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from kernelpod.errors import KernelpodError
from kernelpod.hub.spawners import knownhosts
from kernelpod.settings.sections import Settings
from podspawner import a_spawner

ADDRESSES = {"hub": ["10.1.1.1"], "kernelpod.gateway": ["10.1.1.2", "fd00::2"]}


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    """A DNS that knows these names."""

    def getaddrinfo(host: str, *_: Any, **__: Any) -> list[Any]:
        if host not in ADDRESSES and not host.startswith("10."):
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, 0)) for one in ADDRESSES.get(host, [host])]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


@pytest.mark.parametrize(
    ("urls", "expected"),
    [
        (["http://hub:8081"], [("10.1.1.1", "hub")]),
        (["http://hub:8081", "https://hub:8443/x"], [("10.1.1.1", "hub")]),
        (["http://kernelpod.gateway:8888"], [("10.1.1.2", "kernelpod.gateway"), ("fd00::2", "kernelpod.gateway")]),
        (["http://10.0.0.9:8888"], []),
    ],
)
async def test_hosts_have_the_addresses_that_the_hub_finds(urls: list[str], expected: list[Any]) -> None:
    made = await knownhosts.host_aliases(urls)
    assert made == [{"ip": address, "hostnames": [host]} for address, host in expected]


async def test_a_host_without_an_address_is_named() -> None:
    with pytest.raises(KernelpodError, match="cannot find the address of nowhere"):
        await knownhosts.host_aliases(["http://nowhere:1"])


def settings(url: str) -> Settings:
    kubernetes = {"kubernetes": {"home_check_image": "gateway:1"}}
    host = {"ip": "10.7.7.7", "hostnames": ["licences"]}
    given = {"servers": {"gateway_url": url}, "runtime": kubernetes, "pods": {"servers": {"host_aliases": [host]}}}
    return Settings.model_validate(given)


@pytest.mark.hub
async def test_a_servers_pod_has_no_dns_but_the_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    spawner = a_spawner(monkeypatch, settings("http://kernelpod.gateway:8888"))
    spec = (await spawner.get_pod_manifest()).to_dict()["spec"]
    assert (spec["dns_policy"], len(spec["host_aliases"])) == (None, 1)
    spawner.dns = False
    spec = (await spawner.get_pod_manifest()).to_dict()["spec"]
    assert (spec["dns_policy"], spec["dns_config"]) == ("None", {"nameservers": ["127.0.0.1"]})
    known = {(alias["ip"], *alias["hostnames"]) for alias in spec["host_aliases"]}
    assert known == {
        ("10.7.7.7", "licences"),
        ("10.1.1.1", "hub"),
        ("10.1.1.2", "kernelpod.gateway"),
        ("fd00::2", "kernelpod.gateway"),
    }


@pytest.mark.hub
async def test_a_server_whose_hosts_are_not_found_is_refused_with_the_host(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from kernelpod.hub.spawners.base import NotSpawnedError

    spawner = a_spawner(monkeypatch, settings("http://nowhere:8888"))
    spawner.dns = False
    with pytest.raises(NotSpawnedError, match="cannot find the address of nowhere") as caught:
        await spawner.get_pod_manifest()
    assert caught.value.status_code == 503
