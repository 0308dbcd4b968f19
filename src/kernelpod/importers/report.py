"""The result of an import: new files, the fate of each value of the source, and questions to the admin."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from kernelpod.base import yamltext
from kernelpod.errors import KernelpodError
from kernelpod.findings.secrets import shown
from kernelpod.findings.yamlfile import Keys, Spot, YamlTree, leaves_of

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
Change = Literal["kept", "changed", "added", "dropped", "left", "warning", "question"]
# What can become of a value of the source.
FATES: tuple[Change, ...] = ("kept", "changed", "dropped", "left")
UNKNOWN = "the import has no rule for it, and no new file has it: look whether it is needed"
_EMPTY = "it is empty: there is nothing to take"
# What only the admin can decide, by the code that `--accept` takes.
QUESTIONS = {
    "homes-move": "users' homes would be other folders",
    "writable": "a folder that was read-only would be writable",
    "network-open": "servers, kernels or the hub could reach more of the network",
    "everybody": "more users could log in or start something",
}


class ImportingError(KernelpodError):
    """The source cannot be used or the new files cannot be written; the message lists every place."""


class Note(NamedTuple):
    """What happened to one value."""

    spot: Spot
    key: str
    change: Change
    why: str

    def as_text(self) -> str:
        """Return the note as file:line:column: ..., so that editors can jump there."""
        file, place = self.spot
        said = ": ".join(word for word in (self.key, self.why) if word)
        # The text contains names of the source, so characters that break terminals are replaced.
        return _CONTROL.sub("?", f"{file}:{place.line}:{place.column}: {self.change}: {said}")

    def as_dict(self) -> dict[str, str | int]:
        """Return the note as an object for JSON."""
        file, (line, column) = self.spot
        where: dict[str, str | int] = {"file": str(file), "line": line, "column": column}
        return {**where, "key": self.key, "change": self.change, "why": self.why}


class Question(NamedTuple):
    """Something that would widen rights or move homes, unless the admin wants it."""

    code: str
    """A key of QUESTIONS."""
    note: Note

    def as_text(self) -> str:
        """Return the question as file:line:column: ..., with what answers it."""
        return f"{self.note.as_text()}; --accept {self.code} takes it"


@dataclass
class Account:
    """What becomes of each value of a source, and what only the admin can decide."""

    tree: YamlTree
    others: list[Note] = field(default_factory=list)
    """The fates of values that are not in `tree`, such as those around the hub's values."""
    notes: list[Note] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)
    unchanged: set[Keys] = field(default_factory=set)
    """Values of the source that are in a new file as they were."""
    means: dict[Keys, str] = field(default_factory=dict)
    """What unchanged values mean now, by the paths of what they are in."""
    _said: dict[Keys, Note] = field(default_factory=dict)

    def note(self, keys: Keys, change: Change, why: str = "") -> None:
        """Add a note on a value of the source. A note on a mapping holds for what is in it and has no other."""
        note = Note(self.tree.spot(keys), shown(keys), change, why)
        self.notes.append(note)
        if change not in FATES:
            return
        # Of two, the later one is nearer to the new files.
        said = self._said.get(keys)
        self._said[keys] = note._replace(why=f"{said.why}; {why}") if said and said.change == change else note

    def take_back(self, since: int, why: str) -> None:
        """Say of what was changed since so many notes that it is dropped, after all."""
        later = {(note.spot, note.key) for note in self.notes[since:]}
        for keys, note in list(self._said.items()):
            if note.change == "changed" and (note.spot, note.key) in later:
                self.note(keys, "dropped", why)

    def ask(self, code: str, keys: Keys, why: str) -> None:
        """Ask the admin about a value of the source; the import needs their answer."""
        self.questions.append(Question(code, Note(self.tree.spot(keys), shown(keys), "question", why)))

    def unanswered(self, accepted: Collection[str]) -> list[Question]:
        """Return the questions whose codes the admin has not accepted."""
        return [question for question in self.questions if question.code not in accepted]

    def fates(self) -> list[Note]:
        """Return one note for each value of the source."""
        found = [self._fate(keys, value) for keys, value in leaves_of(self.tree.data)]
        return [*found, *self.others]

    def _fate(self, keys: Keys, value: Any) -> Note:
        """Return the note on a value, or the closest one on what it is in."""
        spot, key = self.tree.spot(keys), shown(keys)
        for length in range(len(keys), -1, -1):
            if said := self._said.get(keys[:length]):
                return Note(spot, key, said.change, said.why)
        if keys in self.unchanged:
            means = (self.means.get(keys[:length], "") for length in range(len(keys), -1, -1))
            return Note(spot, key, "kept", next(filter(None, means), ""))
        return (
            Note(spot, key, "dropped", _EMPTY) if value in (None, "", {}, []) else Note(spot, key, "left", UNKNOWN)
        )

    def said(self) -> list[str]:
        """Return the notes as lines, with those on values that have no other."""
        unknown = [note for note in self.fates() if note.why == UNKNOWN]
        return [note.as_text() for note in [*self.notes, *unknown, *self.others]]

    def closing(self, accepted: Collection[str]) -> list[str]:
        """Return the last lines of a report: the questions, and how many values have each fate."""
        asked = [
            f"{question.note.as_text()}; accepted" if question.code in accepted else question.as_text()
            for question in self.questions
        ]
        fates = self.fates()
        counted = ", ".join(f"{number} {fate}" for fate, number in _counts(fates).items())
        return [*asked, f"{len(fates)} values: {counted}"]

    def as_dict(self, accepted: Collection[str]) -> dict[str, Any]:
        """Return the report as an object for JSON: the counts, the questions, and the fate of each value."""
        fates = self.fates()
        return {
            "values": {"read": len(fates), **_counts(fates)},
            "questions": [
                {"code": code, **note.as_dict(), "accepted": code in accepted} for code, note in self.questions
            ],
            "fates": [note.as_dict() for note in fates],
        }


def of_kubernetes(key: str) -> str:
    """Return a key in the spelling of Kubernetes, such as `mountPath`."""
    return re.sub(r"_([a-z])", lambda found: found[1].upper(), key)


def _counts(fates: list[Note]) -> dict[str, int]:
    return {fate: sum(note.change == fate for note in fates) for fate in FATES}


@dataclass
class Imported(Account):
    """The new files, by their paths below the new folder, and the fates of the values."""

    files: dict[str, bytes] = field(default_factory=dict)
    courses: list[str] = field(default_factory=list)
    """Paths of the courses files among them."""
    private: set[str] = field(default_factory=set)
    """Paths of those that contain secrets."""

    def note_file(self, spot: Spot, change: Change, why: str) -> None:
        """Add a note on another file or a place in it."""
        self.notes.append(Note(spot, "", change, why))

    def write_yaml(self, path: str, data: dict[str, Any], about: str = "") -> None:
        """Add a YAML file. `about` are comments."""
        head = f"{about}# Made by `kernelpod import` of {self.tree.spot(()).file.name}.\n"
        text = yamltext.dump(data, width=110)
        self.files[path] = (head + text).encode()


class Part:
    """A mapping of the source. `drop` reports the keys that were not taken.

    Keys are found by the spelling of Kubernetes and by that of Python, which KubeSpawner takes, too.
    """

    def __init__(self, made: Account, keys: Keys, data: Any) -> None:
        self.made, self.keys = made, keys
        self._data: dict[str, Any] = {}
        self._spelled: dict[str, str] = {}
        if isinstance(data, dict):
            self._data = {str(key): value for key, value in data.items()}
            pythonic = {of_kubernetes(key): key for key in self._data if "_" in key}
            self._spelled = {key: was for key, was in pythonic.items() if key not in self._data}
        elif data is not None:
            self.note("", "dropped", "a mapping of keys was expected here")

    def __bool__(self) -> bool:
        return bool(self._data)

    def __contains__(self, key: str) -> bool:
        return self._spelled.get(key, key) in self._data

    def below(self, key: str) -> Keys:
        """Return the path of a key; for an empty key, the path of the mapping itself."""
        return (*self.keys, self._spelled.get(key, key)) if key else self.keys

    def note(self, key: str, change: Change, why: str = "") -> None:
        """Add a note on a key; for an empty key, on the mapping itself."""
        self.made.note(self.below(key), change, why)

    def names(self) -> list[str]:
        """Return the keys that are still to be taken."""
        return list(self._data)

    def peek(self, key: str) -> Any:
        """Return a value that is still to be taken; None if there is none."""
        return self._data.get(self._spelled.get(key, key))

    def take(self, key: str) -> Any:
        """Return a value and mark it as taken; None if there is none."""
        return self._data.pop(self._spelled.get(key, key), None)

    def section(self, key: str) -> Part:
        """Take a mapping; an empty one if there is none."""
        return Part(self.made, self.below(key), self.take(key))

    def sections(self) -> Iterator[tuple[str, Part]]:
        """Take every value as a mapping, in the order of the file."""
        for key in list(self._data):
            yield key, self.section(key)

    def numbered(self, key: str) -> list[Part]:
        """Take mappings from a list, or from a mapping by number."""
        value, keys = self.take(key), self.below(key)
        if isinstance(value, list):
            return [Part(self.made, (*keys, number), one) for number, one in enumerate(value)]
        return [part for _, part in Part(self.made, keys, value).sections()]

    def text(self, key: str) -> str:
        """Take a string or a number as text; empty if there is none. Other values are reported as dropped."""
        value = self.take(key)
        if value is None or isinstance(value, (str, int, float)):
            return "" if value is None else str(value).strip()
        self.note(key, "dropped", "a string was expected here")
        return ""

    def flag(self, key: str) -> bool | None:
        """Take a boolean; None if there is none. Other values are reported as dropped."""
        value = self.take(key)
        if value is None or isinstance(value, bool):
            return value
        self.note(key, "dropped", "true or false was expected here")
        return None

    def words(self, key: str) -> list[tuple[Keys, str]]:
        """Take a list of strings, each with its path; a single string counts as a list."""
        value, keys = self.take(key), self.below(key)
        given = list(enumerate(value)) if isinstance(value, list) else [(-1, value)]
        found: list[tuple[Keys, str]] = []
        for number, one in given:
            place = keys if number < 0 else (*keys, number)
            if isinstance(one, (str, int, float)) and str(one).strip():
                found.append((place, str(one).strip()))
            elif one is not None:
                self.made.note(place, "dropped", "a string was expected here")
        return found

    def drop(self, why: str, change: Change = "dropped") -> None:
        """Report all keys that have not been taken, as dropped or as what else became of them."""
        for key in self._data:
            self.note(key, change, why)
        self._data = {}
