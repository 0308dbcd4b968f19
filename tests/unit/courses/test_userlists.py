"""Lists of users: what people save is read, what is no list is refused whole, with its line."""

from __future__ import annotations

import codecs

import pytest

from kernelpod.courses.model import Lists
from kernelpod.courses.tables import BadList
from kernelpod.courses.userlists import Names, read_names, read_plain


def names(raw: bytes, **lists: object) -> set[str]:
    return set(read_names(raw, Lists.model_validate(lists)).names)


GOOD: dict[str, tuple[bytes, set[str]]] = {
    "plain": (b"Username\nalice\nbob\n", {"alice", "bob"}),
    "header in capitals": (b"USERNAME\nalice\n", {"alice"}),
    "spaces": (b" Username \n  alice  \n\tbob\n", {"alice", "bob"}),
    "blank lines": (b"\n\nUsername\n\nalice\n\n\nbob", {"alice", "bob"}),
    "duplicates": (b"Username\nalice\nalice\nAlice\n", {"alice"}),
    "quotes": (b'"Username"\n"alice"\n"bob"\n', {"alice", "bob"}),
    "a doubled quote": (b'Name;Username\n"A ""Al"" B";alice\n', {"alice"}),
    "comments": (b"# made by hand\nUsername\n# none\nalice\n  # more\n", {"alice"}),
    "comments with quotation marks": (b'Username\n# a, "b\nalice\n', {"alice"}),
    "comments that a spreadsheet has quoted": (b'Username;Name\nalice;A\n"# b; c";\n"# d";\n', {"alice"}),
    "semicolons": (b"Name;Username;Seat\nAlice A;alice;1\n", {"alice"}),
    "tabs": (b"Name\tUsername\nA\talice\n", {"alice"}),
    "commas": (b'Name,Username\n"A, B",alice\n', {"alice"}),
    "Excel's first line": (b"sep=;\r\nUsername;x\r\nalice;1\r\n", {"alice"}),
    "Windows": (b"Username\r\nalice\r\nbob\r\n", {"alice", "bob"}),
    "old Mac": (b"Username\ralice\rbob\r", {"alice", "bob"}),
    "UTF-8 with a BOM": (codecs.BOM_UTF8 + "Username\nünal\n".encode(), {"ünal"}),
    "UTF-16, little": (codecs.BOM_UTF16_LE + "Username\nünal\n".encode("utf-16-le"), {"ünal"}),
    "UTF-16, big": (codecs.BOM_UTF16_BE + "Username\nünal\n".encode("utf-16-be"), {"ünal"}),
    "UTF-16 without a BOM": ("Username\nalice\n".encode("utf-16-le"), {"alice"}),
    "Latin-1": ("Username\nünal\n".encode("latin-1"), {"ünal"}),
    "decomposed letters": ("Username\nu\u0308nal\n".encode(), {"ünal"}),
    "nobody": (b"Username\n", set()),
    "emoji": ("Username\n😀\n".encode(), {"😀"}),
    "names that mean nothing": (b"Username\nadmin\nroot\nsystem:x\n", {"admin", "root", "system:x"}),
    "names like paths": (b"Username\n../bob\n{hub}\n$(id)\n", {"../bob", "{hub}", "$(id)"}),
}


@pytest.mark.parametrize(("raw", "made"), GOOD.values(), ids=GOOD)
def test_what_people_save_is_read(raw: bytes, made: set[str]) -> None:
    assert names(raw) == made


BAD: dict[str, tuple[bytes, int, str]] = {
    "0 bytes": (b"", 1, "is empty"),
    "blank": (b" \n\n", 1, "is empty"),
    "comments only": (b"# a\n# b\n", 1, "only comments"),
    "another header": (b"\nFB02UID\nalice\n", 2, "there is no column 'Username'"),
    "no header": (b"alice\nbob\n", 1, "there is no column 'Username'"),
    "a NUL": (b"Username\nalice\nbo\0b\n", 3, "NUL or control characters"),
    "NULs at the end": (b"Username\nalice\n" + bytes(5000), 3, "NUL or control characters"),
    "a program": (b"\x7fELF\x02\x01\x01" + bytes(100), 1, "not text"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), 2, "not text"),
    "half of UTF-16": (codecs.BOM_UTF16_LE + "Username\n".encode("utf-16-le") + b"a", 1, "is not UTF-16-LE"),
    "an open quotation mark": (b'Username\nalice\n"bob\ncarol\ndave\n', 3, "a quotation mark is not closed"),
}


@pytest.mark.parametrize(("raw", "line", "said"), BAD.values(), ids=BAD)
def test_what_is_no_list_is_refused_with_its_line(raw: bytes, line: int, said: str) -> None:
    with pytest.raises(BadList, match=said) as caught:
        names(raw)
    assert caught.value.line == line


def test_a_large_file_is_refused() -> None:
    with pytest.raises(BadList, match=r"larger than 1000 bytes \(lists.max_bytes\)"):
        names(b"Username\n" + b"a\n" * 1000, max_bytes=1000)


def test_another_header_and_exact_case_are_settings() -> None:
    assert names(b"FB02UID\nAlice\n", column="fb02uid", lower_case=False) == {"Alice"}


def test_rows_that_name_nobody_are_told() -> None:
    read = read_names(b'Name;Username\n"A\nB";alice\nBob;\n;\nCarol;;\nAlice;ALICE\n', Lists())
    said = "a row without Username was skipped"
    assert read == Names({"alice": 2}, ((4, said), (6, said)))


# What stands in a cell of names, and what is said of it.
ODD: dict[str, tuple[str, str]] = {
    "a semicolon": ("mia;Aran", "contains ';'"),
    "a quoted comma": ('"mia,aran"', "contains ','"),
    "a tab": ("mia\taran", "contains a tab"),
    "a space": ("Mia Aran", "contains a space"),
    "a hard space": ("mia\u00a0aran", r"contains U\+00A0"),
    "a line break": ('"mia\naran"', "contains a line break"),
    "a quotation mark": ('mia"aran', "contains a quotation mark"),
    "two quotation marks": ('"mia""aran"', "contains a quotation mark"),
    "a space without width": ("mia\u200b", r"contains U\+200B"),
    "a mark of writing to the left": ("mia\u202earan", r"contains U\+202E"),
    "a soft hyphen": ("mia\u00adaran", r"contains U\+00AD"),
    "a byte order mark": ("\ufeffmia", r"contains U\+FEFF"),
    "a lost letter": ("m\ufffda", r"contains U\+FFFD"),
    "a comment behind": ("mia # gone", "contains a space"),
    "too long": ("m" * 256, "is longer than 255 characters"),
}


@pytest.mark.parametrize(("cell", "said"), ODD.values(), ids=ODD)
def test_what_is_probably_no_name_is_refused_with_its_line(cell: str, said: str) -> None:
    with pytest.raises(BadList, match=f"the user name in this row {said}; write the name alone") as caught:
        names(f"Username\n\nbob\n{cell}\n".encode())
    assert caught.value.line == 4


def test_letters_of_windows_are_no_names() -> None:
    with pytest.raises(BadList, match=r"contains U\+008A"):
        names("Username\n\u0160ime\n".encode("cp1252"))


def test_a_commented_name_in_another_column_is_refused() -> None:
    with pytest.raises(BadList, match="begins with '#'") as caught:
        names(b"Seat;Username\n1;mia\n2;#bob\n")
    assert caught.value.line == 3


PLAIN: dict[str, tuple[bytes, list[str]]] = {
    "a name on each line": (b"# all\nmia\n\n Bob \n# none\nmia\n", ["mia", "bob"]),
    "quotes": (b'"mia"\n', ["mia"]),
    "nobody": (b"# none\n", []),
    "a list of users": (b"Name;Username\nAran;mia\n", ["mia"]),
}


@pytest.mark.parametrize(("raw", "made"), PLAIN.values(), ids=PLAIN)
def test_a_file_of_plain_names_or_a_list_is_read(raw: bytes, made: list[str]) -> None:
    assert list(read_plain(raw, Lists()).names) == made


@pytest.mark.parametrize("line", ["mia;Aran", "mia,Aran", "mia\tAran", "Mia Aran"])
def test_a_plain_line_that_is_no_name_is_refused(line: str) -> None:
    with pytest.raises(BadList, match="the user name in this row contains") as caught:
        read_plain(f"bob\n{line}\n".encode(), Lists())
    assert caught.value.line == 2
