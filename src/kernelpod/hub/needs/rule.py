"""One rule by which an admin's value breaks something, and the comparisons that rules are made of."""

from __future__ import annotations

import re
import string
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from kernelpod.findings.finding import Level
from kernelpod.settings.origins import listed_users


@dataclass(frozen=True)
class Rule:
    """What breaks if an admin's value is bad."""

    path: str
    """Dotted path of a trait or a value; `*` matches any text, including dots."""
    bad: Callable[[Any, Any], bool | str]
    """Returns whether the admin's value breaks something; gets our value or None, and the admin's.

    A text names what is bad about it.
    """
    said: str
    level: Level = "error"
    beside: str = ""
    """Dotted path of our value, if it is another one."""


def contains(yours: Any, ours: Any) -> bool:
    """Return whether a value holds everything of ours. Lists and mappings of items are alike."""
    if isinstance(ours, dict) and isinstance(yours, dict):
        return all(key in yours and contains(yours[key], value) for key, value in ours.items())
    if isinstance(ours, (dict, list)) and isinstance(yours, (dict, list)):
        return all(one in items(yours) for one in items(ours))
    return bool(yours == ours)


def items(value: Any) -> list[Any]:
    """Return the items of a list, or of a mapping that stands in its place."""
    if isinstance(value, dict):
        return list(value.values())
    return list(value) if isinstance(value, list) else []


def lacks_ours(ours: Any, yours: Any) -> bool:
    """Return whether a value lacks some of ours."""
    return ours is not None and not contains(yours, ours)


def differs(ours: Any, yours: Any) -> bool:
    """Return whether we set another value."""
    return ours is not None and bool(ours != yours)


def lacks_the_first(ours: Any, yours: Any) -> bool:
    """Return whether a list lacks our first entry, the gateway. An admin may leave out the internet behind it."""
    return lacks_ours(ours and ours[:1], yours)


def smaller(ours: Any, yours: Any) -> bool:
    """Return whether a number is smaller than ours, or none."""
    return ours is not None and (not isinstance(yours, (int, float)) or yours < ours)


def is_null(_: Any, yours: Any) -> bool:
    """Return whether a value is removed."""
    return yours is None


def is_given(_: Any, yours: Any) -> bool:
    """Return whether there is a value."""
    return yours is not None


def is_on(_: Any, yours: Any) -> bool:
    """Return whether a value is true or not empty."""
    return bool(yours)


def is_off(_: Any, yours: Any) -> bool:
    """Return whether a value is false or empty."""
    return not yours


def is_text(_: Any, yours: Any) -> bool:
    """Return whether a value is a text."""
    return isinstance(yours, str)


def is_added(ours: Any, yours: Any) -> bool:
    """Return whether there is a value, and none of ours."""
    return ours is None and bool(yours)


def is_another(name: str) -> Callable[[Any, Any], bool]:
    """Return a comparison with the only value that is right."""
    return lambda _, yours: yours != name


def is_no_template(_: Any, yours: Any) -> bool:
    """Return whether KubeSpawner's str.format would fail on a text or replace something by accident."""
    if not isinstance(yours, str):
        return False
    try:
        fields = {name for _, name, _, _ in string.Formatter().parse(yours) if name is not None}
    except ValueError:
        return True
    known = {"username", "escaped_username", "unescaped_username", "servername", "unescaped_servername", "userid"}
    return not fields <= known


def is_in_memory(_: Any, yours: Any) -> bool:
    """Return whether a database is lost with the hub's process."""
    return str(yours).rstrip("/") in ("sqlite:", "sqlite-memory") or ":memory:" in str(yours)


def is_below_a_path(_: Any, yours: Any) -> bool:
    """Return whether a URL moves the hub below a path."""
    return urlsplit(str(yours or "")).path not in ("", "/")


def is_below(folder: str) -> Callable[[Any, Any], bool]:
    """Return whether a path lies below a folder."""
    return lambda _, yours: str(yours).startswith(f"{folder}/")


def is_among(key: str) -> Callable[[Any, Any], bool]:
    """Return whether one of our entries has the same value of a key."""
    return lambda ours, yours: any(one.get(key) == yours for one in items(ours))


def repeats(key: str) -> Callable[[Any, Any], bool]:
    """Return whether two entries have the same value of a key, of which there may be one only."""

    def bad(_: Any, yours: Any) -> bool:
        found = [one.get(key) for one in items(yours) if isinstance(one, dict)]
        return len(found) != len(set(map(str, found)))

    return bad


def keeps_out(pattern: Any, yours: Any) -> str:
    """Return the users of a list who do not match our pattern of user names."""
    # As JupyterHub does: names are in lower case.
    names = listed_users(yours) if pattern else []
    return ", ".join(sorted(name for name in names if not re.match(pattern, name.lower())))
