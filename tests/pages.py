"""Reads the fenced blocks of a page of docs, and runs a page from top to bottom.

What follows a block's language says what it is for:

- a file name (```yaml old.yaml): the block is that file;
- `cluster` (```bash cluster): the commands need a cluster or Helm, and are not run here.

All other blocks of bash are run, one after the other, in the folder with the files. A block of text right after
one is what it prints.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

DOCS = Path(__file__).parents[1] / "docs"
_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\w*) *(?P<said>[^\n`]*)\n(?P<text>.*?)^(?P=indent)```$", re.M | re.S
)
_CLUSTER = "cluster"


class Block(NamedTuple):
    """A fenced block."""

    language: str
    said: str
    """What follows the language."""
    text: str
    begin: int
    """Where its text begins in the page."""
    end: int

    @property
    def runs(self) -> bool:
        return self.language == "bash" and self.said != _CLUSTER


def blocks(page: str, language: str = "") -> list[Block]:
    """Return the blocks of a page's text, or those of a language."""
    found = [
        Block(one["language"], one["said"].strip(), textwrap.dedent(one["text"]), *one.span("text"))
        for one in _FENCE.finditer(page)
    ]
    return [block for block in found if not language or block.language == language]


def read(name: str) -> str:
    """Return the text of a page by its name."""
    return (DOCS / f"{name}.md").read_text(encoding="utf-8")


def texts(name: str, language: str) -> list[str]:
    """Return the texts of a page's blocks of a language."""
    return [block.text for block in blocks(read(name), language)]


def checked(page: str, folder: Path) -> Iterator[tuple[Block, str]]:
    """Run a page's commands in a folder. Yield each block of what they print, and what they printed."""
    printed: str | None = None
    for block in blocks(page):
        if block.runs:
            printed = _run(block.text, folder)
            continue
        if block.language == "text" and printed is not None:
            yield block, printed
        elif block.said and block.said != _CLUSTER:
            file = folder / block.said
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.text, encoding="utf-8")
        printed = None


def _run(commands: str, folder: Path) -> str:
    """Return what commands print, in the order in which they print it. They find the environment's programs."""
    programs = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        ["bash", "-euc", commands],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        timeout=120,
    )
    said = done.stdout.decode()
    assert done.returncode == 0, f"{commands}\n{said}"
    return said
