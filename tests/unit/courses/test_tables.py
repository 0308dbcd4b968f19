"""Tables as other programs export them, records of several lines, and what makes a table unclear."""

from __future__ import annotations

import codecs

import pytest

from kernelpod.courses.model import Lists
from kernelpod.courses.tables import BadList, read_table, titles_of, with_title
from kernelpod.courses.userlists import read_names

CANVAS = (
    "Student,ID,SIS User ID,SIS Login ID,Section,Sheet 1 (77),Current Score\r\n"
    ",,,,,Manual Posting,\r\n"
    "    Points Possible,,,,,10.00,(read only)\r\n"
    '"Aran, Mia",11,S-1,mia,ml-1,7.5,75\r\n'
    '"Student, Test",12,,,ml-1,,\r\n'
)
MOODLE = (
    'First name,Last name,"Email address",Username,Groups,"Quiz: 1 (Real)","Quiz: 1 (Real)"\n'
    'Mia,Aran,mia@example.org,mia,"A, B",1.00,-\n'
)
BLACKBOARD = (
    '"Last Name"\t"First Name"\t"Username"\t"Sheet 1 [Total Pts: 10 Score] |77"\n"Aran"\t"Mia"\t"mia"\t"7.5"\n'
)
NBGRADER = "id,first_name,last_name,email,lms_user_id\nmia,Mia,Aran,,\nbob,,,,\n"
# Each file, its column of names, and its users with their lines.
READ: dict[str, tuple[bytes, str, dict[str, int]]] = {
    "Canvas": (codecs.BOM_UTF8 + CANVAS.encode(), "SIS Login ID", {"mia": 4}),
    "Moodle": (MOODLE.encode(), "Username", {"mia": 2}),
    "Blackboard": (codecs.BOM_UTF16_LE + BLACKBOARD.encode("utf-16-le"), "Username", {"mia": 2}),
    "ILIAS": (codecs.BOM_UTF8 + b'"Login";"Nachname"\n"mia";"Aran"\n"bob";"Lee"\n', "login", {"mia": 2, "bob": 3}),
    "nbgrader": (NBGRADER.encode(), "id", {"mia": 2, "bob": 3}),
    "Excel's empty columns": (
        b"Username;Name;;\r\nmia;Aran;;\r\n;;;\r\nbob;;;\r\n", "Username", {"mia": 2, "bob": 4}
    ),
    "empty cells without titles": (b"Username,Name\nmia,Aran,,\n", "Username", {"mia": 2}),
    "cells below empty titles": (b"Username;;\nmia;remark;\nbob\n", "Username", {"mia": 2, "bob": 3}),
    "an empty title first": (b"\tUsername\n0\tmia\n", "Username", {"mia": 2}),
    "a title with a line break": (
        b'Name,Username,"Homework 1\r\n(10 points)"\r\nMia,mia,3\r\n', "Username", {"mia": 3}
    ),
    "cells with line breaks": (
        b'Username;Address\nmia;"1 High St\n\n# Bern"\nbob;Zug\n', "Username", {"mia": 2, "bob": 5}
    ),
    "a title #": (b"#;Nachname;Username\n1;Aran;mia\n2;Lee;bob\n", "Username", {"mia": 2, "bob": 3}),
    "a title # below comments": (b"# of today\n\n#;Username\n1;mia\n", "Username", {"mia": 4}),
    "a title # and line breaks": (b'#;Username;"Homework\n(10)"\n1;mia;2\n', "Username", {"mia": 3}),
    "a title # and nobody": (b"#;Username\n", "Username", {}),
    "a quoted title #": (b'"#";"Username"\n"#1";"mia"\n# 2;bob\n', "Username", {"mia": 2}),
    "titles in a comment, and below": (b"# Seat;Username\nSeat;Username\n1;mia\n#2;bob\n", "Username", {"mia": 3}),
    "sep= and comments": (b"sep=;\n# a\nUsername;Name\n#bob;Lee\nmia;Aran\n", "Username", {"mia": 5}),
    "another column twice": (b"Username;Sheet;Sheet\nmia;1;2\n", "Username", {"mia": 2}),
}  # fmt: skip


@pytest.mark.parametrize(("raw", "column", "made"), READ.values(), ids=READ)
def test_exports_are_read_as_they_are(raw: bytes, column: str, made: dict[str, int]) -> None:
    assert read_names(raw, Lists(column=column)).names == made


REFUSED: dict[str, tuple[bytes, int, str]] = {
    "a cell too many": (b"Name;Username\n\nAran;mia;3\n", 3, "has 3 cells, but line 1 has 2 titles; write a cell"),
    "a cell too few": (b"Name,Username,Seat\nmia,1\n", 2, "has 2 cells, but line 1 has 3 titles"),
    "a comma that is not quoted": (b"Name,Username\nAran, Mia,mia\n", 2, "has 3 cells"),
    "two cells below one title": (
        b"Username\nmia,Aran\n",
        2,
        "has 2 cells, but line 1 has 1 title; .* ',' in quot",
    ),
    "no name, and a cell too few": (
        b"Name\tUsername\nAran\n",
        2,
        "has 1 cell, .* contains a tab in quotation marks",
    ),
    "ragged below a long record": (
        b'Username;"A\nB"\nmia;"c\nd"\n\n"e\nf"\n',
        6,
        "has 1 cell, but line 1 has 2 titles",
    ),
    "the column twice": (b"# a\nUsername;Name;username\nmia;Aran;m1\n", 2, "several columns 'Username'; rename"),
    "two delimiters": (b"Username,a;Username\nmia,b;c\n", 1, "not clear which titles count"),
    "titles in two comments": (b"# a;Username\n#;Username\n1;mia\n", 1, "not clear which titles count"),
    "the titles again": (b"Username;Name\nmia;Aran\nusername;Name\n", 3, "repeats the titles; delete it"),
    "the one title again": (b"Username\nmia\n USERNAME\n", 3, "repeats the titles; delete it"),
    "# below a title #": (b"#;Username\n1;mia\n#2;bob\n", 3, "begins with '#', as the titles do"),
    "a mark behind the end of a cell": (b'Name;Username\n"A" B;mia\n', 2, "the row is not CSV; put quotation"),
    "a mark that ends a row later": (b'Name;Username\n"A;mia\nB;bob\n"C";carl\n', 2, "the row is not CSV"),
    "a mark that is not closed": (b'Username;Name\nmia;"A\nbob;B\n', 2, "a quotation mark is not closed"),
    "a title that is not closed": (b'Username;"Name\nmia;A\n', 1, "a quotation mark is not closed"),
    "a cell without an end": (b'Username;Name\nmia;"' + b"a" * 200_000 + b'"\n', 2, "the row is not CSV"),
}


@pytest.mark.parametrize(("raw", "line", "said"), REFUSED.values(), ids=REFUSED)
def test_what_is_unclear_is_refused_with_its_line(raw: bytes, line: int, said: str) -> None:
    with pytest.raises(BadList, match=said) as caught:
        read_names(raw, Lists())
    assert caught.value.line == line


def test_rows_have_the_lines_where_they_begin_and_end() -> None:
    titles, rows = read_table(b'a;"b\nc"\n# d\n\n"e\n\nf";g\nh;i', "a")
    assert (titles.row, titles.delimiter) == ((1, 2, ("a", "b\nc")), ";")
    assert list(rows) == [(5, 7, ("e\n\nf", "g")), (8, 8, ("h", "i"))]


@pytest.mark.parametrize(
    ("raw", "titles"),
    [
        (b"", None),
        (b"# a\n", None),
        (b"UID\nmia\n", ("UID",)),
        (b"#;Username\n1;mia\n", ("#", "Username")),
        (b'UID;"a\nb"\n', ("UID", "a\nb")),
    ],
)
def test_titles_are_the_first_record_or_those_with_the_column(raw: bytes, titles: tuple[str, ...] | None) -> None:
    found = titles_of(raw, "Username")
    assert (found.row.cells if found else None) == titles


@pytest.mark.parametrize(
    ("raw", "made"),
    [
        (b"# a\nUID\nmia\n", b"# a\nUsername\nmia\n"),
        (b"UID;;\r\nmia;;\r\n", b"Username;;\nmia;;\n"),
        (b'"UID\n(login)"\nmia\n', b"Username\nmia\n"),
        (b'UID;"a\nb;c"\nmia;d\n', b'Username;"a\nb;c"\nmia;d\n'),
    ],
)
def test_a_title_is_replaced_in_its_record(raw: bytes, made: bytes) -> None:
    found = titles_of(raw, "UID")
    assert found
    assert with_title(raw, found.row.cells[0], "Username") == made
