"""Finds the address that sent a request to the hub, using only trusted sources.

The hub's own proxy forwards every header and appends the address of its client to X-Forwarded-For. Earlier entries
may be forged. So may X-Real-Ip, which tornado's `remote_ip` prefers.
"""

from __future__ import annotations

import ipaddress
from typing import Any

from traitlets import TraitError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def address(text: str) -> Address:
    """Return an address. An IPv4 address written as IPv6 becomes IPv4. Raises ValueError."""
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        raise ValueError(f"{text[:60]!r} is not an address") from None
    return (found.version == 6 and found.ipv4_mapped) or found


def within(one: Address, networks: list[str]) -> bool:
    """Return whether an address is in one of the networks, such as 192.0.2.0/24."""
    return any(one in ipaddress.ip_network(network) for network in networks)


def checked_networks(proposal: Any) -> list[str]:
    """Return the proposed networks of a trait. Raises TraitError for an invalid one."""
    for value in proposal.value:
        try:
            ipaddress.ip_network(value)
        except ValueError as error:
            raise TraitError(f"{type(proposal.owner).__name__}.{proposal.trait.name}: {error}") from error
    return list(proposal.value)


def peer(request: Any) -> Address:
    """Return the address that connected to the hub. Raises ValueError if it has none, as with a Unix socket."""
    end = request.connection.context.address
    return address(str(end[0]) if end else "a Unix socket")


def asked_proxy(request: Any) -> Address:
    """Return the address of the hub's proxy's client. Raises ValueError if the proxy did not report it."""
    return address(_forwarded(request)[-1])


def browser(request: Any, proxies: list[str]) -> str:
    """Return the last entry of X-Forwarded-For that is not a trusted proxy, or else the peer's address."""
    for said in reversed(_forwarded(request)):
        try:
            if not within(address(said), proxies):
                return said
        except ValueError:
            break
    return str(peer(request))


def site(said: str) -> str:
    """Return what is counted as one address: of IPv6 the network of 64 bits, in which a machine has as many as it
    likes."""
    try:
        found = address(said)
    except ValueError:
        return said
    return str(ipaddress.ip_network((found, 64), strict=False)) if found.version == 6 else str(found)


def _forwarded(request: Any) -> list[str]:
    return [part.strip() for part in ",".join(request.headers.get_list("X-Forwarded-For")).split(",")]
