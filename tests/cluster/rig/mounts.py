"""What is mounted below the cluster's folders."""

from __future__ import annotations

from pathlib import Path

from .layout import RigError
from .shell import run, wait


def below(*folders: Path) -> list[str]:
    """The mount points at or below the folders, innermost first."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    points = [line.split()[4].encode().decode("unicode_escape") for line in lines]
    return [point for point in reversed(points) if any(Path(point).is_relative_to(folder) for folder in folders)]


def tmpfs(folder: Path) -> None:
    """Mount memory there, unless that is done."""
    folder.mkdir(parents=True, exist_ok=True)
    if str(folder) not in below(folder):
        run(["mount", "-t", "tmpfs", "-o", "mode=0700", "tmpfs", folder])


def remove(*folders: Path) -> None:
    """Unmount all of it; RigError when something stays, since then nothing there may be deleted."""

    def none_left() -> bool:
        for point in below(*folders):
            try:
                run(["umount", point])
            except RigError:
                run(["umount", "--lazy", point])
        return not below(*folders)

    if not wait(none_left, seconds=20):
        raise RigError(f"still mounted: {' '.join(below(*folders))}")
