"""Reads CSV tables as people save them: with any common delimiter, encoding and line ending, and with comments."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

DELIMITERS = {",": "','", ";": "';'", "\t": "a tab"}
# The delimiter of a file without columns; no text contains it.
_NO_DELIMITER = "\x1f"
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class BadList(ValueError):
    """A list that cannot be used; the text says why."""

    def __init__(self, said: str, line: int = 1) -> None:
        super().__init__(said)
        self.line = line
        self.file = ""
        """The file with the mistake, if the list consists of several files."""


class _NotClosed(BadList):
    """A record that ends with the file, since a quotation mark is not closed."""


class Row(NamedTuple):
    """A record of a table. Its cells have no spaces around them; line breaks in them are \\n."""

    line: int
    """Number of the line where the record begins."""
    last: int
    """Number of the line where it ends."""
    cells: tuple[str, ...]


class Titles(NamedTuple):
    """The first record of a table, which names the columns."""

    row: Row
    delimiter: str

    @property
    def needed(self) -> int:
        """The number of cells that each row has; empty titles at the end do not count."""
        return _used(self.row.cells)

    def places(self, wanted: str) -> list[int]:
        """Return the numbers of the columns with a title, from 0; upper and lower case do not matter."""
        return [place for place, title in enumerate(self.row.cells) if title.casefold() == wanted.casefold()]


def read_table(raw: bytes, wanted: str) -> tuple[Titles, Iterator[Row]]:
    """Return the titles of a table with one column `wanted`, and its rows that are neither empty nor comments.

    Raises BadList, also while the rows are read, with the line where the record begins: for a file that is not
    text or not CSV, that has no or several such columns, or a row with more or fewer cells than titles. Cells that
    are empty at the end of a row or of the titles are no fault.
    """
    lines = _lines(raw)
    found = _found(lines, wanted)
    if not found:
        raise _no_titles(lines, wanted)
    titles = found[0]
    if len(found) > 1:
        raise BadList(
            f"it is not clear which titles count, since {wanted!r} can be found in more than one way; keep one "
            "line of titles, and put titles that contain a delimiter in quotation marks",
            titles.row.line,
        )
    if len(titles.places(wanted)) > 1:
        said = f"there are several columns {wanted!r}; rename all of them but that of the user names"
        raise BadList(said, titles.row.line)
    return titles, _rows(lines, titles)


def read_lines(raw: bytes, title: str) -> tuple[Titles, Iterator[Row]]:
    """Return a file without titles as a table of one column. Raises BadList as `read_table` does."""
    titles = Titles(Row(0, 0, (title,)), _NO_DELIMITER)
    return titles, _rows(_lines(raw), titles)


def titles_of(raw: bytes, wanted: str) -> Titles | None:
    """Return the titles of a table: those with a column `wanted` if there are any, or else the first record.

    None if there is none. Raises BadList if the file is not text.
    """
    lines = _lines(raw)
    if found := _found(lines, wanted):
        return found[0]
    _, first = _beginning(lines)
    return max(_readings(lines, first), key=lambda titles: titles.needed, default=None) if first else None


def with_title(raw: bytes, old: str, new: str) -> bytes:
    """Return a table as UTF-8, with the title `new` in place of `old`. Raises BadList."""
    titles, _ = read_table(raw, old)
    (place,) = titles.places(old)
    cells = list(titles.row.cells)
    cells[place] = new
    made = io.StringIO()
    csv.writer(made, delimiter=titles.delimiter, lineterminator="").writerow(cells)
    lines = _lines(raw)
    lines[titles.row.line - 1 : titles.row.last] = [made.getvalue()]
    return "\n".join(lines).encode()


def _lines(raw: bytes) -> list[str]:
    return _text(raw).split("\n")


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


def _records(lines: Sequence[str], delimiter: str, first: int, *, comments: bool = True) -> Iterator[Row]:
    """Yield the records from the line `first` on, which is no comment; later lines are, if they begin with #."""
    begun = last = 0

    def fed() -> Iterator[str]:
        nonlocal begun, last
        for last in range(max(first, 1), len(lines) + 1):
            line = lines[last - 1]
            if begun or last == first or not (comments and _is_comment(line)):
                begun = begun or last
                yield line + "\n"

    try:
        for cells in csv.reader(fed(), delimiter=delimiter, skipinitialspace=True, strict=True):
            yield Row(begun, last, tuple(map(str.strip, cells)))
            begun = 0
    except csv.Error as error:
        if "unexpected end" in str(error):
            raise _NotClosed("a quotation mark is not closed; close it, or write it twice", begun) from error
        said = "the row is not CSV; put quotation marks around a whole cell, and write each one in it twice"
        raise BadList(said, begun) from error


def _rows(lines: Sequence[str], titles: Titles) -> Iterator[Row]:
    """Yield the rows below the titles that are neither empty nor comments."""
    numbered = titles.row.line > 0 and _is_comment(lines[titles.row.line - 1])
    for row in _records(lines, titles.delimiter, titles.row.line, comments=not numbered):
        if row.line == titles.row.line or not any(row.cells):
            continue
        if numbered and _is_comment(lines[row.line - 1]):
            said = "this line begins with '#', as the titles do, so it may be a comment; delete it, or its '#'"
            raise BadList(said, row.line)
        # Spreadsheets put comments that contain a delimiter in quotation marks.
        if row.cells[0].startswith("#") and _used(row.cells) == 1:
            continue
        if fault := _fault(row, titles):
            raise BadList(fault, row.line)
        yield row


def _fault(row: Row, titles: Titles) -> str:
    """Return what is wrong with a row as a whole; empty if nothing is."""
    cells, named = row.cells, titles.row.cells
    number = len(cells) if len(cells) <= len(named) else max(_used(cells), len(named))
    if number < titles.needed or number > len(named):
        has, titled = _counted(number, "cell"), _counted(titles.needed, "title")
        return (
            f"this row has {has}, but line {titles.row.line} has {titled}; write a cell for each title, even an "
            f"empty one, and put a cell that contains {DELIMITERS[titles.delimiter]} in quotation marks"
        )
    same = all(cell.casefold() == title.casefold() for cell, title in zip(cells, named, strict=False))
    return "this row repeats the titles; delete it" if same else ""


def _beginning(lines: Sequence[str]) -> tuple[list[int], int]:
    """Return the numbers of the lines with # at the beginning, and of the first other line with text; 0 if none.

    Excel's `sep=` does not count.
    """
    comments = []
    for number, line in enumerate(lines, 1):
        if _is_comment(line):
            comments.append(number)
        elif (words := line.strip()) and not words.lower().startswith("sep="):
            return comments, number
    return comments, 0


def _found(lines: Sequence[str], wanted: str) -> list[Titles]:
    """Return all ways to read titles with a column. Lines with # are titles only if the line below has none."""
    comments, first = _beginning(lines)
    for numbers in ([first] if first else [], comments):
        readings = (titles for number in numbers for titles in _readings(lines, number))
        if found := [titles for titles in readings if titles.places(wanted)]:
            return found
    return []


def _readings(lines: Sequence[str], number: int) -> list[Titles]:
    """Return the different ways to read the record that begins at a line; several cells come before one."""
    made: dict[tuple[str, ...], Titles] = {}
    for delimiter in DELIMITERS:
        try:
            row = next(_records(lines, delimiter, number))
        except BadList:
            continue
        made.setdefault(row.cells, Titles(row, delimiter))
    several = [titles for titles in made.values() if len(titles.row.cells) > 1]
    return several or list(made.values())


def _no_titles(lines: Sequence[str], wanted: str) -> BadList:
    """Return the error for a file without the wanted column."""
    _, first = _beginning(lines)
    if not first:
        return BadList(f"the file is empty or has only comments; write at least the line {wanted!r}")
    for delimiter in DELIMITERS:
        try:
            next(_records(lines, delimiter, first))
        except _NotClosed as error:
            return error
        except BadList:
            continue
    # The line is not quoted: the file may be any that the hub can read.
    return BadList(
        f"there is no column {wanted!r} in this line, which must name the columns; rename the column of user "
        "names, or set lists.column to its header",
        first,
    )


def _is_comment(line: str) -> bool:
    return line.lstrip().startswith("#")


def _used(cells: Sequence[str]) -> int:
    """Return the number of cells without the empty ones at the end."""
    return next((number for number in range(len(cells), 0, -1) if cells[number - 1]), 0)


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
