"""A wall clock of its own for one process, which jumps while the process runs."""

from __future__ import annotations

from pathlib import Path

LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)

# So that what the gateway starts has the right time. With the library Linux refuses time.sleep, which waits for a
# point in time; other ways to wait work.
_FORGET = """
import os, threading, time
os.environ.pop("LD_PRELOAD", None)
time.sleep = lambda seconds: threading.Event().wait(seconds) and None
"""


class Clock:
    """The wall clock of a process; Linux's monotonic one goes on, as where an admin sets the time."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "offset"
        self.set("+0")
        (folder / "sitecustomize.py").write_text(_FORGET, encoding="ascii")
        self.environment = {
            "LD_PRELOAD": str(LIBRARY),
            "PYTHONPATH": str(folder),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DISABLE_SHM": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, offset: str) -> None:
        """Set it that much off."""
        self._file.write_text(f"{offset}\n", encoding="ascii")
