"""The base class of the exchange's steps, and the two steps that need nothing else.

Students see only their own `inbound` and `feedback`, at the paths that nbgrader uses for all students. Graders see
`inbound/<student>` of all. The content of such a folder is only the student's claim. Reliable are the folder's
name, because only that student can write there, and the times that the storage records.
"""

from __future__ import annotations

import os
import re
from datetime import datetime
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from nbgrader.exchange import default
from nbgrader.utils import get_username
from traitlets import Enum, List, TraitError, Unicode, validate
from traitlets import default as default_of

from kernelpod.base.names import user_slug
from kernelpod.grading.submissions.copy import Rules
from kernelpod.grading.submissions.manifest import NOT_HASHED
from kernelpod.grading.submissions.receipt import moment
from kernelpod.grading.submissions.walk import read_small

# nbgrader's file, whose content gives access to the feedback.
SECRET = "submission_secret.txt"  # noqa: S105  a file's name
_SECRET = re.compile(rb"[0-9a-f]{32,128}\Z")
# Names of students' folders: KubeSpawner's slugs.
STUDENT = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?\Z")


class CourseExchange(default.Exchange):
    """The exchange of courses. Its traits are set on `c.Exchange`."""

    personalised = List(
        Enum(("inbound", "feedback")),
        default_value=["inbound", "feedback"],
        help="Folders that contain a folder for each student, who sees only their own.",
    ).tag(config=True)
    closes_at = Unicode(
        "", help="When submitting closes: ISO 8601 with a time zone, such as 2027-02-01T12:00:00+01:00."
    ).tag(config=True)

    @default_of("root")  # type: ignore[untyped-decorator]
    def _root_default(self) -> str:
        return "/srv/exchange"

    @validate("closes_at")  # type: ignore[untyped-decorator]
    def _closes_at_is_a_moment(self, proposal: Any) -> str:
        text: str = proposal["value"]
        try:
            if text:
                moment(text)
        except ValueError as error:
            raise TraitError(f"closes_at is {text!r}: write 2027-02-01T12:00:00+01:00 ({error})") from error
        return text

    @property
    def closing(self) -> datetime | None:
        """When submitting closes, or None if it does not."""
        return moment(self.closes_at) if self.closes_at else None

    def ensure_root(self) -> None:
        """Check that the exchange exists. Courses are mounted below it, so its root need not be writable."""
        if not os.access(self.root, os.R_OK | os.X_OK):
            self.fail(f"There is no exchange at {self.root}, or it cannot be read.")

    def ensure_directory(self, path: str, mode: int) -> None:
        """Make a folder, or check that the user can write to it. It may belong to another user."""
        if not Path(path).is_dir():
            shared = self.coursedir.groupshared
            super().ensure_directory(path, (0o2775 if shared else 0o755) if self._has_students(path) else mode)
        elif not os.access(path, os.W_OK | os.X_OK):
            self.fail(f"You may not write in {path}.")

    def _has_students(self, path: str) -> bool:
        return Path(path).name in self.personalised

    def rules(self) -> Rules:
        """Return the rules for copying students' folders, from nbgrader's own settings."""
        of = self.coursedir

        def ignored(path: str) -> bool:
            name = path.rpartition("/")[2]
            return path in NOT_HASHED or path == SECRET or any(fnmatch(name, one) for one in of.ignore)

        return Rules(
            file_bytes=1000 * of.max_file_size,
            all_bytes=1000 * of.max_dir_size,
            ignored=ignored,
            included=lambda name: any(fnmatch(name, one) for one in of.include),
            file_mode=0o664 if of.groupshared else 0o644,
            folder_mode=0o2775 if of.groupshared else 0o755,
        )

    def be_a_student(self) -> None:
        """Set the student to this server's user, by the slug that is the name of their folders."""
        if self.coursedir.student_id == "*":
            self.coursedir.student_id = user_slug(os.environ.get("JUPYTERHUB_USER") or get_username())


class ReleaseAssignment(CourseExchange, default.ExchangeReleaseAssignment):
    """Releases an assignment."""


class Fetch(CourseExchange, default.ExchangeFetchAssignment):
    """Fetches a released assignment."""


def secret_of(folder: Path) -> bytes | None:
    """Return the secret of a submission, or None if it has none in nbgrader's format."""
    secret = read_small(folder, SECRET, 256)
    return secret if secret and _SECRET.match(secret) else None


def write(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Write a file atomically."""
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(data)
        part.chmod(mode)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
