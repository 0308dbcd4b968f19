"""Looks at homes, makes them and measures them through a shell where they are stored."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Literal, cast, get_args

from kernelpod.base.shells import RemoteError, Shell
from kernelpod.deploy.homefolders.wanted import WantedHome

State = Literal[
    "ok",
    "made",
    "owned",
    "missing",
    "unowned",
    "open",
    "foreign",
    "link",
    "no_folder",
    "above_link",
    "above_open",
    "above_closed",
    "failed",
]
"""`owned`: root's folder was given to the user. `unowned`: it still is root's. `open`: others may enter it.
`above_closed`: who looks may not enter a folder above it."""
GOOD: frozenset[State] = frozenset(("ok", "made", "owned", "open"))
TO_MAKE: frozenset[State] = frozenset(("missing", "unowned"))
# A home with hundreds of thousands of files takes minutes; a slow NFS server more.
SECONDS = 3600.0
# A line must hold one home.
_BREAKS = frozenset("\n\r\0")
_LOOK, _USAGE = (Path(__file__).with_name(f"{name}.sh") for name in ("look", "usage"))


# The user id of nobody, with 16 bits and with 32.
NOBODY = (65534, 2**32 - 2)
OF_NOBODY = (
    ", if it is nobody's there, too; else NFS 4 loses the owner on the way: give this machine and the server the "
    "same Domain in /etc/idmapd.conf"
)


@dataclass(frozen=True)
class FoundHome:
    """What is there in place of a wanted home."""

    home: WantedHome
    state: State
    owner: int | None
    """User id of its owner, if it is there."""
    mode: str
    """Octal, or empty."""
    above: str = ""
    """The folder above it that is in the way, below the root; empty if none is."""

    def sentence(self, root: str) -> str:
        """Return what is wrong with it and what to do; empty if nothing is."""
        path, ids = f"{root}/{self.home.path}", f"{self.home.uid}:{self.home.gid}"
        above = posixpath.normpath(posixpath.join(root, self.above))
        says: dict[State, str] = {
            "missing": "does not exist; `kernelpod homes make` makes it",
            "unowned": f"belongs to root; `kernelpod homes make` gives it to {ids}",
            "open": f"can be entered by others (mode {self.mode}); chmod 0700 {path}, if that is not meant",
            "foreign": f"belongs to user id {self.owner}, but this user has {self.home.uid}; on the NFS server: "
            f"chown -R {ids} {path}" + (OF_NOBODY if self.owner in NOBODY else ""),
            "link": "is a symbolic link; replace it by the folder",
            "no_folder": "is not a folder; move it away",
            "above_link": f"is below a symbolic link; replace {above} by the folder that it names",
            "above_open": "is below a folder that users may write to, and so replace; on the NFS server: "
            f"chown root:root {above} && chmod go-w {above}",
            "above_closed": f"cannot be looked at, since {above} may not be entered here; run this as root, with "
            "root_squash on the NFS server, by --ssh root@SERVER:/FOLDER",
            "failed": "cannot be made here (root_squash, a read-only or a full export); run the same on the NFS "
            "server, by --ssh root@SERVER:/FOLDER",
        }
        return says.get(self.state, "")


@dataclass(frozen=True)
class Usage:
    """What a home takes."""

    home: WantedHome
    size: int
    """Bytes on disk."""
    files: int
    newest: datetime | None
    """When something in it was changed last."""
    quota: int | None
    """Bytes that the file system allows the user, if it says so."""


def look(
    shell: Shell, root: str, homes: Sequence[WantedHome], *, make: bool = False, plan: bool = False
) -> list[FoundHome]:
    """Return what is there, and with `make` what is there after missing homes have been made.

    With `plan`, homes that this shell's user may not make have `failed`, as far as that is known before. Nothing
    that belongs to somebody else is changed, and no link is followed below the root. Can be repeated, and run by
    several at once. Raises RemoteError.
    """
    lines = [f"{number} {home.uid} {home.gid} {home.path}\n" for number, home in _numbered(homes)]
    how = "make" if make else "plan" if plan else ""
    said = shell.run(_LOOK.read_text("utf-8"), root, how, given=_given(lines), seconds=SECONDS)
    found: dict[int, FoundHome] = {}
    for line in _lines(said):
        number, state, owner, mode, above = _words(line, 5)
        if state not in get_args(State):
            raise _odd(line)
        uid = None if owner == "-" else int(owner)
        found[int(number)] = FoundHome(homes[int(number)], cast("State", state), uid, mode.strip("-"), above)
    if len(found) < len(homes):
        raise RemoteError(f"the other end looked at {len(found)} of {len(homes)} homes only; try again")
    return [found[number] for number in range(len(homes))]


def usage(
    shell: Shell, root: str, homes: Sequence[WantedHome], depth: int | None = None
) -> tuple[list[Usage], list[str]]:
    """Return what existing homes take, and the folders at the depth of homes that are nobody's of these.

    Without `depth` such folders are not looked for. Raises RemoteError.
    """
    lines = [f"{number} {home.uid} {home.path}\n" for number, home in _numbered(homes)]
    said = shell.run(
        _USAGE.read_text("utf-8"), root, "" if depth is None else str(depth), given=_given(lines), seconds=SECONDS
    )
    known, found, others = {home.path for home in homes}, [], []
    for line in _lines(said):
        word, _, rest = line.partition(" ")
        if word == "at":
            others.append(rest)
            continue
        number, size, files, newest, quota = _words(line, 5)
        amount = None if quota == "-" else int(quota)
        found.append(Usage(homes[int(number)], int(size), int(files), _when(int(newest)), amount))
    return found, sorted(set(others) - known)


def _numbered(homes: Iterable[WantedHome]) -> Iterable[tuple[int, WantedHome]]:
    for number, home in enumerate(homes):
        if _BREAKS & set(home.path):
            raise RemoteError(f"the home {home.path!r} has a line break in its path; change homes.path_template")
        yield number, home


def _given(lines: Sequence[str]) -> bytes:
    return "".join(lines).encode()


def _lines(said: bytes) -> list[str]:
    """Return the lines. Names in them may have characters that Python takes for line breaks, but not this one."""
    return [line for line in said.decode("utf-8", "replace").split("\n") if line]


def _when(seconds: int) -> datetime | None:
    """Return a time of change: the last date there is, if a user has set a time beyond."""
    try:
        return datetime.fromtimestamp(seconds, timezone.utc) if seconds else None
    except (ValueError, OverflowError, OSError):
        return datetime.max.replace(tzinfo=timezone.utc)


def _odd(line: str) -> RemoteError:
    said = f"the other end said {line[:200]!r}; its login must print nothing, and `sh` must be a POSIX shell"
    return RemoteError(said)


def _words(line: str, count: int) -> list[str]:
    words = line.split(" ", count - 1)
    if len(words) != count or not words[0].isdigit():
        raise _odd(line)
    return words
