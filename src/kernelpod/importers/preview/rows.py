"""What a user has of a hub, and the rows that show it of two hubs."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from kernelpod.findings.secrets import is_secret
from kernelpod.homes.mounts import Mount, mounts_for
from kernelpod.settings.sections import Settings

MEMORY, CPU, PAGE = "memory of a server", "CPU of a server", "first page"
_NOTHING = "-"
_OF_IMAGE = "(of the image)"


class Row(NamedTuple):
    """One thing that a user sees."""

    what: str
    before: str
    after: str


@dataclass
class Seen:
    """What a user has of one hub."""

    home: str
    """Where the home is; empty if that is not known."""
    mounts: dict[str, str]
    """What is mounted, by its place."""
    facts: dict[str, str] = field(default_factory=dict)
    """Everything else, by what it is."""
    elsewhere: str = _NOTHING
    """What is said of places where nothing is mounted as far as is known."""


def rows_of(before: Seen, after: Seen) -> list[Row]:
    """Return the rows of a user: the home, the other mounts, and everything else."""
    places = [after.home, *sorted((before.mounts.keys() | after.mounts.keys()) - {after.home})]
    rows = []
    if before.home not in ("", after.home):
        places = [place for place in places if place not in (before.home, after.home)]
        rows.append(
            Row("home", *(f"{one.mounts.get(one.home, _NOTHING)} at {one.home}" for one in (before, after)))
        )
    rows += [Row(place, *(one.mounts.get(place, one.elsewhere) for one in (before, after))) for place in places]
    facts = {**before.facts, **after.facts}
    rows += [Row(what, *(one.facts.get(what, _NOTHING) for one in (before, after))) for what in facts]
    rows.append(Row("kernels run in", "the server", "pods of their own, with the same home and mounts"))
    return rows


def of_settings(settings: Settings, user: str, *, on_machine: bool = False) -> Seen:
    """Return the home and the mounts that the settings give a user, with `on_machine` also without a cluster."""
    mounts = mounts_for(settings, "hub", user, ()).all()
    return Seen(
        settings.homes.mount_path,
        {
            mount.mount_path: f"{mount.path}; on a cluster {shown(mount)}" if on_machine else shown(mount)
            for mount in mounts
        },
    )


def shown(mount: Mount) -> str:
    """Return what a mount is, and whether it is read-only."""
    volume = mount.volume
    source = {
        "nfs": f"{volume.server}:{mount.path}",
        "pvc": posixpath.join(f"claim {volume.claim}", mount.sub_path),
        "dynamic": f"claim {volume.claim}",
        "config_map": f"ConfigMap {volume.object}",
        "secret": f"Secret {volume.object}",
        "csi": f"volume of {volume.driver}",
    }
    return with_rights(source.get(volume.kind, "an empty folder").rstrip("/"), mount.read_only)


def with_rights(source: str, read_only: object) -> str:
    """Return what is mounted, and whether it is read-only."""
    return f"{source} (read-only)" if read_only else source


def amount(least: Any, most: Any) -> str:
    """Return how much of something a server has."""
    return f"{least or _NOTHING} to {most or 'no limit'}"


def page_of(given: Any) -> str:
    """Return the first page of a server."""
    page = str(given or _OF_IMAGE)
    return "(a secret is in it)" if is_secret("", page) else page
