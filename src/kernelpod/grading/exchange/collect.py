"""Collects submissions and writes a receipt for each. The folder names the student, the storage the time."""

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
from kernelpod.grading.submissions.keys import read_keys
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
from kernelpod.grading.submissions.receipt import Receipt
from kernelpod.grading.submissions.walk import SubmissionError, read_small, shown

MAX_SUBMISSIONS = 1000
MAX_LEFT_OUT = 100
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class Collect(CourseExchange, default.ExchangeCollect):
    """Collects one submission of each student."""

    src_records: list[dict[str, Any]]
    before_duedate: bool

    receipt_key_file = Unicode(
        "", help="File with the key that signs receipts. Only its owner can read it, and students never can."
    ).tag(config=True)
    time_from = Enum(
        ("storage", "student"),
        default_value="storage",
        help="Source of the times. Use 'student' after the exchange was restored or its modes were changed.",
    ).tag(config=True)

    @default_of("check_owner")  # type: ignore[untyped-decorator]
    def _check_owner_default(self) -> bool:
        return "inbound" not in self.personalised  # servers of all users may run with one user id

    def start(self) -> None:
        """Read the key first, so that nothing is collected if it cannot be used."""
        try:
            self._key = read_keys(Path(self.receipt_key_file)).key if self.receipt_key_file else None
        except SubmissionError as error:
            self.fail(error.message)
        super().start()

    def init_src(self) -> None:
        """Choose each student's last submission in time, or their last one if all are late."""
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
        # This option also makes nbgrader replace a collected submission if another one is chosen now.
        self.before_duedate = self.before_duedate or self.closing is not None
        self.src_records = []
        for folder in sorted(Path(self.inbound_path).iterdir()):
            if not STUDENT.match(folder.name) or folder.is_symlink() or not folder.is_dir():
                self.log.warning("%s is not a student's folder", shown(str(folder)))
            elif fnmatch(folder.name, of.student_id or "*") and (record := self._chosen(folder)):
                self.src_records.append(record)

    def do_copy(self, src: str, dest: str, log: Any = None) -> None:  # noqa: ARG002  nbgrader's signature
        """Copy a submission without following links, and write its manifest and receipt. Failures are logged."""
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
            with suppress(OSError):  # it is not empty
                target.parent.rmdir()

    def _duedate(self) -> datetime | None:
        """Return the due date in UTC without a time zone, as nbgrader stores times, or None if there is none."""
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
        """Return nbgrader's record of a student's chosen submission, or None if there is none."""
        last = None
        for path in self._newest_first(folder):
            try:
                time = self._time(path, last_change(path, self.rules().ignored)).replace(tzinfo=None)
            except SubmissionError as error:
                self.log.error("%s: a submission is skipped: %s", folder.name, error.message)
                continue
            record = {"username": folder.name, "filename": f"{folder.name}/{path.name}", "timestamp": time}
            if self.duedate is None or time <= self.duedate:
                return record
            last = last or record
        return last

    def _newest_first(self, folder: Path) -> list[Path]:
        """Return the folders of a student's submissions of the assignment. Links are left out."""
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
        """Return when a submission arrived."""
        if self.time_from == "student":
            with suppress(ValueError, OverflowError, IndexError, TypeError):
                claimed: datetime = parse_utc(
                    path.name.split(f"+{self.coursedir.assignment_id}+")[1].split("+")[0]
                )
                return claimed.replace(tzinfo=timezone.utc)
        return _EPOCH + timedelta(microseconds=changed_ns // 1000)

    def _complete(self, source: Path, part: Path, changed_ns: int, left_out: dict[str, str]) -> None:
        """Write the files that are not the student's work: manifest, note, secret, time and receipt."""
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
            self.log.warning("%s: %s is missing or does not match the files", student, MANIFEST)
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
            self.log.warning("%s: late, it arrived at %s", student, arrived)
        if left_out:
            self.log.warning("%s: %d left out, see %s", student, len(left_out), RECEIPT)
        write(part / RECEIPT, (receipt.signed(self._key) if self._key else receipt).to_json().encode(), mode)


def _is_plain(name: str) -> bool:
    """Return whether a name that a student chose can be the name of a folder below `submitted`."""
    return bool(name) and not name.startswith(".") and "/" not in name
