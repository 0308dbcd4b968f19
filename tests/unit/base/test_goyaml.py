"""YAML as Helm reads it."""

from __future__ import annotations

import math
from typing import Any

import pytest
import yaml

from kernelpod.base.goyaml import GoLoader, set_value


def load(text: str) -> Any:
    return yaml.load(text, GoLoader)  # noqa: S506 - it is a safe loader


SCALARS: list[tuple[str, Any]] = [
    ("0o644", 420),
    ("0644", 420),
    ("-0x1F", -31),
    ("0b101", 5),
    ("1_000", 1000),
    ("08", 8),
    ("6e2", 600),
    ("-.5", -0.5),
    ("1.", 1),
    ("12:30", "12:30"),
    ("2001-01-01", "2001-01-01"),
    ("y", True),
    ("Off", False),
    ("nO", "nO"),
    ("~", None),
    ("", None),
    ("+.INF", math.inf),
    ("18446744073709551615", 2**64 - 1),
    ("18446744073709551616", 2.0**64),
    ("0o9", "0o9"),
    ("1e", "1e"),
    ("+", "+"),
    ("_1", "_1"),
    ("'y'", "y"),
    ('"1"', "1"),
    ("!!str 12", "12"),
    ("!!float 3", 3),
    ("!!timestamp 2001-01-01", "2001-01-01"),
]


@pytest.mark.parametrize(("text", "value"), SCALARS)
def test_a_scalar_is_what_go_makes_of_it(text: str, value: Any) -> None:
    made = load(f"a: {text}")["a"]
    assert (type(made), made) == (type(value), value)


KEYS = [("y", "true"), ("0x10", "16"), ("1.0", "1"), ("1.5", "1.5"), ("'1'", "1"), ("12:30", "12:30")]


@pytest.mark.parametrize(("text", "key"), KEYS)
def test_a_key_is_a_string(text: str, key: str) -> None:
    assert load(f"{text}: 1") == {key: 1}


def test_a_merged_mapping_is_there() -> None:
    text = "a: &a {b: 1, c: 2}\nd: {<<: *a, c: 3}"
    assert load(text)["d"] == {"b": 1, "c": 3}


@pytest.mark.parametrize("text", ["{{ a }}: 1", "[1]: 2", "~: 1", "!!python/object/apply:os.system [id]"])
def test_what_helm_refuses_is_refused(text: str) -> None:
    with pytest.raises(yaml.YAMLError):
        load(text)


def test_a_tag_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^a$"):
        load("!!int a")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("12", 12), ("-5", -5), ("+5", 5), ("0", 0), ("TRUE", True), ("false", False), ("Null", None)),
        *((text, text) for text in ("", "012", "0o17", "0x1F", "1.5", "1e5", "1_000", "yes", "on", "~", "12:30")),
        *(("9223372036854775807", 2**63 - 1), ("9223372036854775808", "9223372036854775808")),
    ],
)
def test_what_follows_set_is_what_helm_reads(text: str, value: Any) -> None:
    found = set_value(text)
    assert (type(found), found) == (type(value), value)
