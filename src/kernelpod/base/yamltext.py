"""YAML that is read alike by Python and by Go, which kubectl, kustomize and Helm are written in."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import yaml

# Between single quotes they would be read as an ordinary line break, or as a space.
_UNUSUAL_BREAK = re.compile("[\x85\u2028\u2029]")


class _Dumper(yaml.SafeDumper):
    """Quotes text that Go takes for something else, and writes no anchors, which say nothing to people."""

    def ignore_aliases(self, _data: Any) -> bool:
        """Return whether a value that is there twice is written twice."""
        return True


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    """Return a string's node; with an unusual line break in double quotes, where PyYAML escapes it."""
    style = '"' if _UNUSUAL_BREAK.search(text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style)


_Dumper.add_representer(str, _text)

# PyYAML writes `n`, `1e3`, `08` and `0o7` plain: to Go the first is a truth value, the others are numbers.
# Source: go.yaml.in/yaml/v2, resolve.go.
_Dumper.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"[yYnN]$"), list("yYnN"))
_Dumper.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"(?:[-+]?\d[\d_]*(?:\.[\d_]*)?(?:[eE][-+]?\d+)?|[-+]?0o[0-7_]+)$"),
    list("-+0123456789"),
)


def dump(data: Any, width: int | None = None) -> str:
    """Return one document, with keys in their order; lines are folded at `width` characters, 80 by default."""
    return dump_all([data], width)


def dump_all(documents: Iterable[Any], width: int | None = None) -> str:
    """Return documents, each as `dump` does."""
    text: str = yaml.dump_all(documents, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=width)
    return text
