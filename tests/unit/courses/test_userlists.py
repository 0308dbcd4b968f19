"""Lists of users: what people save is read, what is no list is refused whole."""

from __future__ import annotations

import codecs

import pytest

from kernelpod.courses.model import Lists
from kernelpod.courses.userlists import BadList, Names, read_names


def names(raw: bytes, **lists: object) -> set[str]:
    return set(read_names(raw, Lists.model_validate(lists)).names)


GOOD: dict[str, tuple[bytes, set[str]]] = {
    "plain": (b"Username\nalice\nbob\n", {"alice", "bob"}),
    "header in capitals": (b"USERNAME\nalice\n", {"alice"}),
    "spaces": (b" Username \n  alice  \n\tbob\n", {"alice", "bob"}),
    "blank lines": (b"\n\nUsername\n\nalice\n\n\nbob", {"alice", "bob"}),
    "duplicates": (b"Username\nalice\nalice\nAlice\n", {"alice"}),
    "quotes": (b'"Username"\n"alice"\n"b ob"\n', {"alice", "b ob"}),
    "a doubled quote": (b'Username\n"a""b"\n', {'a"b'}),
    "comments": (b"# made by hand\nUsername\n# none\nalice\n  # more\n", {"alice"}),
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


def test_lines_that_name_nobody_are_told() -> None:
    raw = b"Name;Username\nAlice;alice\nBob;\nCarol\n;\n" + b"x;" + b"y" * 300 + b"\n"
    read = read_names(raw, Lists())
    assert read == Names(
        frozenset({"alice"}),
        (
            (3, "a line without Username was skipped"),
            (4, "a line without Username was skipped"),
            (6, "a name of more than 255 characters was skipped"),
        ),
    )
