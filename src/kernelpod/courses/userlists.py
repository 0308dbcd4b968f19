"""Reads lists of users: CSV files with any common delimiter and encoding. A bad file is refused as a whole."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from kernelpod.courses.model import Lists
from kernelpod.courses.tables import DELIMITERS, BadList, Row, Titles, read_lines, read_table, titles_of

MAX_NAME = 255
# What no user name contains, besides characters that cannot be seen. U+FFFD stands for a character that was lost.
_ODD = {**DELIMITERS, " ": "a space", "\n": "a line break", '"': "a quotation mark", "\ufffd": "U+FFFD"}


@dataclass(frozen=True)
class Names:
    """The users in a list, and remarks about rows that were skipped."""

    names: Mapping[str, int]
    """The users, each with the number of the first line that names them."""
    remarks: tuple[tuple[int, str], ...] = ()
    """Line numbers and sentences."""


def read_names(raw: bytes, lists: Lists) -> Names:
    """Return the users in a table. Empty rows, comments (#), quotes, spaces and duplicates are ignored.

    Raises BadList, with the line where the record begins, for a file that is too large or not a table with one
    column of names (`read_table`), and for a name that is `odd`.
    """
    _check_size(raw, lists)
    return _names(*read_table(raw, lists.column), lists)


def read_plain(raw: bytes, lists: Lists) -> Names:
    """Return the users in a table, or in a file without titles that has one name on each line. Raises BadList."""
    _check_size(raw, lists)
    found = titles_of(raw, lists.column)
    if found and found.places(lists.column):
        return read_names(raw, lists)
    return _names(*read_lines(raw, lists.column), lists)


def normal(name: str, lists: Lists) -> str:
    """Return a name of a list in the normal form in which names are compared."""
    composed = unicodedata.normalize("NFC", name)
    return composed.lower() if lists.lower_case else composed


def odd(name: str) -> str:
    """Return why a text is probably not a user's name, such as "contains a space"; empty if nothing is odd."""
    if len(name) > MAX_NAME:
        return f"is longer than {MAX_NAME} characters"
    if name.startswith("#"):
        return "begins with '#'"
    if name.isprintable() and _ODD.keys().isdisjoint(name):
        return ""
    found = next(one for one in name if one in _ODD or not one.isprintable())
    return f"contains {_ODD.get(found) or f'U+{ord(found):04X}'}"


def _check_size(raw: bytes, lists: Lists) -> None:
    if len(raw) > lists.max_bytes:
        raise BadList(f"the file is larger than {lists.max_bytes} bytes (lists.max_bytes)")


def _names(titles: Titles, rows: Iterator[Row], lists: Lists) -> Names:
    (place,) = titles.places(lists.column)
    names: dict[str, int] = {}
    remarks = []
    for row in rows:
        name = row.cells[place]
        if not name:
            remarks.append((row.line, f"a row without {lists.column} was skipped"))
        elif why := odd(name):
            remedy = "write the name alone there, and other things in columns of their own, with titles"
            raise BadList(f"the user name in this row {why}; {remedy}", row.line)
        else:
            names.setdefault(normal(name, lists), row.line)
    return Names(names, tuple(remarks))
