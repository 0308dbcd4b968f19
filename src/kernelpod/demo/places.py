"""Where the demo puts its files: what it keeps, and what goes with it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from kernelpod.errors import KernelpodError

# Of a kernel's socket below the state folder: k/<kernel id>-<start>/c/s-<channel>. A socket's path has 107 bytes.
LONGEST_STATE_PATH_BYTES = 107 - len("/k/" + 32 * "i" + "-" + 6 * "s" + "/c/s-5")
# Logs, the hub's database, notebooks; what users make of it comes on top.
NEEDED_BYTES = 32 * 2**20


@contextlib.contextmanager
def temporary(parent: Path | None = None, purpose: str = "") -> Iterator[Path]:
    """Yield a new folder, which is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix=f"kernelpod-{purpose}", dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def parent_of_state() -> Path:
    """Return a folder for temporary files whose path is short enough for kernels' sockets below it.

    Raises KernelpodError if there is none.
    """
    places = ["/tmp", "/var/tmp"]  # noqa: S108 - mkdtemp makes a folder of its own there
    with contextlib.suppress(FileNotFoundError):
        places.insert(0, tempfile.gettempdir())
    if runtime := os.environ.get("XDG_RUNTIME_DIR"):
        places.insert(1, runtime)
    for place in places:
        # What mkdtemp adds to it.
        path = Path(place, "kernelpod-12345678")
        if len(os.fsencode(path)) <= LONGEST_STATE_PATH_BYTES and os.access(place, os.W_OK | os.X_OK):
            return Path(place)
    raise KernelpodError(
        "The demo needs a folder for temporary files with a path of at most "
        f"{LONGEST_STATE_PATH_BYTES - len('/kernelpod-12345678')} bytes; set TMPDIR to one that can be written."
    )


def kept_folder() -> Path:
    """Return where homes and logs are kept for the next time. Raises KernelpodError if nobody can say."""
    if named := os.environ.get("XDG_STATE_HOME"):
        return Path(named, "kernelpod", "demo")
    try:
        return Path.home() / ".local" / "state" / "kernelpod" / "demo"
    except RuntimeError as error:
        raise KernelpodError("There is no home to keep homes and logs in: name a folder with --folder.") from error


def make_folders(*folders: Path) -> None:
    """Make folders that others may pass through, but not read. Raises KernelpodError with the next step."""
    for folder in folders:
        try:
            folder.mkdir(mode=0o711, parents=True, exist_ok=True)
            if shutil.disk_usage(folder).free < NEEDED_BYTES:
                raise KernelpodError(
                    f"The disk of {folder} has less than {NEEDED_BYTES // 2**20} MiB left: free some, or name "
                    "another place (--folder for homes and logs, TMPDIR for the rest)."
                )
        except OSError as error:
            raise KernelpodError(
                f"{folder} cannot be made ({error.strerror}): name a folder that can be, with --folder."
            ) from error


@contextlib.contextmanager
def only_one_in(folder: Path) -> Iterator[None]:
    """Keep other demos out of a folder. Raises KernelpodError if one is there."""
    with (folder / ".lock").open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise KernelpodError(
                f"Another demo keeps its homes in {folder}: end it, or name another folder with --folder."
            ) from error
        yield


def write_private(path: Path, text: str) -> None:
    """Write a file that nobody else can read."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
