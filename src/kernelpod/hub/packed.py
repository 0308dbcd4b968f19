"""This package as one file, for a hub whose image does not hold it: Python imports from a zip archive."""

from __future__ import annotations

import io
import zipfile
from importlib.resources import files

# What the hub's side imports; folders of modules, without their subfolders.
FOLDERS = ("", "courses", "hub", "kernelspecs", "submissions")
_LONG_AGO = (1980, 1, 1, 0, 0, 0)


def packed() -> bytes:
    """Return the modules of the hub's side as a zip archive: the same bytes for the same modules."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for folder in FOLDERS:
            place = files("kernelpod").joinpath(folder)
            for module in sorted(place.iterdir(), key=lambda one: one.name):
                if module.name.endswith(".py"):
                    name = "/".join(part for part in ("kernelpod", folder, module.name) if part)
                    archive.writestr(zipfile.ZipInfo(name, _LONG_AGO), module.read_bytes(), zipfile.ZIP_DEFLATED)
    return made.getvalue()


def templates() -> dict[str, str]:
    """Return the templates of the hub's pages by their names: Jinja reads none from an archive."""
    place = files("kernelpod.hub").joinpath("templates")
    return {one.name: one.read_text(encoding="utf-8") for one in sorted(place.iterdir(), key=lambda one: one.name)}
