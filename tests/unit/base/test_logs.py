"""Log lines: foreign text stays in its line, for every logger and handler; a traceback is no line of the log."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import pytest

from kernelpod.base.logs import MOST_CHARACTERS, escape_logs, escaped

FORGED = "x\n2026-01-01T00:00:00.000Z INFO kernelpod: forged\x1b[2J\r\x85\u2028\u202e\x9b1m\0\ud800"


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What a plain handler of a logger of somebody else writes."""
    before, logger, text = logging.getLogRecordFactory(), logging.getLogger("somebody.else"), io.StringIO()
    handler = logging.StreamHandler(text)
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    logger.addHandler(handler)
    escape_logs()
    yield text
    logger.removeHandler(handler)
    logging.setLogRecordFactory(before)


@pytest.mark.parametrize("arguments", [(FORGED,), ("user %s", FORGED), ("user %(name)s", {"name": FORGED})])
def test_a_client_cannot_forge_a_log_line(arguments: tuple[object, ...], written: io.StringIO) -> None:
    logging.getLogger("somebody.else").warning(*arguments)
    (line,) = written.getvalue().split("\n")[:-1]
    assert line.isprintable()
    assert "\\n2026" in line
    assert "\\x1b[2J\\r\\x85\\u2028\\u202e\\x9b1m\\x00\\ud800" in line


def test_a_client_cannot_forge_a_log_line_by_an_exception(written: io.StringIO) -> None:
    try:
        raise ValueError(FORGED)
    except ValueError:
        logging.getLogger("somebody.else").exception("failed")
    first, *more = written.getvalue().split("\n")[:-1]
    assert first == "ERROR failed"
    assert "Traceback" in more[0]
    assert all(line.startswith("    ") and line.isprintable() for line in more)


def test_a_line_is_no_longer_than_it_may_be(written: io.StringIO) -> None:
    logging.getLogger("somebody.else").warning("x" * 10 * MOST_CHARACTERS)
    assert len(written.getvalue()) < MOST_CHARACTERS + 100


def test_what_is_printable_stays_as_it_is() -> None:
    for text in ("", "grüße 'x' \\n", "日本"):
        assert escaped(text) == text


def test_arguments_that_do_not_fit_do_not_fail_the_caller(
    written: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)
    logging.getLogger("somebody.else").warning("%d", "x")
    assert written.getvalue() == ""


def test_a_second_call_changes_nothing(written: io.StringIO) -> None:
    made = logging.getLogRecordFactory()
    escape_logs()
    assert logging.getLogRecordFactory() is made
