"""Releases each student's feedback into their own folder, and fetches it from there."""

from __future__ import annotations

import re
from glob import glob
from pathlib import Path

from nbgrader.exchange import ExchangeError, default

from kernelpod.grading.exchange.exchange import STUDENT, CourseExchange
from kernelpod.grading.submissions.walk import shown


class ReleaseFeedback(CourseExchange, default.ExchangeReleaseFeedback):
    """Releases feedback, one student after the other."""

    dest_path: str

    def copy_files(self) -> None:
        """Copy each student's feedback into their folder. If one cannot be written, the others still are."""
        if "feedback" not in self.personalised:
            super().copy_files()
            return
        feedback, failed = Path(self.dest_path), []
        for student in self._students():
            self.src_path = self._made_for(student)
            self.dest_path = str(feedback / student)
            try:
                self.ensure_directory(self.dest_path, 0o2775 if self.coursedir.groupshared else 0o755)
            except ExchangeError:
                failed.append(student)
                continue
            super().copy_files()
        if failed:
            self.fail(f"No feedback was released for {', '.join(failed)}.")

    def _students(self) -> list[str]:
        """Return the students whose feedback has been generated. Invalid names are logged and left out."""
        pattern = re.compile(self._made_for("(?P<student>[^/]+)", escape=True))
        made = sorted(glob(self._made_for(self.coursedir.student_id or "*")))  # noqa: PTH207  nbgrader's pattern
        found = [pattern.fullmatch(path) for path in made]
        students = [one["student"] for one in found if one]
        for student in students:
            if not STUDENT.match(student):
                self.log.error("%s is not a valid name of a student's folder", shown(student))
        return [student for student in students if STUDENT.match(student)]

    def _made_for(self, student: str, *, escape: bool = False) -> str:
        of = self.coursedir
        path: str = of.format_path(of.feedback_directory, student, of.assignment_id, escape=escape)
        return path


class FetchFeedback(CourseExchange, default.ExchangeFetchFeedback):
    """Fetches the feedback on the user's own submissions."""

    def init_src(self) -> None:
        """Search as nbgrader does, with this server's user as the student."""
        self.be_a_student()
        super().init_src()
