"""Strategies: what strangers could send, from noise to almost right."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

# Lone surrogates included: JSON can hold them.
TEXT = st.text(st.characters(exclude_categories=()), max_size=40)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXT
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4), max_leaves=12
)


def objects(example: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return a right object with some members replaced, left out or added."""
    replaced = st.dictionaries(st.sampled_from(sorted(example)) | TEXT, VALUES, max_size=4)
    dropped = st.sets(st.sampled_from(sorted(example)), max_size=2)
    return st.builds(
        lambda more, less: {name: value for name, value in {**example, **more}.items() if name not in less},
        replaced,
        dropped,
    )


def texts(example: dict[str, Any]) -> st.SearchStrategy[bytes]:
    """Return JSON of such objects and of anything, cut off, with bytes replaced, and noise."""
    right = objects(example).map(lambda made: json.dumps(made).encode())
    anything = VALUES.map(lambda made: json.dumps(made).encode())
    cut = st.builds(lambda whole, at: whole[: at % (len(whole) + 1)], right, st.integers(0, 10_000))
    spoilt = st.builds(_spoilt, right, st.integers(0, 10_000), st.binary(max_size=3))
    deep = st.sampled_from([b"[" * 100_000, b'{"a":' * 100_000])
    return st.one_of(right, anything, cut, spoilt, st.binary(max_size=200), deep)


def _spoilt(whole: bytes, at: int, by: bytes) -> bytes:
    place = at % (len(whole) + 1)
    return whole[:place] + by + whole[place + len(by) :]
