"""NetworkPolicies as nftables rules: Kubernetes' semantics, as one pure function.

A pod that a policy selects has a chain for that direction: what an allow rule matches returns from it, the
rest is dropped at its end. Answers to accepted connections pass. What the node itself sends (kubelet's probes,
`cluster run`) passes no chain; what pods send to the node (the API server) passes their egress chains.

Pods start without IPv6, which would take a second each. The rules hold for it nevertheless: a pod's address is
known before a test gives it to the pod.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv6Address
from typing import Any

from .layout import POD_PREFIX_6

TABLE = "kernelpod"
Object = Mapping[str, Any]
EVERYTHING: Object = {}  # a rule without peers or without ports
DIRECTIONS = {
    "Ingress": ("from", "saddr"),
    "Egress": ("to", "daddr"),
}  # where peers stand, and their address's side

FRAME = """\
table inet {table}
delete table inet {table}
table inet {table} {{
    chain forward {{
        type filter hook forward priority filter; policy accept;
        ct state established,related accept
        jump egress
        jump ingress
    }}
    chain input {{
        type filter hook input priority filter; policy accept;
        ct state established,related accept
        icmpv6 type {{ nd-neighbor-solicit, nd-neighbor-advert }} accept
        jump egress
    }}
{chains}}}
"""


def rules(policies: Sequence[Object], pods: Sequence[Object], namespaces: Sequence[Object]) -> str:
    """The text for `nft -f` that replaces the table; pods have their address in status.podIP."""
    living = [pod for pod in pods if _has_own_address(pod)]
    labels = {space["metadata"]["name"]: space["metadata"].get("labels", {}) for space in namespaces}
    chains = []
    for direction, side in (("Egress", "saddr"), ("Ingress", "daddr")):
        jumps: dict[str, list[str]] = {"ip": [], "ip6": []}
        for pod in living:
            applying = [policy for policy in policies if _applies(policy, direction, pod)]
            if applying:
                name = f"{direction.lower()}-{_address(pod)}"
                allowed = _allowed(applying, direction, pod, living, labels)
                chains.append(_chain(name, [*allowed, "drop"]))
                for address in _addresses(pod):
                    jumps[_family(address)].append(f"{address} : jump {name}")
        lines = [f"{family} {side} vmap {{ {', '.join(pairs)} }}" for family, pairs in jumps.items() if pairs]
        chains.append(_chain(direction.lower(), lines))
    return FRAME.format(table=TABLE, chains="".join(chains))


def _chain(name: str, lines: Sequence[str]) -> str:
    return "\n".join([f"    chain {name} {{", *(f"        {line}" for line in lines), "    }\n"])


def _address(pod: Object) -> str:
    address: str = pod["status"]["podIP"]
    return address


def _addresses(pod: Object) -> tuple[str, str]:
    return _address(pod), ipv6_of(_address(pod))


def ipv6_of(address: str) -> str:
    """The IPv6 address of the pod with this address."""
    return str(IPv6Address(POD_PREFIX_6 + address))


def _family(address: str) -> str:
    return "ip6" if ":" in address else "ip"


def _has_own_address(pod: Object) -> bool:
    """Whether policies can mean the pod: not on the node's network, and not ended, its address free again."""
    status = pod.get("status", {})
    ended = status.get("phase") in ("Succeeded", "Failed")
    return bool(status.get("podIP")) and not ended and not pod["spec"].get("hostNetwork")


def matches(selector: Object, labels: Mapping[str, str]) -> bool:
    """Whether a label selector selects; the empty one selects everything."""
    if any(labels.get(key) != value for key, value in selector.get("matchLabels", {}).items()):
        return False
    return all(_holds(expression, labels) for expression in selector.get("matchExpressions", ()))


def _holds(expression: Object, labels: Mapping[str, str]) -> bool:
    key, values = expression["key"], expression.get("values", ())
    match expression["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case _:  # DoesNotExist
            return key not in labels


def _applies(policy: Object, direction: str, pod: Object) -> bool:
    """Whether the policy isolates the pod in that direction."""
    spec = policy["spec"]
    types = spec.get("policyTypes") or ["Ingress", *(["Egress"] if "egress" in spec else [])]
    same = policy["metadata"]["namespace"] == pod["metadata"]["namespace"]
    return direction in types and same and matches(spec.get("podSelector", {}), pod["metadata"].get("labels", {}))


def _allowed(
    policies: Sequence[Object],
    direction: str,
    pod: Object,
    pods: Sequence[Object],
    namespaces: Mapping[str, Mapping[str, str]],
) -> Iterator[str]:
    """The lines that let pass, of all policies that isolate the pod; they add up."""
    peers_key, side = DIRECTIONS[direction]
    for address in _addresses(pod):  # a pod always reaches itself, through a Service too
        yield f"{_family(address)} {side} {address} return"
    for policy in policies:
        for rule in policy["spec"].get(direction.lower()) or ():
            for peer in rule.get(peers_key) or (EVERYTHING,):
                chosen = _chosen(peer, policy["metadata"]["namespace"], pods, namespaces)
                for port in rule.get("ports") or (EVERYTHING,):
                    receivers = [pod] if direction == "Ingress" else chosen
                    yield from _lines(peer, chosen, receivers, port, side)


def _chosen(
    peer: Object, namespace: str, pods: Sequence[Object], namespaces: Mapping[str, Mapping[str, str]]
) -> list[Object]:
    """The pods that the peer means; without any selector all of them, for the names of their ports."""
    if not peer:
        return list(pods)
    if "ipBlock" in peer:
        return []

    def means(pod: Object) -> bool:
        theirs = pod["metadata"]["namespace"]
        if "namespaceSelector" in peer:
            if not matches(peer["namespaceSelector"], namespaces.get(theirs, {})):
                return False
        elif theirs != namespace:
            return False
        return matches(peer.get("podSelector", {}), pod["metadata"].get("labels", {}))

    return [pod for pod in pods if means(pod)]


def _lines(
    peer: Object, chosen: Sequence[Object], receivers: Sequence[Object], port: Object, side: str
) -> Iterator[str]:
    """Allow lines for one peer and one port; a port's name means its number in each receiving pod."""
    if not isinstance(port.get("port"), str):
        for line in _peer(peer, chosen, side):
            yield _line(line, _port(port))
        return
    for receiver in receivers:
        for number in _numbers(receiver, port):
            for line in _peer(peer, chosen, side) if side == "saddr" else _these([receiver], side):
                yield _line(line, _port({**port, "port": number}))


def _line(*parts: str) -> str:
    return " ".join([*filter(None, parts), "return"])


def _peer(peer: Object, chosen: Sequence[Object], side: str) -> list[str]:
    """What matches the peer's addresses: "" for everyone, no line for nobody."""
    if not peer:
        return [""]
    if block := peer.get("ipBlock"):
        family = _family(block["cidr"])
        holes = [f"{family} {side} != {hole}" for hole in block.get("except", ())]  # no set: holes may overlap
        return [" ".join([f"{family} {side} {block['cidr']}", *holes])]
    return _these(chosen, side)


def _these(pods: Sequence[Object], side: str) -> list[str]:
    """What matches the addresses of these pods: a line for each family; no line for no pods."""
    if not pods:
        return []
    families = zip(*(_addresses(pod) for pod in pods), strict=True)
    return [f"{_family(both[0])} {side} {{ {', '.join(both)} }}" for both in families]


def _port(port: Object) -> str:
    """What matches the port: "" for every protocol."""
    if not port:
        return ""
    protocol = port.get("protocol", "TCP").lower()
    if "port" not in port:
        return f"meta l4proto {protocol}"
    last = f"-{port['endPort']}" if "endPort" in port else ""
    return f"{protocol} dport {port['port']}{last}"


def _numbers(pod: Object, port: Object) -> list[int]:
    """The numbers that the pod's containers give to the named port."""
    wanted = (port["port"], port.get("protocol", "TCP"))
    offered = [offer for container in pod["spec"]["containers"] for offer in container.get("ports", ())]
    return [o["containerPort"] for o in offered if (o.get("name"), o.get("protocol", "TCP")) == wanted]
