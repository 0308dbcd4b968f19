"""Lists released assignments and submissions, which Lab's assignment list shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nbgrader.exchange import default

from kernelpod.grading.exchange.exchange import CourseExchange, secret_of
from kernelpod.grading.submissions.manifest import CODE_NOTE, code_of, stored
from kernelpod.grading.submissions.walk import read_small


class Listing(CourseExchange, default.ExchangeList):
    """Lists as nbgrader does, with a submission's code after its time."""

    assignments: list[str]

    def init_dest(self) -> None:
        """Find submissions in students' folders too. Those without a valid secret are not listed."""
        super().init_dest()
        if not self.inbound:
            return
        of = self.coursedir
        pattern = f"{of.course_id or '*'}/inbound/{of.student_id or '*'}/*+{of.assignment_id or '*'}+*"
        if "inbound" in self.personalised:
            self.assignments = sorted({*self.assignments, *map(str, Path(self.root).glob(pattern))})
        # nbgrader reads the secrets, so links and endless files must be left out.
        self.assignments = [path for path in self.assignments if secret_of(Path(path))]

    def parse_assignment(self, assignment: str) -> dict[str, Any]:
        """Return what a path says. The student is the owner of the folder, whatever the submission's name says."""
        said: dict[str, Any] = super().parse_assignment(assignment)
        places = Path(assignment).relative_to(self.root).parts if self.inbound else ()
        if len(places) == 4:
            said |= {"course_id": places[0], "student_id": places[2]}
        return said

    def parse_assignments(self) -> list[dict[str, Any]]:
        """Return nbgrader's list with the code in a submission's time, because Lab shows that text unchanged."""
        listed: list[dict[str, Any]] = super().parse_assignments()
        for one in (one for assignment in listed for one in assignment.get("submissions", ())):
            folder = Path(one["path"])
            if manifest := stored(folder):
                left_out = (read_small(folder, CODE_NOTE, 2**20) or b"").count(b"\nLeft out ")
                one["timestamp"] += f", code {code_of(manifest)}"
                one["timestamp"] += f", {left_out} left out: see {CODE_NOTE}" if left_out else ""
        return listed
