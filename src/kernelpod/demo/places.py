"""The demo's folders: those that it keeps, and temporary ones."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from kernelpod.errors import KernelpodError

# A socket's path has at most 107 bytes. A kernel's is k/<kernel id>-<start>/c/s-<channel> below the state folder.
LONGEST_STATE_PATH_BYTES = 107 - len("/k/" + 32 * "i" + "-" + 6 * "s" + "/c/s-5")
# For logs, the hub's database and notebooks. Users' own files need more.
NEEDED_BYTES = 32 * 2**20
# The demo's settings, in the folder that it keeps.
SETTINGS = "settings.yaml"


@contextlib.contextmanager
def temporary(parent: Path | None = None, purpose: str = "") -> Iterator[Path]:
    """Yield a new folder, which is removed afterwards."""
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
        # mkdtemp adds such a name.
        path = Path(place, "kernelpod-12345678")
        if len(os.fsencode(path)) <= LONGEST_STATE_PATH_BYTES and os.access(place, os.W_OK | os.X_OK):
            return Path(place)
    raise KernelpodError(
        "The demo needs a folder for temporary files with a path of at most "
        f"{LONGEST_STATE_PATH_BYTES - len('/kernelpod-12345678')} bytes; set TMPDIR to a writable one."
    )


def kept_folder() -> Path:
    """Return the folder that keeps homes and logs for the next run. Raises KernelpodError if it is not known."""
    if named := os.environ.get("XDG_STATE_HOME"):
        return Path(named, "kernelpod", "demo")
    try:
        return Path.home() / ".local" / "state" / "kernelpod" / "demo"
    except RuntimeError as error:
        raise KernelpodError(
            "Homes and logs cannot be kept, as the home folder is unknown: name a folder with --folder."
        ) from error


def make_folders(*folders: Path) -> None:
    """Make folders that other users can enter but not list. Raises KernelpodError with the remedy."""
    for folder in folders:
        try:
            folder.mkdir(mode=0o711, parents=True, exist_ok=True)
            if shutil.disk_usage(folder).free < NEEDED_BYTES:
                raise KernelpodError(
                    f"The disk of {folder} has less than {NEEDED_BYTES // 2**20} MiB left: free some, or name "
                    "another folder (--folder for homes and logs, TMPDIR for the rest)."
                )
        except OSError as error:
            raise KernelpodError(
                f"{folder} cannot be made ({error.strerror}): name another folder with --folder."
            ) from error


@contextlib.contextmanager
def only_one_in(folder: Path) -> Iterator[None]:
    """Lock a folder for this demo. Raises KernelpodError if another demo uses it."""
    with (folder / ".lock").open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise KernelpodError(
                f"Another demo keeps its homes in {folder}: end it, or name another folder with --folder."
            ) from error
        yield


def settings_of_running_demo() -> Path | None:
    """Return the settings file of the demo that runs now in `kept_folder`; None if there is none."""
    try:
        folder = kept_folder()
        with (folder / ".lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return folder / SETTINGS
    except (OSError, KernelpodError):
        return None
    return None


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
