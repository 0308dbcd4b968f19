"""Tries to reach what must not be reached, made in pods."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager

import kube

# In a kernel or a server: prints for each place "open", "refused" or "dropped".
TRY = """
import json, socket, sys
from concurrent.futures import ThreadPoolExecutor
def one(place):
    try:
        socket.create_connection(tuple(place), 3).close()
        return "open"
    except ConnectionRefusedError:
        return "refused"
    except OSError:
        return "dropped"
with ThreadPoolExecutor() as pool:
    print(json.dumps(list(pool.map(one, json.loads({places!r})))))
"""


@contextmanager
def answering(addresses: Iterable[str]) -> Iterator[int]:
    """Let this machine have these addresses. Yields the port on which all of them answer.

    Their scope is the machine: one that is global could become the source of somebody's connection, and end it.
    """
    with ExitStack() as stack, socket.create_server(("0.0.0.0", 0)) as server:
        for address in addresses:
            ip("addr", "add", f"{address}/32", "dev", "lo", "scope", "host")
            stack.callback(ip, "addr", "del", f"{address}/32", "dev", "lo")
        yield int(server.getsockname()[1])


def ip(*words: str) -> None:
    """Run `ip`. Raises AssertionError with its words if it fails."""
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, done.stderr


def tried(said: str) -> list[str]:
    """Return what TRY printed."""
    found: list[str] = json.loads(said[said.index("[") : said.index("]") + 1])
    return found


def service_address(name: str, namespace: str) -> str:
    """Return the address of a Service."""
    return kube.kubectl("get", "service", name, "-n", namespace, "-o", "jsonpath={.spec.clusterIP}")


def node_and_api_port() -> tuple[str, int]:
    """Return the address of a node that runs the API server, and the API server's port there."""
    text = kube.kubectl("get", "endpointslices", "kubernetes", "-n", "default", "-o", "json")
    found = json.loads(text)
    return found["endpoints"][0]["addresses"][0], found["ports"][0]["port"]
