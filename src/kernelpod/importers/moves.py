"""Values of a source during the import: moves and removes values, and remembers each value's original place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from kernelpod.findings.yamlfile import Keys, leaves_of
from kernelpod.importers.report import Account, Change

# A value that SOPS has encrypted.
_ENCRYPTED = re.compile(r"ENC\[\w+,data:")
# What is asked where such a value is missing, by its path.
_ENCRYPTED_ASKS = {
    "everybody": (re.compile(r"block|black", re.IGNORECASE), "it may be a user who is blocked, and is not read"),
    "network-open": (re.compile(r"networkPolicy"), "it may be a rule of the network, and is not read"),
}


class Values:
    """The new values. Paths are strings with dots, or tuples if a key contains a dot."""

    def __init__(self, made: Account) -> None:
        self.made = made
        self.data: dict[str, Any] = _apart(made.tree.data)
        self._began: dict[Keys, Keys] = {}

    def get(self, path: str | Keys) -> Any:
        """Return a value; None if there is none."""
        found: Any = self.data
        for key in keys_of(path):
            found = found.get(key) if isinstance(found, dict) else None
        return found

    def has(self, path: str | Keys) -> bool:
        """Return whether there is a value; null counts."""
        *above, last = keys_of(path)
        parent = self.get(tuple(above))
        return isinstance(parent, dict) and last in parent

    def section(self, path: str | Keys) -> dict[str, Any]:
        """Return a mapping; an empty one if there is none."""
        found = self.get(path)
        return found if isinstance(found, dict) else {}

    def pop(self, path: str | Keys) -> Any:
        """Remove and return a value, and remove mappings that are then empty. Return None if there is no value."""
        *above, last = keys_of(path)
        parent = self.get(tuple(above))
        if not isinstance(parent, dict) or last not in parent:
            return None
        value = parent.pop(last)
        while above and not parent:
            parent = self.get(tuple(above[:-1]))
            del parent[above.pop()]
        return value

    def put(self, path: str | Keys, value: Any, began: str | Keys) -> bool:
        """Set a value that was at `began`. If there is already a value, change nothing and return False."""
        *above, last = keys_of(path)
        parent: Any = self.data
        for key in above:
            if parent.get(key) is None:
                parent[key] = {}
            parent = parent[key]
            if not isinstance(parent, dict):
                return False
        if last in parent:
            return False
        parent[last] = value
        self._began[keys_of(path)] = keys_of(began)
        return True

    def move(self, old: str | Keys, new: str | Keys, why: str = "") -> None:
        """Move a value and report it."""
        if not self.has(old):
            return
        place = ".".join(map(str, keys_of(new)))
        if self.put(new, self.pop(old), old):
            self.note(old, "changed", f"it is {place} now" + (f": {why}" if why else ""))
        else:
            self.note(old, "dropped", f"it would be {place} now, which is already set")

    def drop(self, path: str | Keys, why: str, change: Change = "dropped") -> Any:
        """Remove a value, report it, and return it."""
        if not self.has(path):
            return None
        value = self.pop(path)
        self.note(path, change, why)
        return value

    def remove(self, keys: Keys) -> None:
        """Remove a value. In a list it is replaced by "", so that the indexes of other values do not change."""
        if all(isinstance(key, str) for key in keys):
            self.pop(keys)
            return
        parent: Any = self.data
        for key in keys[:-1]:
            parent = parent[key]
        if isinstance(parent, list):
            parent[int(keys[-1])] = ""
        else:
            del parent[keys[-1]]

    def leave_encrypted(self) -> None:
        """Leave encrypted values to the admin."""
        self.drop(("sops",), "it describes the encryption of the source")
        for keys, value in list(leaves_of(self.data)):
            if isinstance(value, str) and _ENCRYPTED.match(value):
                why = "it is encrypted: import the decrypted file, or write it into the new values"
                self.note(keys, "left", why)
                for code, (said, lost) in _ENCRYPTED_ASKS.items():
                    if said.search(".".join(map(str, keys))):
                        self.ask(code, keys, lost)
                self.remove(keys)

    def note(self, path: str | Keys, change: Change, why: str = "") -> None:
        """Report what happened to a value, at its original place."""
        self.made.note(self.came_from(keys_of(path)), change, why)

    def ask(self, code: str, path: str | Keys, why: str) -> None:
        """Ask the admin about a value, at its original place."""
        self.made.ask(code, self.came_from(keys_of(path)), why)

    def came_from(self, keys: Keys) -> Keys:
        """Return the original place of a value."""
        for length in range(len(keys), 0, -1):
            if keys[:length] in self._began:
                return (*self._began[keys[:length]], *keys[length:])
        return keys

    def unchanged(self) -> Iterator[Keys]:
        """Yield the original places of values that are still there, as they were."""
        old = dict(leaves_of(self.made.tree.data))
        for keys, value in leaves_of(self.data):
            began = self.came_from(keys)
            # Not a number is what it is, but equals nothing.
            if began in old and (old[began] is value or (type(old[began]) is type(value) and old[began] == value)):
                yield began


def keys_of(path: str | Keys) -> Keys:
    """Return the path of a value as a tuple."""
    return tuple(path.split(".")) if isinstance(path, str) else path


def _apart(value: Any) -> Any:
    """Return a deep copy in which values of YAML anchors are not shared and all keys are strings."""
    if isinstance(value, dict):
        return {str(key): _apart(inner) for key, inner in value.items()}
    return [_apart(inner) for inner in value] if isinstance(value, (list, tuple)) else value
