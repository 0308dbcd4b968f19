"""Writes YAML that Python and Go (kubectl, kustomize, Helm) read alike."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import yaml

# In single quotes they would be read as an ordinary line break or as a space.
_UNUSUAL_BREAK = re.compile("[\x85\u2028\u2029]")


class _Dumper(yaml.SafeDumper):
    """Quotes strings that Go would read as another type, and writes no anchors, which are hard to read."""

    def ignore_aliases(self, _data: Any) -> bool:
        """Return True: a repeated value is written in full each time."""
        return True


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    """Return a string's node. Unusual line breaks need double quotes, in which PyYAML escapes them."""
    style = '"' if _UNUSUAL_BREAK.search(text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style)


_Dumper.add_representer(str, _text)

# PyYAML does not quote `n`, `1e3`, `08`, `-.5` and `0o7`: Go reads the first as a boolean, the others as numbers.
# Source: go.yaml.in/yaml/v2, resolve.go.
_Dumper.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"[yYnN]$"), list("yYnN"))
_Dumper.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"(?:[-+]?(?:\d[\d_]*(?:\.[\d_]*)?|\.\d[\d_]*)(?:[eE][-+]?\d+)?|[-+]?0o[0-7_]+)$"),
    list("-+.0123456789"),
)


def dump(data: Any, width: int | None = None) -> str:
    """Return one document. Keys keep their order; lines are folded at `width` characters, 80 by default."""
    return dump_all([data], width)


def dump_all(documents: Iterable[Any], width: int | None = None) -> str:
    """Return several documents, each formatted like `dump`."""
    text: str = yaml.dump_all(documents, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=width)
    return text
