"""Reads lists of users: CSV files with any common delimiter and encoding. A bad file is refused as a whole."""

from __future__ import annotations

import codecs
import csv
import io
import re
import unicodedata
from dataclasses import dataclass

from kernelpod.courses.model import Lists

MAX_NAME = 255
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_DELIMITERS = (",", ";", "\t")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class BadList(ValueError):
    """A list that cannot be used; the text says why."""

    def __init__(self, said: str, line: int = 1) -> None:
        super().__init__(said)
        self.line = line
        self.file = ""
        """The file with the mistake, if the list consists of several files."""


@dataclass(frozen=True)
class Names:
    """The users in a list, and remarks about lines that were skipped."""

    names: frozenset[str]
    remarks: tuple[tuple[int, str], ...] = ()
    """Line numbers and sentences."""


def read_names(raw: bytes, lists: Lists) -> Names:
    """Return the users in a CSV file. Blank lines, comments (#), quotes, spaces and duplicates are ignored.

    Raises BadList for a file that is empty, binary, too large, or has no column of names.
    """
    if len(raw) > lists.max_bytes:
        raise BadList(f"the file is larger than {lists.max_bytes} bytes (lists.max_bytes)")
    if not raw.strip():
        raise BadList(f"the file is empty; write at least the line {lists.column!r}")
    text = _text(raw)
    number, header = _header(text)
    delimiter, column = _column(header, number, lists.column)
    names, remarks = set(), []
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    try:
        for row in reader:
            if reader.line_num <= number or not row or row[0].lstrip().startswith("#"):
                continue
            name = row[column].strip() if column < len(row) else ""
            if "\n" in name:
                raise BadList("a quotation mark is not closed", reader.line_num - name.count("\n"))
            if len(name) > MAX_NAME:
                remarks.append((reader.line_num, "a name of more than 255 characters was skipped"))
            elif name:
                names.add(normal(name, lists))
            elif any(cell.strip() for cell in row):
                remarks.append((reader.line_num, f"a line without {lists.column} was skipped"))
    except csv.Error as error:
        raise BadList(f"the file is not CSV: {error}", reader.line_num) from error
    return Names(frozenset(names), tuple(remarks))


def titles_of(raw: bytes) -> tuple[int, tuple[str, ...]]:
    """Return the line number of the header, and the titles of the columns. Raises BadList if it is not text."""
    if not raw.strip():
        raise BadList("the file is empty; its first line names the columns")
    number, header = _header(_text(raw))
    return number, max((_row(header, delimiter) for delimiter in _DELIMITERS), key=len)


def with_title(raw: bytes, title: str) -> bytes:
    """Return a list with one column as UTF-8, with another title."""
    text = _text(raw)
    number, _ = _header(text)
    lines = text.split("\n")
    lines[number - 1] = title
    return "\n".join(lines).encode()


def normal(name: str, lists: Lists) -> str:
    """Return a name of a list in the normal form in which names are compared."""
    composed = unicodedata.normalize("NFC", name)
    return composed.lower() if lists.lower_case else composed


def _text(raw: bytes) -> str:
    bom, encoding = next(((bom, name) for bom, name in _BOMS if raw.startswith(bom)), (b"", ""))
    if not encoding and b"\0\0" in (raw[1:4:2], raw[0:4:2]):
        # UTF-16 without a byte order mark: each of the first two letters is next to a NUL.
        encoding = "utf-16-le" if raw[0] else "utf-16-be"
    try:
        text = raw[len(bom) :].decode(encoding or "utf-8")
    except UnicodeDecodeError:
        if encoding:
            raise BadList(f"the file is not {encoding.upper()}; save it as UTF-8") from None
        text = raw.decode("latin-1")
    if found := _CONTROL.search(text):
        line = text.count("\n", 0, found.start()) + 1
        raise BadList("the file contains NUL or control characters, so it is not text; save it as CSV", line)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _header(text: str) -> tuple[int, str]:
    """Return the number and the text of the first line that is not blank, a comment or `sep=`."""
    for number, line in enumerate(text.split("\n"), 1):
        if (words := line.strip()) and not words.startswith("#") and not words.lower().startswith("sep="):
            return number, words
    raise BadList("the file contains only comments; its first line must name the columns")


def _column(header: str, number: int, wanted: str) -> tuple[str, int]:
    """Return the delimiter and the number of the wanted column."""
    for delimiter in _DELIMITERS:
        titles = _row(header, delimiter)
        for place, title in enumerate(titles):
            if title.casefold() == wanted.casefold():
                return delimiter, place
    # The line is not quoted: the file may be any that the hub can read.
    raise BadList(
        f"there is no column {wanted!r} in this line, which must name the columns; rename the column of user "
        "names, or set lists.column to its header",
        number,
    )


def _row(header: str, delimiter: str) -> tuple[str, ...]:
    try:
        row = next(csv.reader([header], delimiter=delimiter, skipinitialspace=True))
    except csv.Error as error:
        raise BadList(f"the header is not CSV: {error}") from error
    return tuple(title.strip() for title in row)
