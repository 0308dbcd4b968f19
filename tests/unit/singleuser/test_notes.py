"""Notes of sessions in a home: what another server finds there is believed only as far as it is notes."""

from __future__ import annotations

from pathlib import Path

import pytest

from kernelpod.singleuser import notes
from kernelpod.singleuser.notes import Note

NOTE = Note("folder/a.ipynb", "a.ipynb", "notebook", "0123")


def test_notes_are_read_as_they_were_written(tmp_path: Path) -> None:
    file = tmp_path / "new" / "sessions.json"
    assert notes.read(file) == []
    notes.write(file, [NOTE, NOTE._replace(path="\u2028.ipynb")])
    assert notes.read(file) == [NOTE, NOTE._replace(path="\u2028.ipynb")]
    notes.write(file, [])
    assert notes.read(file) == []
    assert [one.name for one in file.parent.iterdir()] == ["sessions.json"]


@pytest.mark.parametrize(
    "text", [b"", b"{}", b"1", b"[" * 100_000, b'[1, {"path": 1}, {"path": "x"}]', b"\xff", b'["' + b"x" * 2**21]
)
def test_what_is_no_note_is_left_out(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "sessions.json").write_bytes(text)
    assert notes.read(tmp_path / "sessions.json") == []


def test_servers_have_files_of_their_own() -> None:
    names = {notes.place(server).name for server in ("", "a", "../a", "A")}
    assert len(names) == 4
    assert all("/" not in name for name in names)


def test_a_home_that_takes_no_file_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        notes.write(tmp_path / "file" / "sessions.json", [NOTE])
