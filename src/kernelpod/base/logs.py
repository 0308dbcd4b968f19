"""Keeps foreign text from breaking out of its log line, in every handler of a process."""

from __future__ import annotations

import logging
import time
import traceback
from typing import Any

# The rest of a longer line is left out: a request's body may be a megabyte of names.
MOST_CHARACTERS = 16_384
_INDENT = "    "
_SELDOM_SECONDS = 60.0


def escaped(text: str) -> str:
    """Return text with everything that is not printable escaped: line breaks, ESC, marks of direction."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text)


class EscapingRecords:
    """Makes log records, each of one line: what is not printable is escaped, also in texts of exceptions.

    The lines of a traceback are indented, so that none of them looks like a line of the log.
    """

    def __init__(self, make: Any) -> None:
        self._make = make

    def __call__(self, *args: Any, **kwargs: Any) -> logging.LogRecord:
        """Return the record that the former factory makes, escaped."""
        record: logging.LogRecord = self._make(*args, **kwargs)
        try:
            text = record.getMessage()
        except (TypeError, ValueError, KeyError):
            return record  # logging itself reports arguments that do not fit, by their repr
        if len(text) > MOST_CHARACTERS:
            text = f"{text[:MOST_CHARACTERS]}... ({len(text)} characters)"
        record.msg, record.args = escaped(text), ()
        if record.exc_info and record.exc_info[0] is not None:
            lines = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n").split("\n")
            record.exc_text = "\n".join(_INDENT + escaped(line) for line in lines)
        return record


def escape_logs() -> None:
    """Escape all log records of this process from now on, whatever loggers and handlers they go to."""
    make = logging.getLogRecordFactory()
    if not isinstance(make, EscapingRecords):
        logging.setLogRecordFactory(EscapingRecords(make))


class Seldom:
    """Logs each text once a minute at most: what a user can bring about any number of times fills no log."""

    def __init__(self, log: logging.Logger, prefix: str = "") -> None:
        """`prefix` is put before each text."""
        self._log, self._prefix = log, prefix.replace("%", "%%")
        self._said: dict[str, tuple[float, int]] = {}

    def say(self, level: int, text: str, *values: object, exc_info: bool = False) -> None:
        """Log a text with its values, unless it was logged within the last minute with whatever values.

        The next line of it says how many were left out.
        """
        now = time.monotonic()
        before, left_out = self._said.get(text, (-_SELDOM_SECONDS, 0))
        if now - before < _SELDOM_SECONDS:
            self._said[text] = before, left_out + 1
            return
        self._said[text] = now, 0
        more = f" ({left_out} more since this was last said)" if left_out else ""
        self._log.log(level, f"{self._prefix}{text}{more}", *values, exc_info=exc_info)
