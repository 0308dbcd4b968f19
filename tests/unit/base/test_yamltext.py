"""YAML for Go and Python: every text is read back as text, by both."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from kernelpod.base import yamltext

# What Go takes for a number or a truth value, and PyYAML does not.
GO_S_OWN = [
    "y",
    "Y",
    "n",
    "N",
    "1e3",
    "+1e3",
    "7203e15",
    "1e-3",
    "08",
    "09",
    "08e1",
    "0_8",
    "0o7",
    "-0o7",
    ".5e3",
    "-.5",
    "+.5",
]
BOTH_S = [
    "yes",
    "on",
    "null",
    "~",
    "",
    "1",
    "1.5",
    "0x1F",
    "012",
    "1:30",
    "2026-01-01",
    "=",
    ".inf",
    "- a",
    "a: b",
    "#",
]
UNUSUAL_BREAKS = ["a\x85b", "a\u2028 b", "\u2029", "a \x85"]
PLAIN = ["yy", "no-one", "e3", "1e", "v1", "0x1g", "1.2.3", "a_1", "12e3f", "-", "10.0.0.5"]


@pytest.mark.parametrize("text", [*GO_S_OWN, *BOTH_S, *PLAIN, *UNUSUAL_BREAKS])
def test_text_is_read_back_as_it_was(text: str) -> None:
    data = {"key": text, "list": [text]}
    assert yaml.safe_load(yamltext.dump(data)) == data


@pytest.mark.parametrize("text", GO_S_OWN)
def test_what_go_takes_for_something_else_is_quoted(text: str) -> None:
    assert yamltext.dump([text]) == f"- '{text}'\n"


@pytest.mark.parametrize("text", [one for one in PLAIN if one != "-"])
def test_the_rest_stays_as_people_write_it(text: str) -> None:
    assert yamltext.dump([text]) == f"- {text}\n"


@pytest.mark.parametrize("value", [0, 5, -3, 10**20, 1.5, 1e16, 1e-7, True, False, None, float("inf")])
def test_numbers_stay_numbers(value: Any) -> None:
    assert yaml.safe_load(yamltext.dump({"key": value})) == {"key": value}
    assert "'" not in yamltext.dump([value])


def test_keys_keep_their_order_and_nothing_is_an_anchor() -> None:
    twice = ["a"]
    assert yamltext.dump({"b": twice, "a": twice}) == "b:\n- a\na:\n- a\n"
    assert yamltext.dump_all([{"a": "\u00fc"}, {}]) == "a: \u00fc\n--- {}\n"
