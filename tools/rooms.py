"""Documents the packages of kernelpod, called rooms, in docs/: a diagram of their imports, and a list of modules.

`python tools/rooms.py` writes docs/rooms.svg and the part of docs/architecture.md between two marks. `--check`
fails if they are out of date. The diagram omits arrows that follow from others: if `a` imports `b` and `b` imports
`c`, the arrow from `a` to `c` is not drawn.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Mapping
from html import escape
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[1]
SOURCE, PICTURE, PAGE = ROOT / "src" / "kernelpod", ROOT / "docs" / "rooms.svg", ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- rooms: made by make docs -->\n", "<!-- end of rooms -->\n"
BOX, TALL, GAP, ROW, MARGIN = 300, 52, 30, 100, 20
WORDS = 42  # maximum number of characters in a box
STEPS = (0, 150, -150, 75, -75)  # horizontal offsets of rows, so that arrows do not cover each other
Arrows = Mapping[str, frozenset[str]]


def arrows() -> dict[str, frozenset[str]]:
    """Return for every room the rooms that it imports. Raises ValueError for circular imports."""
    graph = grimp.build_graph("kernelpod", cache_dir=None)
    rooms = sorted(child.rpartition(".")[2] for child in graph.find_children("kernelpod"))
    for room in rooms:
        graph.squash_module(f"kernelpod.{room}")
    found = {
        room: frozenset(_short(graph.find_modules_directly_imported_by(f"kernelpod.{room}")) - {room})
        for room in rooms
    }
    for room in rooms:
        if room in _reached(found, found[room]):
            raise ValueError(f"the imports of {room} are circular")
    return found


def _short(modules: set[str]) -> set[str]:
    return {module.partition(".")[2] for module in modules if module.startswith("kernelpod.")}


def _reached(found: Arrows, start: frozenset[str]) -> set[str]:
    """Return the rooms that are imported, directly or not."""
    seen, waiting = set[str](), list(start)
    while waiting:
        if (room := waiting.pop()) not in seen:
            seen.add(room)
            waiting += found[room]
    return seen


def reduced(found: Arrows) -> dict[str, list[str]]:
    """Return the arrows that do not follow from others."""
    return {
        room: sorted(one for one in below if not any(one in _reached(found, found[other]) for other in below))
        for room, below in found.items()
    }


def levels(found: Arrows) -> list[list[str]]:
    """Return the rooms in rows, from the top. Each row imports only from rows below it."""
    depth: dict[str, int] = {}

    def of(room: str) -> int:
        if room not in depth:
            depth[room] = max((of(below) + 1 for below in found[room]), default=0)
        return depth[room]

    rows: list[list[str]] = [[] for _ in range(max(map(of, found)) + 1)]
    for room in sorted(found):
        rows[-1 - depth[room]].append(room)
    return rows


def docstring(path: Path) -> str:
    """Return the docstring of a module, or an empty text."""
    return ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""


def face(room: str) -> Path:
    """Return the file whose docstring describes a room."""
    return SOURCE / room / "__init__.py" if (SOURCE / room).is_dir() else SOURCE / f"{room}.py"


def purpose(room: str) -> str:
    """Return the first clause of a room's docstring."""
    first = docstring(face(room)).partition("\n")[0]
    for end in (":", ".", ";", ","):
        first = first.partition(f"{end} ")[0].rstrip(end) if len(first) > WORDS else first
    return first


def listing() -> str:
    """Return a section for each room from the top, with a line for every module."""
    lines: list[str] = []
    for room in (room for row in levels(arrows()) for room in row):
        lines += [f"### {room}", "", docstring(face(room)), ""]
        modules = [
            path for path in sorted((SOURCE / room).rglob("*.py")) if path != face(room) and docstring(path)
        ]
        lines += [f"- `{_name(path)}`: {_first_sentence(path)}" for path in modules]
        lines += [""] if modules else []
    return "\n".join(lines)


def _name(path: Path) -> str:
    below = path.relative_to(SOURCE)
    return f"{below.parent}/" if path.stem == "__init__" else str(below)


def _first_sentence(path: Path) -> str:
    first = docstring(path).partition("\n\n")[0]
    return " ".join(first.split())


def svg() -> str:
    """Return the diagram."""
    found = arrows()
    rows, drawn = levels(found), reduced(found)
    width = max(map(len, rows)) * (BOX + GAP) - GAP + 2 * (MARGIN + max(STEPS))
    place: dict[str, tuple[float, float]] = {}
    for number, row in enumerate(rows):
        left = (width - len(row) * (BOX + GAP) + GAP) / 2 + STEPS[number % len(STEPS)]
        place |= {room: (left + index * (BOX + GAP), MARGIN + number * ROW) for index, room in enumerate(row)}
    height = 2 * MARGIN + (len(rows) - 1) * ROW + TALL
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" font-family="sans-serif">',
        '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
        'orient="auto"><path d="M0 0 8 4 0 8z" fill="#8a94a6"/></marker></defs>',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
    ]
    for room, below in drawn.items():
        x, y = place[room]
        for other in below:
            to_x, to_y = place[other]
            lines.append(
                f'<line x1="{x + BOX / 2:g}" y1="{y + TALL:g}" x2="{to_x + BOX / 2:g}" y2="{to_y:g}" '
                'stroke="#8a94a6" stroke-width="1.4" marker-end="url(#head)"/>'
            )
    for room, (x, y) in place.items():
        lines += [
            f'<rect x="{x:g}" y="{y:g}" width="{BOX}" height="{TALL}" rx="6" fill="#eef3fb" stroke="#3b5b92"/>',
            f'<text x="{x + BOX / 2:g}" y="{y + 21:g}" text-anchor="middle" font-size="16" '
            f'font-weight="bold" fill="#1b2a4a">{escape(room)}</text>',
            f'<text x="{x + BOX / 2:g}" y="{y + 41:g}" text-anchor="middle" font-size="12" '
            f'fill="#3c4657">{escape(purpose(room))}</text>',
        ]
    return "\n".join([*lines, "</svg>", ""])


def page() -> str:
    """Return docs/architecture.md with the current list of rooms."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    return f"{before}{BEGIN}\n{listing()}{END}{rest.partition(END)[2]}"


def main() -> None:
    """Write diagram and page, or compare them."""
    for path, made in ((PICTURE, svg()), (PAGE, page())):
        if "--check" not in sys.argv[1:]:
            path.write_text(made, encoding="utf-8")
        elif path.read_text(encoding="utf-8") != made:
            raise SystemExit(f"docs/{path.name} is out of date; run make docs")


if __name__ == "__main__":
    main()
