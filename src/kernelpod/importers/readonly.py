"""Reads whether a mount is read-only."""

from __future__ import annotations

from kernelpod.importers.report import Part


def is_read_only(part: Part) -> bool:
    """Take `readOnly`. What is no boolean was meant to be one, and nothing becomes writable by a mistake."""
    # Of two spellings in one mount, what makes it read-only counts.
    values = [part.take("readOnly"), *([part.take("read_only")] if "read_only" in part else [])]
    value = next((one for one in values if one not in (None, False)), values[0])
    if not isinstance(value, bool | None):
        part.note("readOnly", "changed", "true or false was expected here: it is read-only")
        return True
    return bool(value)
