"""Who sent a request to the hub, as far as somebody trustworthy says.

The hub's own proxy passes on every header and adds to X-Forwarded-For who asked it. What stands before that may be
forged; so may X-Real-Ip, which tornado's `remote_ip` prefers.
"""

from __future__ import annotations

import ipaddress
from typing import Any

from traitlets import TraitError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def address(text: str) -> Address:
    """Return an address; one of IPv4 that is written as IPv6 is the same. Raises ValueError."""
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        raise ValueError(f"{text[:60]!r} is no address") from None
    return (found.version == 6 and found.ipv4_mapped) or found


def within(one: Address, networks: list[str]) -> bool:
    """Return whether an address is in one of some networks, such as 192.0.2.0/24."""
    return any(one in ipaddress.ip_network(network) for network in networks)


def checked_networks(proposal: Any) -> list[str]:
    """Return the networks that a trait is to hold. Raises TraitError for what is none."""
    for value in proposal.value:
        try:
            ipaddress.ip_network(value)
        except ValueError as error:
            raise TraitError(f"{type(proposal.owner).__name__}.{proposal.trait.name}: {error}") from error
    return list(proposal.value)


def peer(request: Any) -> Address:
    """Return who has connected to the hub. Raises ValueError where that is no address, as at a Unix socket."""
    end = request.connection.context.address
    return address(str(end[0]) if end else "a Unix socket")


def asked_proxy(request: Any) -> Address:
    """Return who has asked the hub's proxy. Raises ValueError where it does not say so."""
    return address(_forwarded(request)[-1])


def browser(request: Any, proxies: list[str]) -> str:
    """Return whom the first of the trusted proxies was asked by, as well as it can be known."""
    for said in reversed(_forwarded(request)):
        try:
            if not within(address(said), proxies):
                return said
        except ValueError:
            break
    return str(peer(request))


def _forwarded(request: Any) -> list[str]:
    return [part.strip() for part in ",".join(request.headers.get_list("X-Forwarded-For")).split(",")]
