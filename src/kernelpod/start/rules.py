"""Applies `policy.rules` to a user: for each value, the first matching rule that sets it wins."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from kernelpod.settings.kernels import Bounds, Rule
from kernelpod.settings.sections import Settings
from kernelpod.start.identity import Identity

T = TypeVar("T")


def first_of_rules(settings: Settings, identity: Identity, get: Callable[[Rule], T | None], default: T) -> T:
    """Return the value from the first matching rule that sets it, else the default."""
    rules = (rule for rule in settings.policy.rules if _is_for(rule, identity))
    return next((value for rule in rules if (value := get(rule)) is not None), default)


def user_bounds(settings: Settings, identity: Identity) -> Bounds:
    """Return the most resources that one kernel of the user may have."""
    return first_of_rules(settings, identity, lambda rule: rule.bounds, Bounds())


def _is_for(rule: Rule, identity: Identity) -> bool:
    owner = identity.owner
    return rule.includes(owner.hub, owner.name if owner.kind == "user" else None, identity.groups)
