"""`python -m bench.local`: Kernelpod's gateway against stock Enterprise Gateway, on one machine, in one run.

All peers have the same kernel and use loopback. Exit status 0 means that the benchmark ran; the table shows which
goals were met.
"""

from __future__ import annotations

import argparse
import dataclasses
import signal
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from bench import beset, measures, revoking, road, takeover, turns
from bench.ours import OursPeer
from bench.peers import BarePeer, Peer, StockLocalPeer, StockPeer
from bench.processes import BenchError, adopt_orphans, finish, sweep, terminated
from bench.table import Measure, render, write_json

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Alone = TypeVar("Alone", bound=Peer)


def available() -> dict[str, type[Peer]]:
    """Return the available peers by name, in the order of the turns."""
    peers: list[type[Peer]] = [StockPeer, OursPeer, StockLocalPeer, BarePeer]
    return {peer.name: peer for peer in peers}


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the parsed command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.local", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the rows as a JSON list")
    parser.add_argument("--kernels", type=int, metavar="N", help="kernels alive for the listing (30)")
    parser.add_argument("--small", action="store_true", help="one tiny case of each, for CI")
    parser.add_argument("--peers", default=",".join(available()), help="comma-separated (%(default)s)")
    options = parser.parse_args(argv)
    unknown = set(options.peers.split(",")) - set(available())
    if unknown:
        parser.error(f"unknown peers {sorted(unknown)}; known peers: {', '.join(available())}")
    if options.json and not options.json.resolve().parent.is_dir():
        parser.error(f"--json: no folder {options.json.resolve().parent}")
    return options


def alone(stack: ExitStack, peer: Alone, take: Callable[[Alone], list[Measure]]) -> list[Measure]:
    """Return the rows of one peer, which is stopped afterwards, and after an error."""
    stack.callback(peer.stop)
    rows = take(peer)
    peer.stop()
    return rows


def of_ours(stack: ExitStack, peer: OursPeer, *, small: bool) -> list[Measure]:
    """Return the rows that are about Kernelpod alone, each from a gateway of its own."""
    on_road = road.RoadPeer()
    rows = alone(stack, on_road, lambda it: road.measure(it, road.SMALL if small else road.Size()))
    peer.failures += on_road.failures
    of_takeover = takeover.SMALL if small else takeover.Size()
    rows += alone(stack, takeover.PairPeer(), lambda it: takeover.measure(it, of_takeover))
    of_revoking = revoking.SMALL if small else revoking.Size()
    rows += alone(stack, revoking.RevokedPeer(), lambda it: revoking.measure(it, of_revoking))
    of_beset = beset.SMALL if small else beset.Size()
    return rows + alone(stack, beset.BesetPeer(), lambda it: beset.measure(it, of_beset))


def measure(peers: Sequence[Peer], *, small: bool, kernels_alive: int | None) -> list[Measure]:
    """Return all rows. Every process that the peers start is ended, even after an error."""
    size = measures.SMALL if small else measures.Size()
    if kernels_alive:
        size = dataclasses.replace(size, kernels=kernels_alive)
    with ExitStack() as stack:
        stack.callback(sweep)
        for peer in peers:
            stack.callback(peer.stop)
        stack.callback(finish)
        kernels = {}
        for peer in peers:
            turns.say(f"{peer.name}: starting")
            peer.start()
            kernels[peer.name] = turns.usable_kernel(peer)
        turns.wait_quiet()
        rows = measures.round_trip(peers, kernels, size)
        rows += measures.streaming(peers, kernels, size)
        rows += measures.starting(peers, size)
        flood = measures.flooded(peers, kernels, size)
        # The last, since it binds the kernels; without the others, which are not idle even when nobody uses them.
        few = measures.without_stock(peers)
        for peer in set(peers) - set(few):
            peer.stop()
        rows += measures.long_streaming(few, kernels, size)
        for peer in peers:
            peer.stop()
        rows += [*measures.many_kernels(peers, size), *flood]
        for peer in peers:
            if isinstance(peer, OursPeer):
                rows += of_ours(stack, peer, small=small)
        return [*rows, turns.failures(peers)]


def main(argv: Sequence[str] | None = None) -> int:
    """Return 0 if the benchmark ran, 1 if it could not."""
    options = arguments(argv)
    adopt_orphans()
    signal.signal(signal.SIGTERM, terminated)
    wanted = options.peers.split(",")
    try:
        peers = [kind() for name, kind in available().items() if name in wanted]
        rows = measure(peers, small=options.small, kernels_alive=options.kernels)
    except (BenchError, OSError) as error:
        print(f"bench.local: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print(render(rows))
    if options.json:
        write_json(rows, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
