"""The form every benchmark reports in: one `Measure` a row, as an aligned table and as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

PEERS = ("stock", "stock-local", "ours", "bare", "floor")
NUMERIC = frozenset((*PEERS, "ratio"))


@dataclass(frozen=True)
class Goal:
    """What "ours" must reach: `factor` x the figure of peer `against`, plus `plus` in the row's unit.

    With `against` empty the limit is `plus` alone. `at_least` turns the ceiling into a floor.
    """

    against: str = ""
    factor: float = 1.0
    plus: float = 0.0
    at_least: bool = False

    def limit(self, figures: dict[str, float]) -> float | None:
        """The figure to reach, or None while the peer it hangs on was not measured."""
        if not self.against:
            return self.plus
        reference = figures.get(self.against)
        return None if reference is None else self.factor * reference + self.plus

    def text(self, unit: str) -> str:
        """The goal as one reads it: `<= 0.2 x stock`, `<= bare + 0.08 s`."""
        parts = [self.against if self.factor == 1.0 else f"{self.factor:g} x {self.against}"]
        if self.plus or not self.against:
            parts.append(f"{self.plus:g} {unit}".strip())
        return ("≥ " if self.at_least else "≤ ") + " + ".join(part for part in parts if part)


@dataclass(frozen=True)
class Measure:
    """One row: a figure per peer in `unit`, and the goal "ours" is held to (None: informative).

    A peer that did not run is absent from `figures`; it shows as "-", never as zero.
    """

    measure: str
    unit: str
    figures: dict[str, float]
    goal: Goal | None = None
    note: str = ""
    spread: dict[str, list[float]] = field(default_factory=dict)

    @property
    def against(self) -> str:
        """The peer `ratio` divides by."""
        return self.goal.against if self.goal and self.goal.against else "stock"

    @property
    def ratio(self) -> float | None:
        """Ours divided by the peer the goal names (stock when there is no goal)."""
        ours, reference = self.figures.get("ours"), self.figures.get(self.against)
        return ours / reference if ours is not None and reference else None

    @property
    def met(self) -> bool | None:
        """Whether the goal holds; None for a row without a goal or without both figures."""
        ours = self.figures.get("ours")
        limit = self.goal.limit(self.figures) if self.goal else None
        if self.goal is None or ours is None or limit is None:
            return None
        return ours >= limit if self.goal.at_least else ours <= limit

    def as_json(self) -> dict[str, Any]:
        """Keys measure, unit, stock, ours, ratio, goal, met for every reader; the others inform."""
        return {
            "measure": self.measure,
            "unit": self.unit,
            "stock": self.figures.get("stock"),
            "ours": self.figures.get("ours"),
            "ratio": self.ratio,
            "goal": self.goal.text(self.unit) if self.goal else None,
            "met": self.met,
            "against": self.against,
            "figures": self.figures,
            "turns": self.spread,
            "note": self.note,
        }

    def cells(self, peers: Sequence[str]) -> tuple[str, ...]:
        """One string a column of the table; `peers` have a column each."""
        figures = [number(self.figures.get(peer)) for peer in peers]
        ratio = "-" if self.ratio is None else f"{self.ratio:.2f} x {self.against}"
        goal = self.goal.text(self.unit) if self.goal else "informative"
        met = {True: "yes", False: "MISSED", None: "-"}[self.met]
        return (self.measure, self.unit, *figures, ratio, goal, met)


def number(value: float | None) -> str:
    """Three significant digits without exponent; "-" for a figure that was not taken."""
    if value is None:
        return "-"
    if abs(value) >= 100 or value == 0:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.{2 if abs(value) >= 1 else 3}f}"


def render(rows: Sequence[Measure]) -> str:
    """The aligned table, header first, followed by the notes; ends without a newline."""
    peers = [peer for peer in PEERS if any(peer in row.figures for row in rows)]
    header = ("measure", "unit", *peers, "ratio", "goal", "met")
    lines = [header, *(row.cells(peers) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = ["  ".join(map(_pad, line, widths, header)) for line in lines]
    text.insert(1, "  ".join("-" * width for width in widths))
    notes = dict.fromkeys(row.note for row in rows if row.note)
    return "\n".join(line.rstrip() for line in [*text, *(f"  {note}" for note in notes)])


def _pad(cell: str, width: int, column: str) -> str:
    return cell.rjust(width) if column in NUMERIC else cell.ljust(width)


def write_json(rows: Sequence[Measure], path: Path) -> None:
    """The rows as a JSON list; the folder must exist."""
    text = json.dumps([row.as_json() for row in rows], indent=2, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")
