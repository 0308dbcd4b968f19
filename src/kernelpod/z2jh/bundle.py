"""Packs this package as a zip archive, which Python can import, for a hub whose image does not contain it."""

from __future__ import annotations

import ast
import io
import zipfile
from collections.abc import Iterator
from importlib.resources import files

# The module that Zero to JupyterHub's hub loads; the modules that it imports are packed, too.
ENTRY = "kernelpod.z2jh.hook"
_LONG_AGO = (1980, 1, 1, 0, 0, 0)


def packed() -> bytes:
    """Return a zip archive of the modules that the hub loads. The same modules give the same bytes."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, source in sorted(_modules(ENTRY)):
            archive.writestr(zipfile.ZipInfo(path, _LONG_AGO), source, zipfile.ZIP_DEFLATED)
    return made.getvalue()


def templates() -> dict[str, str]:
    """Return the templates of the hub's pages by name, because Jinja cannot read them from an archive."""
    place = files("kernelpod.hub.pages").joinpath("templates")
    return {one.name: one.read_text(encoding="utf-8") for one in sorted(place.iterdir(), key=lambda one: one.name)}


def _modules(entry: str) -> Iterator[tuple[str, bytes]]:
    """Yield the path and source of a module, of all modules that it imports from this package, and of parents."""
    waiting, seen = [entry], set[str]()
    while waiting:
        name = waiting.pop()
        if name in seen or (found := _source(name)) is None:
            continue
        seen.add(name)
        yield found
        waiting += [name.rpartition(".")[0], *_imports(found[1])]


def _source(name: str) -> tuple[str, bytes] | None:
    """Return the path and source of a module of this package; None for other names, such as a class."""
    root, *parts = name.split(".")
    if root != "kernelpod":
        return None
    place = files(root)
    for path in ("/".join(parts) + ".py", "/".join([*parts, "__init__.py"])):
        if place.joinpath(path).is_file():
            return f"{root}/{path}", place.joinpath(path).read_bytes()
    return None


def _imports(source: bytes) -> Iterator[str]:
    """Yield every imported name: of a module, or of something in a module."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
