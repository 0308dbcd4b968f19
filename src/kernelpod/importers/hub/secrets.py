"""Moves the secrets of values to a second file of values, which Helm lays over the first."""

from __future__ import annotations

from itertools import takewhile
from typing import Any

from kernelpod.findings.secrets import secrets_in
from kernelpod.findings.yamlfile import Keys
from kernelpod.importers.moves import Values

VALUES, SECRETS, SETTINGS = "values.yaml", "secrets.yaml", "settings.yaml"
HEAD = f"""\
# The secrets of {VALUES}: give this file to Helm after that one, with -f.
# Keep it out of repositories and images, and readable by its owner only.
"""


def take_secrets(values: Values) -> dict[str, Any]:
    """Remove every secret from the new values, and return values that have only these. Notes hold no secrets."""
    secrets: dict[str, Any] = {}
    for place, why in places_of(values.data).items():
        values.note(place, "changed", why)
        inner, last = secrets, place[-1]
        for key in place[:-1]:
            inner = inner.setdefault(str(key), {})
        inner[str(last)] = values.pop(place)
    return secrets


def places_of(data: dict[str, Any]) -> dict[Keys, str]:
    """Return the paths that move to the file of secrets, each with what is said of it."""
    found = {keys: _place(keys) for keys in secrets_in(data)}
    whole = f"a secret is in it, and Helm replaces lists: all of it is in {SECRETS}"
    return {place: f"a secret: it is in {SECRETS}" if place in found else whole for place in found.values()}


def _place(keys: Keys) -> Keys:
    """Return the path of what Helm can set: a value, or the list that it is in."""
    return tuple(takewhile(lambda key: isinstance(key, str), keys))
