"""Tries to reach what must not be reached, made in pods."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import kube
from rig.netpol import ipv6_of

# The node on its link to a pod.
ROUTER = "fe80::88"
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
    with ExitStack() as stack, _listening() as server:
        for address in addresses:
            whole = f"{address}/{128 if ':' in address else 32}"
            ip("addr", "add", whole, "dev", "lo", "scope", "host")
            stack.callback(ip, "addr", "del", whole, "dev", "lo")
        yield int(server.getsockname()[1])


def _listening() -> socket.socket:
    return socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)


@contextmanager
def ipv6(*pods: str) -> Iterator[None]:
    """Let the pods with these addresses have IPv6 as well, as in a cluster with both. The rules know it."""
    with ExitStack() as stack:
        forwarding = Path("/proc/sys/net/ipv6/conf/all/forwarding")
        stack.callback(forwarding.write_text, forwarding.read_text())
        forwarding.write_text("1")
        for address in pods:
            here, there = _link_of(address), _network_of(address)
            ip("-6", "addr", "add", f"{ROUTER}/64", "dev", here, "nodad")
            stack.callback(ip, "-6", "addr", "del", f"{ROUTER}/64", "dev", here)
            ip("-6", "addr", "add", f"{ipv6_of(address)}/128", "dev", "eth0", "nodad", within=there)
            stack.callback(ip, "-6", "addr", "del", f"{ipv6_of(address)}/128", "dev", "eth0", within=there)
            ip("-6", "route", "add", "default", "via", ROUTER, "dev", "eth0", within=there)
            ip("-6", "route", "add", f"{ipv6_of(address)}/128", "dev", here)
            stack.callback(ip, "-6", "route", "del", f"{ipv6_of(address)}/128", "dev", here)
        yield


def _link_of(pod: str) -> str:
    """Return the node's end of the link to the pod with this address."""
    words = ip("-o", "route", "get", pod).split()
    return words[words.index("dev") + 1]


def _network_of(pod: str) -> Path:
    """Return the network namespace of the pod with this address, by its first process, which lasts."""
    places: dict[str, Path] = {}
    for place in sorted(Path("/proc").glob("[0-9]*/ns/net"), key=lambda one: int(one.parts[2])):
        with suppress(OSError):  # it has just ended
            places.setdefault(str(place.readlink()), place)
    for place in places.values():
        with suppress(AssertionError):
            if f" {pod}/" in ip("-4", "-o", "addr", within=place):
                return place
    raise AssertionError(f"no pod here has the address {pod}")


def ip(*words: str, within: Path | None = None) -> str:
    """Run `ip`, here or in a network namespace, and return what it says. Raises AssertionError if it fails."""
    enter = ["nsenter", f"--net={within}"] if within else []
    done = subprocess.run([*enter, "ip", *words], capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, f"ip {' '.join(words)}: {done.stderr}"
    return done.stdout


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
