"""What the steps of the exchange have in common, and the two that need no more.

Students see their own `inbound` and `feedback` at the places where nbgrader looks for those of everybody; a grader
sees `inbound/<student>` of all. Everything in such a folder is a student's own word, but for the folder's name,
since only the student can write there, and for the times that the storage keeps.
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

# nbgrader's file: who knows it can fetch the feedback.
SECRET = "submission_secret.txt"  # noqa: S105  a file's name
_SECRET = re.compile(rb"[0-9a-f]{32,128}\Z")
# What folders of students are called: KubeSpawner's slugs.
STUDENT = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?\Z")


class CourseExchange(default.Exchange):
    """The exchange of courses; its traits are set as those of `c.Exchange`."""

    personalised = List(
        Enum(("inbound", "feedback")),
        default_value=["inbound", "feedback"],
        help="Which folders hold one folder for each student, the only one that they see.",
    ).tag(config=True)
    closes_at = Unicode(
        "", help="When submitting closes: ISO 8601 with a zone, such as 2027-02-01T12:00:00+01:00."
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
        """When submitting closes, None if it does not."""
        return moment(self.closes_at) if self.closes_at else None

    def ensure_root(self) -> None:
        """Check that there is an exchange; courses are mounted below it, nobody writes at its root."""
        if not os.access(self.root, os.R_OK | os.X_OK):
            self.fail(f"There is no exchange at {self.root}, or it cannot be read.")

    def ensure_directory(self, path: str, mode: int) -> None:
        """Make a folder that graders write, or check that one may write in it; it need not be one's own."""
        if not Path(path).is_dir():
            shared = self.coursedir.groupshared
            super().ensure_directory(path, (0o2775 if shared else 0o755) if self._has_students(path) else mode)
        elif not os.access(path, os.W_OK | os.X_OK):
            self.fail(f"You may not write in {path}.")

    def _has_students(self, path: str) -> bool:
        return Path(path).name in self.personalised

    def rules(self) -> Rules:
        """Return how folders of students are copied, by nbgrader's own settings."""
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
        """Name this server's user as the student, the way folders are named after them."""
        if self.coursedir.student_id == "*":
            self.coursedir.student_id = user_slug(os.environ.get("JUPYTERHUB_USER") or get_username())


class ReleaseAssignment(CourseExchange, default.ExchangeReleaseAssignment):
    """Hands out an assignment."""


class Fetch(CourseExchange, default.ExchangeFetchAssignment):
    """Gets what was handed out."""


def secret_of(folder: Path) -> bytes | None:
    """Return the secret of a submission, None if it has none that nbgrader could have made."""
    secret = read_small(folder, SECRET, 256)
    return secret if secret and _SECRET.match(secret) else None


def write(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Write a file whole, or not at all."""
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(data)
        part.chmod(mode)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
