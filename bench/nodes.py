"""`python -m bench.nodes`: starts on another node, and a gateway that is killed beside kernels of all nodes.

It needs the test cluster with nodes that are machines. Such a node is slower than the first, since all of it runs
in one process, so bare pods on each are measured beside.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cluster_machines import NODE_OF_KERNELS, NODE_OF_SERVERS, TOLERATED

from bench import cluster_kube as kube
from bench import cluster_node as node
from bench import takeover
from bench.client import WebSocketAddress
from bench.cluster_measures import burst, remove
from bench.cluster_peers import READY_SECONDS, BarePods, Homes, OursOnCluster
from bench.processes import BenchError, finish, terminated
from bench.table import Measure, render, write_json
from bench.turns import say, wait_quiet

if TYPE_CHECKING:
    from collections.abc import Sequence

NODES = ("node1", NODE_OF_SERVERS.name, NODE_OF_KERNELS.name)
HERE, THERE = NODES[0], NODES[-1]
COUNTS, TURNS = (1, 10), 3
KERNELS, FEW = 30, 3


def on(name: str) -> dict[str, Any]:
    """Return what a kernelspec says so that its pods run on a node."""
    return {"node_selector": {"kubernetes.io/hostname": name}, "tolerations": TOLERATED}


class OnNodes(OursOnCluster):
    """Kernelpod with some gateways, and a kernelspec for each node."""

    def __init__(self, homes: Homes, replicas: int) -> None:
        super().__init__(homes)
        self.replicas = replicas

    def kernelspecs(self) -> dict[str, dict[str, Any]]:
        return {name: on(name) for name in NODES}

    def gateways(self) -> dict[str, str]:
        """Return the addresses of the gateways' pods by name."""
        words = ("-n", self.namespace, "-l", self.gateway_labels)
        pods = json.loads(kube.kubectl("get", "pods", *words, "-o", "json"))["items"]
        return {pod["metadata"]["name"]: pod["status"]["podIP"] for pod in pods}

    def addresses(self, kernel_id: str) -> list[WebSocketAddress]:
        """Return the addresses of a kernel at every gateway."""
        path = f"/api/kernels/{kernel_id}/channels"
        return [WebSocketAddress(f"ws://{ip}:8888{path}", self.headers) for ip in self.gateways().values()]

    def kill_gateway(self) -> None:
        """Kill the gateway that leads, or the only one, as the end of its memory would; it starts again."""
        words = ("get", "leases", "-n", self.kernels, "-o", "jsonpath={.items[*].spec.holderIdentity}")
        name = kube.kubectl(*words).rpartition("-")[0] or next(iter(self.gateways()))
        uid = kube.kubectl("get", "pod", name, "-n", self.namespace, "-o", "jsonpath={.metadata.uid}")
        for pid in node.pids(uid):
            os.kill(pid, signal.SIGKILL)

    def wait_heard(self, kernels: Sequence[str]) -> None:
        """Return when each gateway runs or hears every kernel."""
        deadline = time.monotonic() + READY_SECONDS
        while True:
            said = "".join(kube.kubectl("logs", "-n", self.namespace, name) for name in self.gateways())
            if all(f"kernel {kernel_id}: {takeover.LISTENS}" in said for kernel_id in kernels):
                return
            if time.monotonic() > deadline:
                raise BenchError("the gateway that stands by does not hear every kernel")
            time.sleep(0.5)


class BareOn(BarePods):
    """Bare pods on one node."""

    node = HERE

    def _pod(self) -> dict[str, Any]:
        pod = super()._pod()
        pod["spec"] |= {"nodeSelector": {"kubernetes.io/hostname": self.node}, "tolerations": TOLERATED}
        return pod


def starts(peer: OnNodes, bare: BareOn, counts: Sequence[int], turns: int) -> list[Measure]:
    """Return the seconds until the last of some kernels started at once has answered, on each of two nodes."""
    taken: dict[tuple[int, str, str], list[float]] = {}
    for count in counts:
        for turn in range(turns):
            for place in (HERE, THERE) if turn % 2 == 0 else (THERE, HERE):
                wait_quiet()
                peer.kernel_name = bare.node = place
                done = burst(peer, count)
                if done.failed:
                    raise BenchError(f"{done.failed} of {count} starts on {place} failed")
                remove(peer, done.kernels)
                taken.setdefault((count, place, "ours"), []).append(max(done.results))
                taken.setdefault((count, place, "bare"), []).append(max(bare.start(count)))
                bare.remove()
                say(f"{count} on {place}: {max(done.results):.3g} s")
    made = []
    for count in counts:
        for place in (HERE, THERE):
            spread = {who: taken[count, place, who] for who in ("ours", "bare")}
            figures = {who: statistics.median(values) for who, values in spread.items()}
            what = f"POST to the last first result, {count} on {place}"
            made.append(Measure(what, "s", figures, None, f"median of {turns} turns" if turns > 1 else "", spread))
    return made


def kill(peer: OnNodes, kernels: int) -> list[Measure]:
    """Return what pages hear of a gateway's end, whose kernels run on all nodes."""
    started = []
    for name in NODES:
        peer.kernel_name = name
        with ThreadPoolExecutor(5) as pool:
            started += list(pool.map(lambda _: peer.start_kernel(), range(kernels // len(NODES))))
        say(f"{len(started)} kernels run")
    try:
        if peer.replicas > 1:
            peer.wait_heard(started)
        pages = takeover.through_a_kill([peer.addresses(one) for one in started], peer.kill_gateway)
    finally:
        remove(peer, started)
    return takeover.figures(pages, f"{len(started)} kernels on {len(NODES)} nodes", alone=peer.replicas == 1)


def measured(*, small: bool) -> list[Measure]:
    """Return all rows. What was created is removed, even after an error."""
    with ExitStack() as stack:
        homes = Homes()
        stack.callback(homes.remove)
        stack.callback(finish)
        space = stack.enter_context(kube.namespace("bench-bare"))
        port = stack.enter_context(kube.proxy())
        pair, single = OnNodes(homes, 2), OnNodes(homes, 1)
        stack.callback(pair.stop)
        pair.start()
        bare = BareOn(homes, space, port)
        rows = starts(pair, bare, COUNTS[:1] if small else COUNTS, 1 if small else TURNS)
        rows += kill(pair, FEW if small else KERNELS)
        pair.stop()
        stack.callback(single.stop)
        single.start()
        return rows + kill(single, FEW if small else KERNELS)


def main(argv: Sequence[str] | None = None) -> int:
    """Return 0 if the benchmark ran, 1 if it could not."""
    parser = argparse.ArgumentParser(prog="python -m bench.nodes", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the rows as a JSON list")
    parser.add_argument("--small", action="store_true", help="one of each")
    options = parser.parse_args(argv)
    signal.signal(signal.SIGTERM, terminated)
    try:
        table = measured(small=options.small)
    except (BenchError, OSError) as error:
        print(f"bench.nodes: {error}", file=sys.stderr)
        return 1
    print(render(table))
    if options.json:
        write_json(table, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
