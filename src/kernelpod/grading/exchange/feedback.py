"""Feedback, into the folder of the student whose it is and nobody else's."""

from __future__ import annotations

import re
from glob import glob
from pathlib import Path

from nbgrader.exchange import ExchangeError, default

from kernelpod.grading.exchange.exchange import STUDENT, CourseExchange
from kernelpod.grading.submissions.walk import shown


class ReleaseFeedback(CourseExchange, default.ExchangeReleaseFeedback):
    """Hands feedback out, one student after the other."""

    dest_path: str

    def copy_files(self) -> None:
        """Copy each student's feedback into their folder; one that cannot be written does not stop the others."""
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
        """Return whose feedback has been made; a name that no folder can have gets none."""
        pattern = re.compile(self._made_for("(?P<student>[^/]+)", escape=True))
        made = sorted(glob(self._made_for(self.coursedir.student_id or "*")))  # noqa: PTH207  nbgrader's pattern
        found = [pattern.fullmatch(path) for path in made]
        students = [one["student"] for one in found if one]
        for student in students:
            if not STUDENT.match(student):
                self.log.error("%s is no name of a student's folder", shown(student))
        return [student for student in students if STUDENT.match(student)]

    def _made_for(self, student: str, *, escape: bool = False) -> str:
        of = self.coursedir
        path: str = of.format_path(of.feedback_directory, student, of.assignment_id, escape=escape)
        return path


class FetchFeedback(CourseExchange, default.ExchangeFetchFeedback):
    """Gets the feedback on one's own submissions."""

    def init_src(self) -> None:
        """Look where nbgrader does, as the student that one is."""
        self.be_a_student()
        super().init_src()
