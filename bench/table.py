"""The report of all benchmarks: a `Measure` for each row, printed as an aligned table or as JSON."""

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
    """The goal for "ours": `factor` x the figure of the peer `against`, plus `plus` in the row's unit.

    If `against` is empty, the limit is `plus`. With `at_least` it is a lower limit, else an upper limit.
    """

    against: str = ""
    factor: float = 1.0
    plus: float = 0.0
    at_least: bool = False

    def limit(self, figures: dict[str, float]) -> float | None:
        """Return the figure to reach; None if the peer `against` was not measured."""
        if not self.against:
            return self.plus
        reference = figures.get(self.against)
        return None if reference is None else self.factor * reference + self.plus

    def text(self, unit: str) -> str:
        """Return the goal as text, such as `<= 0.2 x stock` or `<= bare + 0.08 s`."""
        parts = [self.against if self.factor == 1.0 else f"{self.factor:g} x {self.against}"]
        if self.plus or not self.against:
            parts.append(f"{self.plus:g} {unit}".strip())
        return ("≥ " if self.at_least else "≤ ") + " + ".join(part for part in parts if part)


@dataclass(frozen=True)
class Measure:
    """One row: a figure for each peer in `unit`, and the goal for "ours" (None: no goal).

    A peer that did not run is not in `figures`; it is shown as "-", never as zero.
    """

    measure: str
    unit: str
    figures: dict[str, float]
    goal: Goal | None = None
    note: str = ""
    spread: dict[str, list[float]] = field(default_factory=dict)

    @property
    def against(self) -> str:
        """Return the peer by whose figure `ratio` divides."""
        return self.goal.against if self.goal and self.goal.against else "stock"

    @property
    def ratio(self) -> float | None:
        """Return our figure divided by that of the goal's peer (stock if there is no goal)."""
        ours, reference = self.figures.get("ours"), self.figures.get(self.against)
        return ours / reference if ours is not None and reference else None

    @property
    def met(self) -> bool | None:
        """Return whether the goal is met; None without a goal or without both figures."""
        ours = self.figures.get("ours")
        limit = self.goal.limit(self.figures) if self.goal else None
        if self.goal is None or ours is None or limit is None:
            return None
        return ours >= limit if self.goal.at_least else ours <= limit

    def as_json(self) -> dict[str, Any]:
        """Return the row for JSON: measure, unit, stock, ours, ratio, goal, met, and further information."""
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
        """Return one string for each column of the table; each of `peers` has a column."""
        figures = [number(self.figures.get(peer)) for peer in peers]
        ratio = "-" if self.ratio is None else f"{self.ratio:.2f} x {self.against}"
        goal = self.goal.text(self.unit) if self.goal else "informative"
        met = {True: "yes", False: "MISSED", None: "-"}[self.met]
        return (self.measure, self.unit, *figures, ratio, goal, met)


def number(value: float | None) -> str:
    """Return three significant digits without exponent; "-" if there is no figure."""
    if value is None:
        return "-"
    if abs(value) >= 100 or value == 0:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.{2 if abs(value) >= 1 else 3}f}"


def render(rows: Sequence[Measure]) -> str:
    """Return the aligned table with its header, followed by the notes, without a final newline."""
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
    """Write the rows as a JSON list; the folder must exist."""
    text = json.dumps([row.as_json() for row in rows], indent=2, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")
