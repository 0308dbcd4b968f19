"""Files that users, students and editors of courses write are read, or refused with their own error."""

from __future__ import annotations

import contextlib
import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from fuzz.made import TEXT, objects, texts
from kernelpod.courses.load import load_courses
from kernelpod.courses.model import Lists
from kernelpod.courses.tables import BadList, read_table
from kernelpod.courses.userlists import Names, normal, odd, read_names
from kernelpod.errors import KernelpodError
from kernelpod.findings.finding import FindingsError
from kernelpod.grading.submissions.manifest import parsed
from kernelpod.grading.submissions.receipt import RECEIPT, Receipt, receipt_of
from kernelpod.kernelspecs.model import KernelSpec, read_folder
from kernelpod.settings.loading import load
from kernelpod.singleuser.notes import read as read_notes
from kernelpod.start.connection import Connection, read_connection
from kernelpod.start.userids import parsed as ids_in

KERNEL_JSON: dict[str, Any] = {
    "display_name": "Python",
    "language": "python",
    "argv": ["python", "-m", "ipykernel_launcher", "-f", "{connection_file}"],
    "env": {"A": "b"},
    "metadata": {"kernelpod": {"image": "registry.example/kernel:1", "profiles": {}, "groups": ["staff"]}},
}
COURSES: dict[str, Any] = {
    "hub": "hub",
    "courses": {"ml": {"image": "lab:1", "students": ["alice"], "semesters": ["ws26"]}},
    "home": "{semester}/{username}",
    "lists": {"column": "Username"},
}
SETTINGS: dict[str, Any] = {
    "hubs": [{"name": "hub", "api_url": "http://127.0.0.1:8081/hub/api"}],
    "homes": {"root": "/homes", "path_template": "{username}"},
    "policy": {"rules": [{"users": ["alice"], "uid": 1001}]},
    "gateway": {"port": 8888},
}


def _yaml(made: Any) -> bytes:
    return yaml.safe_dump(made).encode("utf-8", "replace")


# Python's csv module reads a line break in a cell as the file has it; here it is \n.
CELL = st.text(st.sampled_from(' ,;\t\n"#') | st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=9)
NAME = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=9).filter(
    lambda name: not odd(name) and name.casefold() != "username"
)
FORM = st.fixed_dictionaries(
    {
        "delimiter": st.sampled_from(",;\t"),
        "lineterminator": st.sampled_from(["\n", "\r\n", "\r"]),
        "quoting": st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
    }
)
CELLS = st.lists(st.lists(TEXT, min_size=1, max_size=3), min_size=1, max_size=5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


@given(st.binary(max_size=300) | CELLS.map(lambda rows: "\n".join(map(",".join, rows)).encode("utf-8", "replace")))
def test_a_list_is_names_or_bad(raw: bytes) -> None:
    for content in (raw, b"Username\n" + raw, b"\xef\xbb\xbfUsername;Group\n" + raw):
        try:
            assert isinstance(read_names(content, Lists()), Names)
        except BadList as error:
            assert len(str(error)) < 2000


@given(
    st.lists(st.tuples(NAME, CELL, CELL, CELL), max_size=5),
    st.integers(0, 3),
    FORM,
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_a_table_that_python_has_written_is_read_back(
    rows: list[tuple[str, ...]], place: int, form: dict[str, Any], encoding: str
) -> None:
    table = [
        (*row[1 : place + 1], row[0], *row[place + 1 :]) for row in [("Username", "A;\nB", "C,\tD", '"E"'), *rows]
    ]
    # Without quotation marks this is a comment.
    assume(form["quoting"] == csv.QUOTE_ALL or not any(row[0].lstrip().startswith("#") for row in table))
    text = io.StringIO()
    csv.writer(text, **form).writerows(table)
    raw = text.getvalue().encode(encoding)
    titles, read = read_table(raw, "Username")
    lines = [sum(1 + "".join(row).count("\n") for row in table[:number]) + 1 for number in range(len(table))]
    assert [(row.line, row.cells) for row in (titles.row, *read)] == [
        (line, tuple(map(str.strip, row))) for line, row in zip(lines, table, strict=True)
    ]
    assert read_names(raw, Lists()).names.keys() == {normal(row[0], Lists()) for row in rows}


@given(texts(KERNEL_JSON))
def test_a_kernel_json_is_a_kernelspec_or_bad(folder: Path, text: bytes) -> None:
    spec = folder / "python-pod"
    spec.mkdir(exist_ok=True)
    (spec / "kernel.json").write_bytes(text)
    try:
        assert all(isinstance(one, KernelSpec) for one in read_folder(spec))
    except ValueError as error:
        assert type(error) is ValueError, error


@given(objects(COURSES).map(_yaml) | texts(COURSES))
def test_a_courses_file_is_read_or_refused(folder: Path, text: bytes) -> None:
    file = folder / "courses.yaml"
    file.write_bytes(text)
    try:
        load_courses(file)
    except FindingsError as error:
        assert error.findings


@given(objects(SETTINGS).map(_yaml) | texts(SETTINGS))
def test_settings_are_read_or_refused(folder: Path, text: bytes) -> None:
    file = folder / "settings.yaml"
    file.write_bytes(text)
    try:
        load(file)
    except KernelpodError as error:
        assert str(error)


@given(
    st.binary(max_size=200)
    | st.lists(
        st.tuples(st.sampled_from(["", "\\"]), st.text("0123456789abcdef", min_size=63, max_size=65), TEXT)
    ).map(
        lambda lines: "".join(f"{mark}{digest}  {name}\n" for mark, digest, name in lines).encode(
            "utf-8", "replace"
        )
    )
)
def test_a_manifest_is_checksums_or_bad(text: bytes) -> None:
    try:
        made = parsed(text)
    except KernelpodError:
        return
    assert made is not None


@given(
    texts(
        {
            "version": 1,
            "course": "ml",
            "assignment": "ps1",
            "student": "alice",
            "submission": "alice+ps1",
            "arrived": "2026-01-01T00:00:00Z",
            "collected": "2026-01-01T00:00:00Z",
            "files": "0" * 64,
            "hmac": "0" * 64,
        }
    )
)
def test_a_receipt_is_read_or_bad(folder: Path, text: bytes) -> None:
    (folder / RECEIPT).write_bytes(text)
    try:
        made = receipt_of(folder)
    except KernelpodError:
        return
    assert isinstance(made, Receipt)
    made.genuine(b"k" * 32)


@given(
    texts(
        {
            "transport": "tcp",
            "ip": "127.0.0.1",
            "key": "k" * 64,
            "signature_scheme": "hmac-sha256",
            **{f"{channel}_port": 50000 for channel in ("shell", "iopub", "stdin", "control", "hb")},
        }
    )
)
def test_a_connection_file_is_read_or_bad(text: bytes) -> None:
    with contextlib.suppress(ValueError):
        assert isinstance(read_connection(text.decode("utf-8", "surrogateescape")), Connection)


@given(st.binary(max_size=300) | st.lists(CELLS).map(lambda rows: repr(rows).replace(", ", ":").encode()))
def test_a_file_of_user_ids_is_ids_or_bad(raw: bytes) -> None:
    for content in (raw, b"alice:x:1001:1001::/:\n" + raw):
        with contextlib.suppress(ValueError):
            assert all(ids.uid > 0 and ids.gid >= 0 for ids in ids_in(content).values())


@given(texts({"path": "a.ipynb", "type": "notebook", "name": "a", "kernel": "k"}))
def test_notes_of_a_server_are_read_or_forgotten(folder: Path, text: bytes) -> None:
    file = folder / "notes.json"
    for content in (text, b"[" + text + b"]", json.dumps({"sessions": [text.decode("latin-1")]}).encode()):
        file.write_bytes(content)
        read_notes(file)
