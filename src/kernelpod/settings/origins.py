"""Origins: whether the hub and all servers share one in browsers, and what a malicious user can do if they do."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from kernelpod.findings.finding import Finding, Place

SHARED_ORIGIN = "shared_origin"
_SAID = (
    "hub and servers share one origin, so a page that a malicious user's server sends makes tokens and opens "
    "terminals as anybody who opens it"
)
_NAMED = ("allowed_users", "admin_users")


def shared_origin(file: Path, place: Place, remedy: str) -> Finding:
    """Return the finding of a hub that several users share with their servers' pages."""
    return Finding(file, place, _SAID, "warning", SHARED_ORIGIN, remedy)


def has_several_users(names: Collection[str], config: Mapping[str, Any]) -> bool:
    """Return whether more than one user may log in.

    `names` are the known ones; the hub's configuration by class and trait may let in others.
    """
    given = [traits for name, traits in config.items() if str(name).endswith("Authenticator")]
    traits = {str(key): value for section in given if isinstance(section, dict) for key, value in section.items()}
    listed = {name for key in _NAMED for name in listed_users(traits.get(key))}
    by_rule = any(
        value and key not in _NAMED and key.startswith(("allow", "admin_")) for key, value in traits.items()
    )
    return by_rule or len({*names, *listed}) != 1


def listed_users(names: Any) -> list[str]:
    """Return the names in a list or set of users. As for JupyterHub, one text is a list of one."""
    if isinstance(names, str):
        return [names]
    return [str(name) for name in names] if isinstance(names, list | set | tuple) else []
