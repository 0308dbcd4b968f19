"""Draws the picture of docs/benchmark.md as SVG: bars for the rows with figures of both stock and ours.

`python -m bench.cluster_picture FILE.json > FILE.svg` draws a saved table.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from bench.table import number

if TYPE_CHECKING:
    from collections.abc import Sequence

COLOURS = {"stock": "#b8b8b8", "ours": "#2f6fb0", "floor": "#e0b96a"}
SHOWN = ("POST to ", "execute ", "output ", "GET ", "gateway memory", "API requests with")
WIDTH, LABELS, BARS, BAR, GAP, TOP = 900, 330, 440, 13, 14, 46


def picture(rows: Sequence[dict[str, Any]]) -> str:
    """Return an SVG document. Each row has its own scale, so only bars of the same row are comparable."""
    chosen: dict[str, dict[str, Any]] = {}
    for row in rows:
        if row["measure"].startswith(SHOWN) and row["stock"] is not None and row["ours"] is not None:
            chosen.setdefault(row["measure"], row)
    parts, y = legend(), TOP
    for row in chosen.values():
        parts += group(row, y)
        y += GAP + BAR * len(bars(row))
    space = f'xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}"'
    head = f'<svg {space} font-family="sans-serif" font-size="12">'
    return "\n".join([head, f'<rect width="{WIDTH}" height="{y}" fill="#ffffff"/>', *parts, "</svg>", ""])


def legend() -> list[str]:
    """Return the legend."""
    parts, x = [], LABELS
    for name, colour in COLOURS.items():
        parts.append(f'<rect x="{x}" y="14" width="12" height="12" fill="{colour}"/>')
        parts.append(f'<text x="{x + 17}" y="24" fill="#202020">{name}</text>')
        x += 80
    return [*parts, text(WIDTH - 8, 24, "each row has its own scale", "end")]


def group(row: dict[str, Any], y: int) -> list[str]:
    """Return one row's name and its bars, one below the other."""
    drawn = bars(row)
    largest = max(drawn.values()) or 1.0
    parts = [text(LABELS - 8, y + BAR * len(drawn) // 2 + 4, row["measure"], "end")]
    for index, (name, value) in enumerate(drawn.items()):
        top, width = y + BAR * index, max(BARS * value / largest, 1)
        parts.append(
            f'<rect x="{LABELS}" y="{top}" width="{width:.0f}" height="{BAR - 2}" fill="{COLOURS[name]}"/>'
        )
        label = f"{number(value)} {row['unit']}"
        parts.append(text(LABELS + round(width) + 5, top + BAR - 3, label, "start"))
    return parts


def bars(row: dict[str, Any]) -> dict[str, float]:
    """Return the figures to draw, in the order of the legend."""
    return {name: row["figures"][name] for name in COLOURS if name in row["figures"]}


def text(x: int, y: int, words: str, anchor: str) -> str:
    """Return one line of text."""
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" fill="#202020">{escape(words)}</text>'


if __name__ == "__main__":
    print(picture(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))), end="")
