"""Converts KubeSpawner's templates of paths to those of the settings, which have fewer placeholders."""

from __future__ import annotations

import re

from kernelpod.findings.yamlfile import Keys
from kernelpod.importers.moves import Values
from kernelpod.importers.version import is_before

_PLACEHOLDER = re.compile(r"\{(\w*)\}")
# The chart's first version with KubeSpawner 7, whose {username} is another slug, unless the trait says otherwise.
_SAFE_SINCE = (4, 0)
_SCHEME = "hub.config.KubeSpawner.slug_scheme"
_SCHEMES = {"escaped_username": "escape", "safe_username": "safe"}
# For a user's one server these are the user's, and the server's name is empty.
_SAME = {"user_server": "username", "safe_user_server": "safe_username", "escaped_user_server": "escaped_username"}
_NAMED_SERVER = re.compile(r"[-/]*\{(safe_|escaped_|unescaped_)?servername\}")
_BY_SERVER = re.compile(r"\{\w*server(name)?\}")
_ALLOWED = ("hub.allowNamedServers", "hub.config.JupyterHub.allow_named_servers")


class Slugs:
    """Finds how the names of users become names of folders, from the templates that are converted."""

    def __init__(self, values: Values, version: str) -> None:
        self._values = values
        self._usual = {True: "escape", False: "safe", None: ""}[is_before(version, _SAFE_SINCE)]
        self._found: dict[str, Keys] = {}
        scheme = values.get(_SCHEME)
        if self._usual != "escape" and scheme in ("safe", "escape"):
            values.drop(
                _SCHEME, "it is homes.slug of the settings now, if folders are named by {username}", "changed"
            )
            self._usual = scheme
        self._asked = False
        # Whether users had servers beside their usual one.
        self._named = any(values.get(key) is True for key in _ALLOWED)

    def chosen(self) -> str:
        """Return the scheme for `homes.slug`; empty for the usual one. Asks if the source has several."""
        if len(self._found) > 1:
            keys = self._found["escape"]
            self._values.made.ask(
                "homes-move", keys, "paths name users in two ways, and the settings in one: safe"
            )
            return ""
        return "escape" if "escape" in self._found else ""

    def template(self, text: str, keys: Keys) -> str:
        """Return a template with the settings' placeholders. Asks about what would be another folder."""
        self._ask_named(text, keys)
        return _PLACEHOLDER.sub(lambda found: self._one(found[1], keys), _NAMED_SERVER.sub("", text))

    def claim(self, text: str, keys: Keys) -> str:
        """Return a template of the name of each user's claim. Claims are found by the names of both schemes."""
        self._ask_named(text, keys)
        return _PLACEHOLDER.sub("{username}", _NAMED_SERVER.sub("", text))

    def _one(self, name: str, keys: Keys) -> str:
        name = _SAME.get(name, name)
        if name == "username" and not self._usual:
            self._ask(keys)
        elif scheme := _SCHEMES.get(name, self._usual if name == "username" else ""):
            self._found[scheme] = keys
        elif name != "username":
            why = f"{{{name}}} is no placeholder of the settings; homes would be by {{username}}"
            if name == "unescaped_username":
                why = "users with other names than plain lower-case letters and digits would have other folders"
            self._values.made.ask("homes-move", keys, why)
        return "{username}"

    def _ask_named(self, text: str, keys: Keys) -> None:
        """Ask about folders of named servers: all servers of a user have one home."""
        if self._named and _BY_SERVER.search(text):
            why = (
                "each named server had a folder of its own; all servers of a user would have that of the usual one"
            )
            self._values.made.ask("homes-move", keys, why)

    def _ask(self, keys: Keys) -> None:
        if self._asked:
            return
        self._asked = True
        why = (
            "with a chart before 4.0 (KubeSpawner before 7) the home of jo.doe is jo-2edoe, and since then jo-doe "
            "and a hash; say --chart with the version of the old hub's chart, or homes are named as since 4.0"
        )
        self._values.made.ask("homes-move", keys, why)
