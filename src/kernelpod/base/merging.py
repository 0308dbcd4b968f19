"""Merges nested mappings, as Helm does with values."""

from __future__ import annotations

from typing import Any


def merged(low: dict[str, Any], high: dict[str, Any]) -> dict[str, Any]:
    """Return both mappings merged recursively. Values of `high` take precedence."""
    result = dict(low)
    for key, value in high.items():
        old = result.get(key)
        result[key] = merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return result
