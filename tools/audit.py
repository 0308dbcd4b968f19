"""Compares the locks with a database of advisories, in OSV's format, that is given as a file or folder.

`python tools/audit.py ADVISORIES [--json]`: ADVISORIES is a record (JSON or YAML), a JSON list of records, a zip
file of records as osv.dev gives it, or a folder of such files, as a clone of PyPA's advisory-database. Nothing is
fetched.
Exit code 1: a finding has no answer in requirements/advisories.yaml, or an answer is out of date; 2: bad input.
"""

from __future__ import annotations

import argparse
import json
import sys
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version
from pydantic import BaseModel, Field, ValidationError

from answers import Answer, Answers, read_answers, without_a_lock
from locks import BadInput, Pin, read_locks

KINDS = (".json", ".yaml", ".yml")
# libyaml, where PyYAML has it, reads a database of 20,000 files in a tenth of the time.
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Event(BaseModel):
    """A version at which something changes."""

    introduced: str | None = None
    fixed: str | None = None
    last_affected: str | None = None
    limit: str | None = None


class Range(BaseModel):
    """Versions from one event to another."""

    type: str
    events: list[Event] = []


class Package(BaseModel):
    """A package of a registry."""

    ecosystem: str
    name: str


class Affected(BaseModel):
    """A package, and the versions that have the fault."""

    package: Package | None = None
    ranges: list[Range] = []
    versions: list[str] = []

    @property
    def name(self) -> str:
        """The name in PyPI; empty if it is no package of PyPI."""
        found = self.package
        return canonicalize_name(found.name) if found and found.ecosystem.partition(":")[0] == "PyPI" else ""

    def has(self, version: str) -> bool:
        """Return whether the version has the fault. Raises InvalidVersion."""
        return any(_same(version, one) for one in self.versions) or any(
            _is_in(Version(version), one) for one in self.ranges if one.type != "GIT"
        )

    def fixed_in(self, version: str) -> list[str]:
        """Return the later versions that end a range."""
        ends = [event.fixed for one in self.ranges if one.type != "GIT" for event in one.events if event.fixed]
        return [end for end in ends if Version(end) > Version(version)]


class Record(BaseModel):
    """One advisory."""

    id: str = Field(min_length=1)
    aliases: list[str] = []
    withdrawn: Any = None
    affected: list[Affected] = []

    @property
    def names(self) -> set[str]:
        """All its identifiers."""
        return {self.id, *self.aliases}


class Finding(NamedTuple):
    """A package of a lock that an advisory is about."""

    lock: str
    id: str
    aliases: list[str]
    package: str
    version: str
    fixed_in: list[str]
    answer: str | None
    """What was answered; None if nothing was."""


def _same(version: str, other: str) -> bool:
    try:
        return Version(version) == Version(other)
    except InvalidVersion:  # PyPI has a few of before PEP 440
        return version == other


def _is_in(version: Version, among: Range) -> bool:
    """Return whether a version is in a range. Source: OSV's schema, "Evaluation"."""
    limits = [event.limit for event in among.events if event.limit]
    if limits and not any(limit == "*" or version < Version(limit) for limit in limits):
        return False
    affected = False
    for event in sorted(among.events, key=_place):
        if event.introduced is not None:
            affected = affected or event.introduced == "0" or version >= Version(event.introduced)
        elif event.fixed is not None:
            affected = affected and version < Version(event.fixed)
        elif event.last_affected is not None:
            affected = affected and version <= Version(event.last_affected)
    return affected


def _place(event: Event) -> tuple[bool, Version]:
    """Return what events are sorted by: `introduced: "0"` is before every version."""
    text = event.introduced or event.fixed or event.last_affected or "0"
    return event.introduced != "0", Version(text)


def read_records(path: Path) -> Iterator[Record]:
    """Yield the records of a file, a zip file or a folder. Raises BadInput."""
    found = False
    for name, text in _texts(path):
        try:
            content = json.loads(text) if name.endswith(".json") else yaml.load(text, LOADER)  # noqa: S506 - it is safe
            for one in content if isinstance(content, list) else [content]:
                yield Record.model_validate(one)
                found = True
        except (ValueError, RecursionError, yaml.YAMLError) as error:
            said = _faults(error) if isinstance(error, ValidationError) else str(error)
            raise BadInput(f"{name} is no advisory in OSV's format: {said}") from error
    if not found:
        raise BadInput(f"{path} has no advisories: no record in a file *.json, *.yaml or *.yml")


def _texts(path: Path) -> Iterator[tuple[str, bytes]]:
    try:
        if path.is_dir():
            for file in sorted(path.rglob("*")):
                if file.suffix in KINDS and file.is_file():
                    yield str(file), file.read_bytes()
        elif path.suffix == ".zip":
            with zipfile.ZipFile(path) as opened:
                for name in sorted(opened.namelist()):
                    if name.endswith(KINDS):
                        yield f"{path}: {name}", opened.read(name)
        else:
            yield str(path), path.read_bytes()
    except (OSError, zipfile.BadZipFile) as error:
        raise BadInput(f"{path} cannot be read: {error}") from error


def _faults(error: ValidationError) -> str:
    faults = error.errors(include_url=False, include_input=False)
    return "; ".join(f"{'.'.join(map(str, one['loc'])) or 'it'}: {one['msg']}" for one in faults[:3])


def find(records: Iterable[Record], locks: Mapping[str, Sequence[Pin]], answers: Answers) -> list[Finding]:
    """Return what advisories say about pins. Raises BadInput for a range that cannot be compared."""
    pinned: dict[str, set[tuple[str, str]]] = {}
    for lock, pins in locks.items():
        for pin in pins:
            pinned.setdefault(pin.name, set()).add((pin.version, lock))
    found = []
    for record in (one for one in records if not one.withdrawn):
        for name in sorted({one.name for one in record.affected if one.name in pinned}):
            about = [one for one in record.affected if one.name == name]
            for version, lock in sorted(pinned[name]):
                try:
                    affected = any(one.has(version) for one in about)
                    ends = {end for one in about for end in one.fixed_in(version)}
                except InvalidVersion as error:
                    raise BadInput(f"{record.id} about {name} cannot be compared: {error}") from error
                if affected:
                    said = _answer(record, name, version, lock, answers)
                    fixed = sorted(ends, key=Version)
                    found.append(Finding(lock, record.id, sorted(record.aliases), name, version, fixed, said))
    return sorted(found)


def _answer(record: Record, name: str, version: str, lock: str, answers: Answers) -> str | None:
    for answer in answers.answers:
        if answer.package == name and version in answer.versions and record.names.intersection(answer.ids):
            return f"{'reachable' if answer.reachable else 'not reachable'}: {answer.why}"
    return answers.old_on_purpose.get(lock)


def not_affected(records: Iterable[Record], answers: Answers) -> list[str]:
    """Return a sentence for each answer whose advisory no longer concerns the version that it is about."""
    known: dict[str, list[Record]] = {}
    for record in records:
        for name in record.names:
            known.setdefault(name, []).append(record)
    return [
        f"{answer.ids[0]}: it does not concern {answer.package} {version}; remove the answer, or its version"
        for answer in answers.answers
        if (about := [record for name in answer.ids for record in known.get(name, [])])
        for version in answer.versions
        if not any(_concerns(record, answer, version) for record in about)
    ]


def _concerns(record: Record, answer: Answer, version: str) -> bool:
    about = [one for one in record.affected if one.name == answer.package]
    return not record.withdrawn and any(one.has(version) for one in about)


def report(findings: Sequence[Finding], stale: Sequence[str]) -> str:
    """Return both as text, by lock."""
    lines, lock = [], ""
    for one in findings:
        if one.lock != lock:
            lock = one.lock
            lines.append(f"requirements/{lock}.txt")
        ids = f"{one.id} ({', '.join(one.aliases)})" if one.aliases else one.id
        fixed = f"fixed in {', '.join(one.fixed_in)}" if one.fixed_in else "no fix is known"
        said = one.answer or "NOT ANSWERED: upgrade, or answer it in requirements/advisories.yaml"
        lines += [f"  {one.package} {one.version}: {ids}, {fixed}", f"    {said}"]
    lines += [f"requirements/advisories.yaml: {fault}" for fault in stale]
    unanswered = sum(one.answer is None for one in findings)
    return "\n".join([*lines, f"findings: {len(findings)}, without an answer: {unanswered}"])


def main() -> int:
    """Print findings; return the exit code."""
    parser = argparse.ArgumentParser(description="Compare the locks with advisories in OSV's format.")
    parser.add_argument("advisories", type=Path, help="a record, a zip file of records, or a folder of them")
    parser.add_argument("--json", action="store_true", help="print JSON")
    asked = parser.parse_args()
    try:
        locks, answers, records = read_locks(), read_answers(), list(read_records(asked.advisories))
        findings = find(records, locks, answers)
        stale = without_a_lock(answers, locks) + not_affected(records, answers)
    except BadInput as error:
        print(error, file=sys.stderr)  # noqa: T201 - a command
        return 2
    made = {"findings": [one._asdict() for one in findings], "stale": stale}
    print(json.dumps(made, indent=2) if asked.json else report(findings, stale))  # noqa: T201 - a command
    return int(bool(stale) or any(one.answer is None for one in findings))


if __name__ == "__main__":
    sys.exit(main())
