"""Returns the end of a log so that it can be printed: without control characters and secrets."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from kernelpod.base.logs import escaped

LINES = 15
# A process that logs its environment logs tokens that are not known here. The hub's are 32 hexadecimal digits.
_TOKEN = re.compile(r"\b[0-9a-fA-F]{32,}\b")


def end_of_log(log: Path, secrets: Iterable[str] = ()) -> str:
    """Return a log's path and its last lines, with one line for each."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        return f"{log} cannot be read: {error.strerror}"
    lines = [_shown(line, secrets) for line in text.splitlines()[-LINES:]]
    return "\n".join([f"the end of {log}:", *(f"  | {line}" for line in lines or ["(it is empty)"])])


def _shown(line: str, secrets: Iterable[str]) -> str:
    for secret in filter(None, secrets):
        line = line.replace(secret, "***")
    line = _TOKEN.sub("***", line)
    return escaped(line)
