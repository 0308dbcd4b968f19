"""Reads YAML as Helm and kubectl do: by the rules of their Go library, which differ from PyYAML's.

`0o644` is 420, `12:30` is a string, `y` is true and `6e2` is 600. Dates stay strings. Keys become strings, as in
JSON. Source: go.yaml.in/yaml/v2, resolve.go; sigs.k8s.io/yaml.
"""

from __future__ import annotations

import math
import re
from typing import Any

import yaml

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG = "tag:yaml.org,2002:"
_WORDS: dict[str, object] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
    **dict.fromkeys((f"{sign}{word}" for sign in ("", "+") for word in (".inf", ".Inf", ".INF")), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
}
_INT = re.compile(r"[-+]?(0[xX][0-9a-fA-F]+|0[oO]?[0-7]+|0[bB][01]+|0|[1-9][0-9]*)\Z", re.ASCII)
_SET_INT = re.compile(r"[-+]?[0-9]{1,19}\Z", re.ASCII)
_OCTAL = re.compile(r"([-+]?)0[oO]?([0-7]+)\Z", re.ASCII)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z", re.ASCII)
# Go's integers have 64 bits; a larger number is a float.
_LEAST, _MOST = -(2**63), 2**64 - 1
# Up to here a float holds every whole number.
_EXACT = 2**53


def plain_scalar(text: str) -> Any:
    """Return the value of a scalar without quotes: None, a boolean, a number, or the text itself."""
    if text in _WORDS:
        return _WORDS[text]
    digits = text.replace("_", "") if text[:1] in "+-.0123456789" else ""
    if _INT.match(digits):
        octal = _OCTAL.match(digits)
        number = int(octal[1] + octal[2], 8) if octal else int(digits, 0)
        if _LEAST <= number <= _MOST:
            return number
    return _whole(float(digits)) if _FLOAT.match(digits) else text


def set_value(text: str) -> Any:
    """Return what Helm reads after `--set KEY=`: fewer words and numbers than in YAML, and all else as text.

    Source: helm.sh/helm/v3/pkg/strvals, typedVal.
    """
    words: dict[str, object] = {"true": True, "false": False, "null": None, "0": 0}
    if text.lower() in words:
        return words[text.lower()]
    number = int(text) if _SET_INT.match(text) and not text.startswith("0") else _MOST
    return number if _LEAST <= number < 2**63 else text


def _whole(number: float) -> float:
    """Return a number as JSON writes it: without a fraction if it has none."""
    return int(number) if number.is_integer() and abs(number) < _EXACT else number


def key_text(key: Any) -> str:
    """Return a key of a mapping as the string that it becomes in JSON."""
    if isinstance(key, bool):
        return "true" if key else "false"
    return str(key)


class GoLoader(_LOADER):  # type: ignore[misc]  # one of two classes, by how PyYAML was built
    """Loads YAML with the types that Go gives it."""

    def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:
        """Return the tag of a node without a tag."""
        if kind is not yaml.ScalarNode or not implicit[0]:
            return super().resolve(kind, value, implicit)
        return _TAG + ("merge" if value == "<<" else _kind(plain_scalar(value)))


def _kind(value: Any) -> str:
    return {type(None): "null", bool: "bool", int: "int", float: "float"}.get(type(value), "str")


def _scalar(loader: Any, node: Any) -> Any:
    """Return the value of a node; ValueError if it has a tag that its text does not fit."""
    text = loader.construct_scalar(node)
    value = plain_scalar(text)
    if _TAG + _kind(value) == node.tag:
        return value
    if node.tag == f"{_TAG}float" and type(value) is int:
        return value
    raise ValueError(text)


def _mapping(loader: Any, node: Any) -> Any:
    made: dict[str, Any] = {}
    yield made
    loader.flatten_mapping(node)
    made |= {key_of(loader, key): loader.construct_object(value, deep=True) for key, value in node.value}


def key_of(loader: Any, node: Any) -> str:
    """Return the key that a node is. Raises yaml.YAMLError for a list, a mapping or null."""
    key = loader.construct_object(node, deep=True) if isinstance(node, yaml.ScalarNode) else None
    if key is None:
        raise yaml.constructor.ConstructorError(None, None, "a key must be a word or a number", node.start_mark)
    return key_text(key)


GoLoader.add_constructor(f"{_TAG}map", _mapping)
for _name in ("null", "bool", "int", "float"):
    GoLoader.add_constructor(_TAG + _name, _scalar)
GoLoader.add_constructor(f"{_TAG}timestamp", lambda loader, node: loader.construct_scalar(node))
