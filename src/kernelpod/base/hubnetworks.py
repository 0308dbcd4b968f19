"""Reads what the network policies of hub/manifests allow, for all ways to install a hub."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import yaml

from kernelpod.base import shipped
from kernelpod.errors import KernelpodError


def rules(name: str, direction: str) -> list[dict[str, Any]]:
    """Return the rules of a policy, `ingress` or `egress`. Raises KernelpodError if there is no such policy."""
    text = (shipped.hub_manifests() / "networkpolicies.yaml").read_text(encoding="utf-8")
    for policy in yaml.safe_load_all(text):
        if policy["metadata"]["name"] == name:
            found: list[dict[str, Any]] = policy["spec"][direction]
            return found
    raise KernelpodError(f"The hub's manifests have no NetworkPolicy {name}; they belong to another version.")


def internet(denied: Iterable[str] = ()) -> list[dict[str, Any]]:
    """Return the rules by which servers reach the internet, without `denied` CIDR blocks as well."""
    denied, made = list(denied), rules("servers-to-internet", "egress")
    for rule in made:
        # Kubernetes refuses an exception that is the whole block.
        rule["to"] = [peer for peer in rule["to"] if peer["ipBlock"]["cidr"] not in denied]
    for block in (peer["ipBlock"] for rule in made for peer in rule["to"]):
        block["except"] += [address for address in denied if (":" in address) == (":" in block["cidr"])]
    # A rule without destinations would allow all of them.
    return [rule for rule in made if rule["to"]]
