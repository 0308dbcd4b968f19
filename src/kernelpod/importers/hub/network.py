"""Converts what servers may reach in values of Zero to JupyterHub."""

from __future__ import annotations

import contextlib
import ipaddress
from typing import Any

from kernelpod.importers.moves import Values
from kernelpod.importers.version import is_before

# Since this version of the chart, `egress` adds to the rules of `egressAllowRules`; before, it was all there was.
_EGRESS_ADDS_SINCE = (2, 0)


def take_network(values: Values) -> None:
    """Take out rules that would replace the generated ones or open more."""
    policy = "singleuser.networkPolicy"
    if values.get(f"{policy}.enabled") is False:
        why = (
            "DANGER: without it servers can reach each other and the whole cluster. "
            "The policy is on now, and the values of kernelpod let servers reach the gateway"
        )
        values.drop(f"{policy}.enabled", why)
    if values.has(f"{policy}.egress"):
        egress = values.get(f"{policy}.egress")
        values.drop(f"{policy}.egress", f"it would replace the rule to the gateway {_shown(egress)}")
    if values.get(f"{policy}.egressAllowRules.privateIPs") is True:
        values.drop(
            f"{policy}.egressAllowRules.privateIPs", "the gateway's is the only private address that servers need"
        )


def ask_of_internet(values: Values, version: str) -> None:
    """Ask if rules kept servers from the internet, or a part of it: `kernelpod hub values` lets them reach it.

    `version` is the version of the chart that ran with these values, empty if unknown.
    """
    policy = "singleuser.networkPolicy"
    rules, egress = f"{policy}.egressAllowRules", f"{policy}.egress"
    said = (f"{rules}.nonPrivateIPs", f"{policy}.allowExternalEgress")  # the latter is of Bitnami's chart
    adds = values.has(rules) or is_before(version, _EGRESS_ADDS_SINCE) is False
    closing = [
        *(key for key in (rules, *said) if values.has(key) and not values.get(key)),
        *([egress] if values.get(egress) is not None and not adds else []),
    ]
    # An empty mapping of rules changes no default.
    closing = [key for key in closing if values.get(key) != {}]
    if closing and values.get(f"{policy}.enabled") is not False and not _is_open(values.get(egress)):
        why = "servers could reach the whole internet; `kernelpod hub values --no-internet` keeps them from it"
        values.ask("network-open", closing[-1], why)
    hub = "hub.networkPolicy.egress"
    adds = values.has("hub.networkPolicy.egressAllowRules") or is_before(version, _EGRESS_ADDS_SINCE) is False
    if values.get(hub) is not None and not adds and not _is_open(values.get(hub)):
        values.ask("network-open", hub, "the hub could reach the whole internet")


def _is_open(egress: Any) -> bool:
    """Return whether rules let servers reach every address: one of them names no receiver."""
    rules = [rule for rule in egress if isinstance(rule, dict)] if isinstance(egress, list) else []
    return any(not rule.get("ports") and (not rule.get("to") or _reaches_all(rule["to"])) for rule in rules)


def _reaches_all(receivers: Any) -> bool:
    """Return whether one of the receivers is every address but private ones, as `kernelpod hub values` allows."""
    blocks = (
        [one.get("ipBlock") for one in receivers if isinstance(one, dict)] if isinstance(receivers, list) else []
    )
    for block in blocks:
        if isinstance(block, dict) and block.get("cidr") == "0.0.0.0/0":
            excepted = block.get("except") or []
            return isinstance(excepted, list) and all(map(_is_private, excepted))
    return False


def _is_private(block: Any) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_network(str(block), strict=False).is_private
    return False


def _shown(egress: Any) -> str:
    if egress:
        return "of `kernelpod hub values`; add rules to those"
    return "of `kernelpod hub values`; to block the internet give it --no-internet"
