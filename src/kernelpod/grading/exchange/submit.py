"""Submits an assignment from the student's own server, which proves nothing but the content."""

from __future__ import annotations

import secrets
import shutil
from datetime import datetime, timezone
from pathlib import Path

from nbgrader.exchange import default

from kernelpod.grading.exchange.exchange import SECRET, CourseExchange, write
from kernelpod.grading.submissions.copy import copy_folder
from kernelpod.grading.submissions.manifest import CODE_NOTE, MANIFEST, TIMESTAMP, code_of, manifest_of
from kernelpod.grading.submissions.walk import SubmissionError, shown


class Submit(CourseExchange, default.ExchangeSubmit):
    """Submits an assignment, with its hashes and the code that is derived from them."""

    def init_dest(self) -> None:
        """Refuse after the closing time. Otherwise do the same as nbgrader."""
        if self.closing and datetime.now(timezone.utc) > self.closing:
            self.fail(f"Submitting closed at {self.closing.isoformat(' ')}.")
        self.be_a_student()
        super().init_dest()

    def copy_files(self) -> None:
        """Make the submission in a temporary folder, then rename it. The student keeps an identical copy."""
        self.init_release()
        self.check_filename_diff()
        self.log.info("Source: %s", self.src_path)
        place = Path(self.inbound_path, self.assignment_filename)
        kept = Path(self.cache_path, "+".join(self.assignment_filename.split("+")[:3]))
        part, kept_part = (path.with_name(f".{path.name}.part") for path in (place, kept))
        try:
            note = self._make(part)
            shutil.copytree(part, kept_part)
            part.chmod(0o777)  # so that graders can remove it; its name cannot be guessed
            part.rename(place)
            kept_part.rename(kept)
        except BaseException:
            for path in (part, kept_part):
                shutil.rmtree(path, ignore_errors=True)
            raise
        try:
            write(Path(self.src_path, CODE_NOTE), note.encode())
        except OSError as error:
            self.log.warning("%s cannot be written into %s: %s", CODE_NOTE, self.src_path, error.strerror)
        self.log.info("Destination: %s", place)
        for line in note.splitlines():
            self.log.info(line)

    def _make(self, part: Path) -> str:
        """Make the submission in a folder. Return the note for the student."""
        rules = self.rules()
        try:
            copied = copy_folder(Path(self.src_path), part, rules)
        except SubmissionError as error:
            self.fail(error.message)
        if copied.full:
            self.fail(f"Nothing was submitted: {self.src_path} holds more than {rules.all_bytes} bytes.")
        for path, why in copied.left_out.items():
            self.log.warning("%s is left out: %s", shown(path), why)
        write(part / SECRET, secrets.token_hex(64).encode())
        write(part / TIMESTAMP, self.timestamp.encode())
        manifest, _ = manifest_of(part)
        write(part / MANIFEST, manifest.as_bytes())
        note = self._note(code_of(manifest.as_bytes()), len(manifest.files), copied.left_out)
        write(part / CODE_NOTE, note.encode())
        return note

    def _note(self, code: str, files: int, left_out: dict[str, str]) -> str:
        lines = [
            f"Code        {code}",
            f"Submitted   {self.timestamp}",
            f"Course      {self.coursedir.course_id}",
            f"Assignment  {self.coursedir.assignment_id}",
            f"Files       {files}",
            *(f"Left out    {shown(path)}: {why}" for path, why in left_out.items()),
            "Keep the code: it shows what was submitted. The output of `sha256sum SHA256SUMS` begins with it.",
        ]
        return "\n".join(lines) + "\n"
