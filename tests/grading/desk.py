"""An exchange on this machine, and what the servers of students and graders do on it, in this process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nbgrader.auth import Authenticator
from nbgrader.coursedir import CourseDirectory
from traitlets.config import Config

from kernelpod.grading import exchange as submissions
from kernelpod.grading.submissions.receipt import Receipt, receipt_of


class Desk:
    """A course's exchange, with what a student's and a grader's server do on it."""

    def __init__(self, root: Path, personalised: bool = True) -> None:
        self.root = root
        self.personalised = personalised
        self.exchange = root / "exchange/ml"
        self.course = root / "course"
        for place in ("inbound/alice", "inbound/bob", "outbound/ps1", "feedback/alice", "feedback/bob"):
            (self.exchange / place).mkdir(parents=True)
        (self.exchange / "outbound/ps1/ps1.ipynb").write_text("{}", encoding="utf-8")
        self.course.mkdir()

    def step(self, kind: Any, view: Path, coursedir: dict[str, Any], **traits: Any) -> Any:
        """Return a step of the exchange as nbgrader makes it."""
        config = Config()
        config.Exchange.root = str(view)
        config.Exchange.personalised = ["inbound", "feedback"] if self.personalised else []
        for name, value in {
            "course_id": "ml",
            "assignment_id": "ps1",
            "root": str(self.course),
            **coursedir,
        }.items():
            config.CourseDirectory[name] = value
        for name, value in traits.items():
            config.Exchange[name] = value
        return kind(
            coursedir=CourseDirectory(config=config), authenticator=Authenticator(config=config), config=config
        )

    def view(self, student: str) -> Path:
        """Return the exchange as a student's server sees it."""
        seen = self.root / "views" / student / "ml"
        if not self.personalised:
            return self.exchange.parent
        if not seen.exists():
            seen.mkdir(parents=True)
            (seen / "outbound").symlink_to(self.exchange / "outbound")
            for name in ("inbound", "feedback"):
                (seen / name).symlink_to(self.exchange / name / student)
        return seen.parent

    def home(self, student: str) -> Path:
        made = self.root / "homes" / student
        (made / "ps1").mkdir(parents=True, exist_ok=True)
        return made

    def student(self, kind: Any, student: str, coursedir: dict[str, Any] | None = None, **traits: Any) -> Any:
        """Return a step that runs in a student's server."""
        told = {"student_id": student, **(coursedir or {})}
        own = {"assignment_dir": str(self.home(student)), "cache": str(self.home(student) / "cache")}
        return self.step(kind, self.view(student), told, **own, **traits)

    def submit(self, student: str, answer: str = "{}", **traits: Any) -> Path:
        """Let a student hand in; return the submission."""
        (self.home(student) / "ps1/ps1.ipynb").write_text(answer, encoding="utf-8")
        before = set(self.inbound(student))
        self.student(submissions.Submit, student, **traits).start()
        (made,) = set(self.inbound(student)) - before
        return made

    def inbound(self, student: str) -> list[Path]:
        folder = self.exchange / "inbound"
        return list((folder / student).iterdir()) if self.personalised else list(folder.glob(f"{student}+*"))

    def collect(self, coursedir: dict[str, Any] | None = None, **traits: Any) -> dict[str, str]:
        """Collect; return the notebook of each student whose submission is there now."""
        self.step(submissions.Collect, self.exchange.parent, coursedir or {}, **traits).start()
        found = (self.course / "submitted").glob("*/ps1/ps1.ipynb")
        return {path.parts[-3]: path.read_text(encoding="utf-8") for path in found if path.is_file()}

    def collected(self, student: str) -> Path:
        return self.course / "submitted" / student / "ps1"

    def receipt(self, student: str) -> Receipt:
        made = receipt_of(self.collected(student))
        assert made is not None
        return made

    def make_feedback(self) -> None:
        """Make pages as `nbgrader generate_feedback` does: beside what was collected with the submission."""
        for folder in (self.course / "submitted").glob("*/ps1"):
            made = self.course / "feedback" / folder.parent.name / "ps1"
            made.mkdir(parents=True)
            for name in ("timestamp.txt", "submission_secret.txt"):
                (made / name).write_bytes((folder / name).read_bytes())
            (made / "ps1.html").write_text(f"for {folder.parent.name}", encoding="utf-8")
