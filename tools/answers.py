"""What is known of advisories that concern the locks: requirements/advisories.yaml, and its table in docs/.

`python tools/answers.py` writes the table in docs/supply-chain.md; `--check` fails if it is out of date.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import yaml
from packaging.utils import canonicalize_name
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from locks import LOCKS, ROOT, BadInput, Pin

FILE, PAGE = LOCKS / "advisories.yaml", ROOT / "docs" / "supply-chain.md"
BEGIN, END = "<!-- advisories: made by make docs -->\n", "<!-- end of advisories -->\n"
Text = Annotated[str, Field(min_length=1)]


class Answer(BaseModel):
    """What an advisory means here, for named versions of a package."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ids: tuple[Text, ...] = Field(min_length=1)
    """Its identifiers; a record of a database is this advisory if it has one of them as id or alias."""
    package: Annotated[str, AfterValidator(canonicalize_name)]
    versions: tuple[Text, ...] = Field(min_length=1)
    what: Text
    reachable: bool
    why: Text


class Answers(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    old_on_purpose: dict[str, Text] = {}
    """Locks of old versions that only tests install, and why: findings in them need no answer."""
    answers: tuple[Answer, ...] = ()


def read_answers(file: Path = FILE) -> Answers:
    """Return the answers. Raises BadInput."""
    try:
        return Answers.model_validate(yaml.safe_load(file.read_text(encoding="utf-8")) or {})
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValidationError) as error:
        raise BadInput(f"{file} cannot be used: {error}") from error


def without_a_lock(answers: Answers, locks: Mapping[str, Sequence[Pin]]) -> list[str]:
    """Return a sentence for each answer about what no lock has any longer."""
    pinned = {(pin.name, pin.version) for pins in locks.values() for pin in pins}
    found = [
        f"{answer.ids[0]}: no lock has {answer.package} {version}; remove the answer, or its version"
        for answer in answers.answers
        for version in answer.versions
        if (answer.package, version) not in pinned
    ]
    return found + [f"{name}: there is no such lock" for name in answers.old_on_purpose if name not in locks]


def table(answers: Answers) -> str:
    """Return the answers as a table."""
    rows = ["| advisory | of | what it is | reachable here | why |", "| --- | --- | --- | --- | --- |"]
    for answer in answers.answers:
        about = f"{answer.package} {', '.join(answer.versions)}"
        yes = "yes" if answer.reachable else "no"
        rows.append(f"| {', '.join(answer.ids)} | {about} | {answer.what} | {yes} | {answer.why} |")
    return "\n".join([*rows, ""])


def page() -> str:
    """Return docs/supply-chain.md with the current table."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    return f"{before}{BEGIN}\n{table(read_answers())}\n{END}{rest.partition(END)[2]}"


def main() -> None:
    """Write the page, or compare it."""
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(page(), encoding="utf-8")
    elif PAGE.read_text(encoding="utf-8") != page():
        raise SystemExit(f"docs/{PAGE.name} is out of date; run make docs")


if __name__ == "__main__":
    main()
