"""The pages on taking over hubs do what they say, from top to bottom; and links of all pages lead somewhere."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from pages import DOCS, blocks, checked, read

CHECKOUT = DOCS.parent
NAMES = sorted(path.stem for path in DOCS.glob("import-*.md"))


def needs_jupyterhub(name: str) -> bool:
    """Return whether a page's commands load JupyterHub's own classes."""
    return any(block.runs and "hub check-config" in block.text for block in blocks(read(name)))


WITH_JUPYTERHUB = [name for name in NAMES if needs_jupyterhub(name)]
WITHOUT = [name for name in NAMES if not needs_jupyterhub(name)]


def does_what_it_says(name: str, folder: Path) -> None:
    """Set KERNELPOD_GOLDEN=write to write what the commands print into the page; then read the difference."""
    page = read(name)
    new, end = "", 0
    ran = list(checked(page, folder))
    for block, printed in ran:
        new, end = f"{new}{page[end : block.begin]}{printed}", block.end
    new += page[end:]
    assert ran, "a page begins with commands, and what they print"
    if os.environ.get("KERNELPOD_GOLDEN") == "write":
        (DOCS / f"{name}.md").write_text(new, encoding="utf-8")
    else:
        assert new == page


@pytest.mark.parametrize("name", WITHOUT)
def test_a_page_does_what_it_says(name: str, tmp_path: Path) -> None:
    does_what_it_says(name, tmp_path)


@pytest.mark.hub
@pytest.mark.parametrize("name", WITH_JUPYTERHUB)
def test_a_page_with_jupyterhub_does_what_it_says(name: str, tmp_path: Path) -> None:
    does_what_it_says(name, tmp_path)


def test_a_block_is_a_file_or_commands_or_what_they_print(tmp_path: Path) -> None:
    page = (
        "```yaml a/b.yaml\nx: 1\n```\n```bash cluster\nfalse\n```\n1. two:\n\n   ```bash\n   cat a/b.yaml\n"
        "   ```\n\n   ```text\n   x: 1\n   ```\n```text\nnot what it prints\n```\n"
    )
    assert [(block.text, printed) for block, printed in checked(page, tmp_path)] == [("x: 1\n", "x: 1\n")]


def test_commands_that_fail_are_told(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="gone"):
        list(checked("```bash\ncat gone\necho on\n```\n", tmp_path))


_LINK = re.compile(r"\]\((?!https?://|mailto:)([^)#\s]*)(#[^)\s]*)?\)")


PAGES = [*CHECKOUT.glob("*.md"), *DOCS.glob("*.md"), *(CHECKOUT / "kernelspecs").rglob("*.md")]


def links(page: Path) -> Iterator[tuple[Path, str]]:
    """Yield file and heading of each link of a page within the project."""
    text = page.read_text(encoding="utf-8")
    for block in reversed(blocks(text)):
        text = text[: block.begin] + text[block.end :]
    for place, heading in _LINK.findall(text):
        yield (page.parent / place).resolve() if place else page, heading.removeprefix("#")


def headings(page: Path) -> set[str]:
    """Return the names that links give the headings of a page: GitHub's."""
    found = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in found}


def test_links_of_pages_lead_somewhere() -> None:
    broken = [
        f"{page.relative_to(CHECKOUT)}: {place.name}#{heading}"
        for page in PAGES
        for place, heading in links(page)
        if not place.exists() or (heading and heading not in headings(place))
    ]
    assert broken == []
