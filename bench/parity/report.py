"""The table of behaviours: printed side by side, or as JSON."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from bench.parity.behaviour import Behaviour, verdict

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

COLUMN = 44
TITLE = 72
SHOWN = 600
# How many of all behaviours may be unknown: a local kernel loses something now and then on a busy machine.
UNKNOWN_SHARE = 1 / 50


@dataclass(frozen=True)
class Row:
    """One behaviour, as it was observed on both sides."""

    subject: str
    behaviour: str
    local: Any
    kernelpod: Any
    verdict: str

    @classmethod
    def of(cls, behaviour: Behaviour, local: Any, kernelpod: Any) -> Row:
        """Return the row of a behaviour with its verdict."""
        made = verdict(local, kernelpod, behaviour.best)
        return cls(behaviour.subject, behaviour.title, local, kernelpod, made)


def render(rows: Sequence[Row]) -> str:
    """Return the table, with the whole difference below each row that is not the same, and the closing line."""
    lines = [f"{'behaviour':{TITLE}}  {'local kernel':{COLUMN}}  {'Kernelpod':{COLUMN}}  verdict"]
    lines.append("-" * len(lines[0]))
    for row in rows:
        local, ours = _cut(text(row.local), COLUMN), _cut(text(row.kernelpod), COLUMN)
        lines.append(f"{_cut(row.behaviour, TITLE):{TITLE}}  {local:{COLUMN}}  {ours:{COLUMN}}  {row.verdict}")
        if row.verdict != "same":
            first, second = difference(row.local, row.kernelpod)
            lines += [
                f"    local kernel: {_cut(text(first), SHOWN)}",
                f"    Kernelpod:    {_cut(text(second), SHOWN)}",
            ]
    named = [f"{row.verdict}: {row.behaviour}" for row in rows if row.verdict in {"worse", "unknown"}]
    return "\n".join([*lines, "", *named, closing(rows)])


def closing(rows: Sequence[Row]) -> str:
    """Return the number of behaviours, and of each verdict."""
    count = Counter(row.verdict for row in rows)
    verdicts = ("unknown", "same", "better", "worse") if count["unknown"] else ("same", "better", "worse")
    return f"{len(rows)} behaviours: " + ", ".join(f"{count[each]} {each}" for each in verdicts)


def holds(rows: Sequence[Row]) -> bool:
    """Return whether none is worse, and whether the local kernel failed too seldom to make the table empty."""
    count = Counter(row.verdict for row in rows)
    return not count["worse"] and count["unknown"] <= len(rows) * UNKNOWN_SHARE


def difference(first: Any, second: Any) -> tuple[Any, Any]:
    """Return what differs: of two objects only the members that do."""
    if isinstance(first, dict) and isinstance(second, dict):
        names = [name for name in {**first, **second} if first.get(name) != second.get(name)]
        return {name: first.get(name) for name in names}, {name: second.get(name) for name in names}
    return first, second


def text(observation: Any) -> str:
    """Return an observation on one line."""
    return observation if isinstance(observation, str) else json.dumps(observation, ensure_ascii=False)


def _cut(line: str, width: int) -> str:
    line = line.replace("\n", "\\n")
    return line if len(line) <= width else f"{line[: width - 1]}…"


def write_json(rows: Sequence[Row], path: Path) -> None:
    """Write the rows as a JSON list; the folder must exist."""
    written = json.dumps([asdict(row) for row in rows], indent=2, ensure_ascii=False)
    path.write_text(written + "\n", encoding="utf-8")
