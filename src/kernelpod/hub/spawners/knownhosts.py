"""The addresses of the hosts that a server needs, so that it need not ask for names: a way out for an examinee."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from kernelpod.errors import KernelpodError

RESOLVE_SECONDS = 10
# Nothing listens there, so that a question for a name fails at once. Kubernetes wants one server.
NO_DNS = {"dnsPolicy": "None", "dnsConfig": {"nameservers": ["127.0.0.1"]}}


async def host_aliases(urls: Iterable[str]) -> list[dict[str, Any]]:
    """Return the `hostAliases` of a pod for the hosts of URLs, as this process finds them.

    Raises KernelpodError, which names the host, for one that has no address.
    """
    hosts = dict.fromkeys(str(urlsplit(url).hostname) for url in urls)
    made = []
    for host in hosts:
        for address in await _addresses(host):
            if address != host:
                made.append({"ip": address, "hostnames": [host]})
    return made


async def _addresses(host: str) -> list[str]:
    asking = asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    try:
        found = await asyncio.wait_for(asking, RESOLVE_SECONDS)
    except (OSError, asyncio.TimeoutError) as error:
        said = f"The hub cannot find the address of {host}, which servers without DNS need. Tell an admin."
        raise KernelpodError(said) from error
    return list(dict.fromkeys(str(place[0]) for *_, place in found))
