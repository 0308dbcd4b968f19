"""Finds what has changed in submitted folders since they were submitted and collected."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from kernelpod.grading.submissions.keys import ReceiptKeys
from kernelpod.grading.submissions.manifest import (
    MANIFEST,
    RECEIPT,
    code_of,
    digest_of,
    manifest_of,
    parsed,
    same_code,
    stored,
)
from kernelpod.grading.submissions.receipt import Receipt, receipt_of
from kernelpod.grading.submissions.walk import MAX_DEPTH, SubmissionError, shown


@dataclass(frozen=True)
class Verdict:
    """The result of verifying one submission."""

    folder: Path
    files: int = 0
    code: str | None = None
    changed: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    """Other errors, as sentences."""
    receipt: Receipt | None = None

    @property
    def ok(self) -> bool:
        """Whether nothing has changed."""
        return not (self.changed or self.missing or self.added or self.findings)


def verify(folder: Path, code: str | None = None, keys: ReceiptKeys | None = None) -> Verdict:
    """Return what differs from the manifest, from the code that the student was shown, and from the receipt."""
    text = stored(folder)
    if text is None:
        said = f"it has no {MANIFEST}: not submitted with this exchange, or the file was removed"
        return Verdict(folder, findings=(said,))
    try:
        told, (there, others) = parsed(text).files, manifest_of(folder)
    except SubmissionError as error:
        return Verdict(folder, code=code_of(text), findings=(error.message,))
    receipt, findings = _receipt(folder, digest_of(there.as_bytes()), text, keys)
    if code is not None and not same_code(code, code_of(text)):
        findings = (f"its code is {code_of(text)}: not what was submitted with {code}", *findings)
    now = there.files
    return Verdict(
        folder=folder,
        files=len(now),
        code=code_of(text),
        changed=tuple(sorted(path for path in told.keys() & now.keys() if told[path] != now[path])),
        missing=tuple(sorted(told.keys() - now.keys())),
        added=tuple(sorted((now.keys() - told.keys()) | others.keys())),
        findings=findings,
        receipt=receipt,
    )


def verify_all(
    folder: Path,
    code: str | None = None,
    keys: ReceiptKeys | None = None,
    course: str | None = None,
    assignment: str | None = None,
) -> list[Verdict]:
    """Return a verdict on each submission in a folder, such as nbgrader's `submitted` or a submission itself.

    A receipt must be in a folder of the student that it names, and be for the course and the assignment. Without a
    course, all must be for the same one; without an assignment, a receipt must be in a folder of the one it names.
    Raises SubmissionError if there is no submission, or if there are several for one code.
    """
    submitted, bare = _search(folder, MAX_DEPTH)
    found = sorted(submitted + bare)
    if not submitted:
        raise SubmissionError(f"{folder} contains no submission: nothing in it has a {MANIFEST}")
    if code is not None and len(found) > 1:
        raise SubmissionError(f"a code belongs to one submission, but {folder} contains {len(found)}")
    verdicts = [verify(one, code, keys) for one in found]
    courses = {course} if course else {one.receipt.course for one in verdicts if one.receipt}
    return [
        replace(one, findings=(*one.findings, *_misplaced(folder, one.folder, one.receipt, courses, assignment)))
        if one.receipt
        else one
        for one in verdicts
    ]


def _misplaced(
    folder: Path, submission: Path, receipt: Receipt, courses: set[str], assignment: str | None
) -> Iterator[str]:
    """Yield what a receipt is for that is not what it is verified for."""
    below = submission.relative_to(folder).parts
    if below and receipt.student not in (folder.resolve().name, *below):
        yield f"its {RECEIPT} belongs to {shown(receipt.student)}"
    if courses != {receipt.course}:
        others = ", ".join(sorted(shown(one) for one in courses - {receipt.course}))
        yield f"its {RECEIPT} is for the course {shown(receipt.course)}, not for {others}: name one with --course"
    names = list(submission.resolve().parts[-2:])  # <student>/<assignment>, or the other way round
    if receipt.student in names:
        names.remove(receipt.student)
    if assignment is None and receipt.assignment not in names:
        yield (
            f"its {RECEIPT} is for the assignment {shown(receipt.assignment)}, which is no name of its folder: "
            "name the assignment with --assignment"
        )
    elif assignment not in (None, receipt.assignment):
        yield f"its {RECEIPT} is for the assignment {shown(receipt.assignment)}, not for {shown(str(assignment))}"


def _search(folder: Path, depth: int) -> tuple[list[Path], list[Path]]:
    """Return the submissions in a folder, and the folders that contain files but no submission.

    Links are not followed. Names that begin with a dot are left out.
    """
    entries = [one for one in os.scandir(folder) if not one.name.startswith(".")]
    files = {one.name for one in entries if not one.is_dir(follow_symlinks=False)}
    if files & {MANIFEST, RECEIPT}:
        return [folder], []
    submitted: list[Path] = []
    bare: list[Path] = []
    for one in entries if depth else []:
        if one.is_dir(follow_symlinks=False):
            below = _search(folder / one.name, depth - 1)
            submitted += below[0]
            bare += below[1]
    return submitted, ([folder] if files and not submitted else bare)


def _receipt(
    folder: Path, files: str, manifest: bytes, keys: ReceiptKeys | None
) -> tuple[Receipt | None, tuple[str, ...]]:
    """Return the receipt and its errors. Only a receipt that is signed with one of the keys proves anything."""
    try:
        receipt = receipt_of(folder)
    except SubmissionError as error:
        return None, (error.message,)
    if receipt is None:
        return None, (f"it has no {RECEIPT}",) if keys else ()
    findings = []
    if keys and (fault := keys.fault(receipt)):
        findings.append(f"its {RECEIPT} {fault}")
    if receipt.files != files:
        findings.append("its files are not the collected ones")
    if (digest_of(manifest) if receipt.code is None else code_of(manifest)) != (receipt.code or receipt.files):
        findings.append(f"its {MANIFEST} is not the collected one")
    return receipt, tuple(findings)
