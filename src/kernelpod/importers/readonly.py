"""Reads whether a mount is read-only."""

from __future__ import annotations

from kernelpod.importers.report import Part


def is_read_only(part: Part) -> bool:
    """Take `readOnly`. What is no boolean was meant to be one, and nothing becomes writable by a mistake."""
    value = part.take("readOnly")
    if not isinstance(value, bool | None):
        part.note("readOnly", "changed", "true or false was expected here: it is read-only")
        return True
    return bool(value)
