"""Gathering submissions: whose they are says the folder, when they came the storage; each gets a receipt."""

from __future__ import annotations

import os
import secrets
import shutil
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from fnmatch import fnmatch
from itertools import islice
from pathlib import Path
from typing import Any

from nbgrader.api import Gradebook, MissingEntry
from nbgrader.exchange import default
from nbgrader.utils import parse_utc
from traitlets import Enum, Unicode
from traitlets import default as default_of

from kernelpod.grading.exchange.exchange import SECRET, STUDENT, CourseExchange, secret_of, write
from kernelpod.grading.submissions.copy import copy_folder, last_change
from kernelpod.grading.submissions.manifest import (
    CODE_NOTE,
    MANIFEST,
    RECEIPT,
    TIMESTAMP,
    code_of,
    digest_of,
    manifest_of,
    stored,
)
from kernelpod.grading.submissions.receipt import Receipt, read_key
from kernelpod.grading.submissions.walk import SubmissionError, read_small, shown

MAX_SUBMISSIONS = 1000
MAX_LEFT_OUT = 100
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class Collect(CourseExchange, default.ExchangeCollect):
    """Gathers one submission of each student."""

    src_records: list[dict[str, Any]]
    before_duedate: bool

    receipt_key_file = Unicode(
        "", help="The key that signs receipts: a file that only its owner can read, out of reach of students."
    ).tag(config=True)
    time_from = Enum(
        ("storage", "student"),
        default_value="storage",
        help="Whose word on times is taken; 'student' after the exchange was restored or its modes were changed.",
    ).tag(config=True)

    @default_of("check_owner")  # type: ignore[untyped-decorator]
    def _check_owner_default(self) -> bool:
        return "inbound" not in self.personalised  # servers of all users may run with one user id

    def start(self) -> None:
        """Read the key before anything is done."""
        try:
            self._key = read_key(Path(self.receipt_key_file)) if self.receipt_key_file else None
        except SubmissionError as error:
            self.fail(error.message)
        super().start()

    def init_src(self) -> None:
        """Choose one submission of each student: the last one in time, else the last one."""
        if "inbound" not in self.personalised:
            super().init_src()
            self.src_records = [one for one in self.src_records if _is_plain(one["username"])]
            return
        of = self.coursedir
        if not of.course_id:
            self.fail("No course id specified. Re-run with --course flag.")
        self.inbound_path = str(Path(self.root, of.course_id, "inbound"))
        if not os.access(self.inbound_path, os.R_OK | os.X_OK):
            self.fail(f"{self.inbound_path} is missing or cannot be read.")
        self.duedate = self._duedate()
        # nbgrader takes "before the due date" as: replace what was collected if another one is chosen now.
        self.before_duedate = self.before_duedate or self.closing is not None
        self.src_records = []
        for folder in sorted(Path(self.inbound_path).iterdir()):
            if not STUDENT.match(folder.name) or folder.is_symlink() or not folder.is_dir():
                self.log.warning("%s is no student's folder", shown(str(folder)))
            elif fnmatch(folder.name, of.student_id or "*") and (record := self._chosen(folder)):
                self.src_records.append(record)

    def do_copy(self, src: str, dest: str, log: Any = None) -> None:  # noqa: ARG002  nbgrader's signature
        """Copy a submission without following anything in it, and write what belongs to it; say if that fails."""
        target = Path(dest)
        part = target.with_name(f".{target.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        try:
            copied = copy_folder(Path(src), part, self.rules())
            self._complete(Path(src), part, copied.changed_ns, copied.left_out)
            part.rename(target)
        except SubmissionError as error:
            self.log.error("Not collected: %s", error.message)
        finally:
            shutil.rmtree(part, ignore_errors=True)
            with suppress(OSError):  # it holds something
                target.parent.rmdir()

    def _duedate(self) -> datetime | None:
        """Return until when submissions are in time, in UTC without a zone, as nbgrader keeps times."""
        if self.closing:
            return self.closing.astimezone(timezone.utc).replace(tzinfo=None)
        if not self.before_duedate:
            return None
        with Gradebook(self.coursedir.db_url, self.coursedir.course_id) as gradebook:
            try:
                due: datetime | None = gradebook.find_assignment(self.coursedir.assignment_id).duedate
            except MissingEntry:
                return None
        return due

    def _chosen(self, folder: Path) -> dict[str, Any] | None:
        """Return nbgrader's record of the submission of one student, None if there is none."""
        last = None
        for path in self._newest_first(folder):
            try:
                time = self._time(path, last_change(path, self.rules().ignored)).replace(tzinfo=None)
            except SubmissionError as error:
                self.log.error("%s passed over: %s", folder.name, error.message)
                continue
            record = {"username": folder.name, "filename": f"{folder.name}/{path.name}", "timestamp": time}
            if self.duedate is None or time <= self.duedate:
                return record
            last = last or record
        return last

    def _newest_first(self, folder: Path) -> list[Path]:
        """Return a student's submissions of the assignment; links and files are none."""
        word, found = f"+{self.coursedir.assignment_id}+", []
        try:
            with os.scandir(folder) as there:
                named = (one for one in there if word in one.name and not one.name.startswith("."))
                for one in islice(named, MAX_SUBMISSIONS):
                    with suppress(OSError):
                        if one.is_dir(follow_symlinks=False):
                            changed_ns = one.stat(follow_symlinks=False).st_ctime_ns
                            found.append((self._time(folder / one.name, changed_ns), one.name))
        except OSError as error:
            self.log.error("%s cannot be read: %s", folder, error.strerror)
        return [folder / name for _, name in sorted(found, reverse=True)]

    def _time(self, path: Path, changed_ns: int) -> datetime:
        """Return when a submission came."""
        if self.time_from == "student":
            with suppress(ValueError, OverflowError, IndexError, TypeError):
                claimed: datetime = parse_utc(
                    path.name.split(f"+{self.coursedir.assignment_id}+")[1].split("+")[0]
                )
                return claimed.replace(tzinfo=timezone.utc)
        return _EPOCH + timedelta(microseconds=changed_ns // 1000)

    def _complete(self, source: Path, part: Path, changed_ns: int, left_out: dict[str, str]) -> None:
        """Write what is not the student's work: manifest, note, secret, time and receipt."""
        mode, of, arrived = self.rules().file_mode, self.coursedir, self._time(source, changed_ns)
        student = (
            source.parent.name if "inbound" in self.personalised else self._path_to_record(source)["username"]
        )
        if (secret := secret_of(source)) is None:
            self.log.warning("%s: no usable %s; the student will not find their feedback", student, SECRET)
        write(part / SECRET, secret or secrets.token_hex(64).encode(), mode)
        time = arrived.replace(tzinfo=None).isoformat(" ", "microseconds")
        write(part / TIMESTAMP, f"{time} UTC".encode(), mode)
        if (note := read_small(source, CODE_NOTE, 2**20)) is not None:
            write(part / CODE_NOTE, note, mode)
        told, made = stored(source), manifest_of(part)[0].as_bytes()
        write(part / MANIFEST, made if told is None else told, mode)
        if told != made:
            self.log.warning("%s: %s is missing or not that of the files", student, MANIFEST)
        receipt = Receipt(
            course=of.course_id,
            assignment=of.assignment_id,
            student=shown(student),
            submission=shown(source.name),
            arrived=arrived,
            clock=self.time_from,
            collected=datetime.now(timezone.utc),
            closed=self.closing,
            code=None if told is None else code_of(told),
            files=digest_of(made),
            left_out={shown(path): why for path, why in islice(left_out.items(), MAX_LEFT_OUT)},
        )
        if receipt.late:
            self.log.warning("%s: late, it came at %s", student, arrived)
        if left_out:
            self.log.warning("%s: %d left out, see %s", student, len(left_out), RECEIPT)
        write(part / RECEIPT, (receipt.signed(self._key) if self._key else receipt).to_json().encode(), mode)


def _is_plain(name: str) -> bool:
    """Return whether a name that a student chose can be the name of a folder below `submitted`."""
    return bool(name) and not name.startswith(".") and "/" not in name
