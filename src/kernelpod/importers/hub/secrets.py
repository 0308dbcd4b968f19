"""Finds secrets in values by their keys and their format, and removes them unless they are to be kept."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from kernelpod.findings.yamlfile import Keys
from kernelpod.importers.moves import Values

_KEY = re.compile(
    r"passw(or)?d|secret|token|crypto?_?key|(api|access|private|signing)_?key|credential", re.IGNORECASE
)
# Such a key is about a secret, but its value is not a secret.
_ABOUT = re.compile(
    r"^existing|^allow|^automount|pullsecrets?$|(url|uri|scopes?|name|params|path|file|type|claim)$|expire|seconds|max_age",
    re.IGNORECASE,
)
_FORM = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----"
    r"|://[^/\s:@]*:[^/\s@]+@"
    r"|(passw(or)?d|secret|token|api_?key)\w*[\"']?\]?\s*[:=]\s*[bfr]?[\"'][^\"'\s]+[\"']"
    r"|(passw(or)?d|secret|token|api_?key)\w*=[\w+/.-]{6,}(?=[\s\"';&]|$)",
    re.IGNORECASE,
)
# The chart generates these itself.
_MADE = {("proxy", "secretToken"), ("hub", "cookieSecret"), ("hub", "config", "CryptKeeper", "keys")}
_WHERE = "move it to a Secret in the hub's namespace, or to values outside of any repository"


def leave_out_secrets(values: Values, keep: bool) -> None:
    """Report every secret, and remove it from the new values unless `keep`. Reports do not contain the secrets."""
    for keys in list(_secrets((), values.data)):
        if keep:
            values.made.secret = True
            values.note(keys, "warning", f"a secret, written unchanged: {_WHERE}")
            continue
        made = "the chart generates a new one" if keys in _MADE else f"{_WHERE}; --keep-secrets keeps it"
        values.note(keys, "dropped", f"a secret: {made}")
        values.remove(keys)


def _secrets(keys: Keys, value: Any) -> Iterator[Keys]:
    if isinstance(value, dict):
        # A variable may be {name: ..., value: ...}; then its name decides, not its key.
        named = _is_key(str(value.get("name", ""))) and "value" in value
        for key, inner in value.items():
            if (key == "value" and named and _is_word(inner)) or (_secret_key((*keys, key)) and _is_word(inner)):
                yield (*keys, key)
            else:
                yield from _secrets((*keys, key), inner)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _secrets((*keys, number), inner)
    elif _FORM.search(value.decode("latin-1") if isinstance(value, bytes) else str(value)):
        yield keys


def _secret_key(keys: Keys) -> bool:
    shared = keys[-2:-1] == ("consumers",)  # by LTI's consumer key
    return shared or keys[-2:] in (("CryptKeeper", "keys"), ("manual", "key")) or _is_key(str(keys[-1]))


def _is_key(name: str) -> bool:
    return bool(_KEY.search(name)) and not _ABOUT.search(name)


def _is_word(value: Any) -> bool:
    """Return whether a value can be a secret: text, bytes, a number, or several of them."""
    if isinstance(value, (list, set)):
        return bool(value) and all(_is_word(one) for one in value)
    return not isinstance(value, (bool, dict)) and value not in (None, "")
