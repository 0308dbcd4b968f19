"""Quotes commands of a source in a report, but for those that may hold a secret."""

from __future__ import annotations

import re

from kernelpod.findings.secrets import is_secret

_MOST = 300
# Words by which a command speaks of something secret, whatever its form.
_PRIVATE = re.compile(
    r"passw|token|secret|credential|auth|\bkey|[-_]key|(^|\s)(-u|--user)\b|-----|://[^/\s]*@", re.IGNORECASE
)


def quoted(command: str) -> str:
    """Return a command as text for a report."""
    if is_secret("", command) or _PRIVATE.search(command):
        return "(it looks as if a secret is in it)"
    return command if len(command) <= _MOST else f"{command[:_MOST]}..."
