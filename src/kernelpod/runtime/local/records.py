"""Reads and writes what the folder of a kernel says of it.

Beside the files with its record, connection and process, an empty file `spare` says that nobody has taken it yet.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable
from pathlib import Path

from kernelpod.errors import KernelpodError
from kernelpod.runtime.interface import RunningKernel
from kernelpod.runtime.local.processes import Process
from kernelpod.runtime.local.statedir import write_private
from kernelpod.start.connection import Connection, read_connection
from kernelpod.start.record import KernelRecord, read

SPARE = "spare"


def write_kernel(folder: Path, record: KernelRecord, connection: Connection, *, spare: bool) -> None:
    """Write what the next gateway reads. It cannot trust the kernel's own copy, which the kernel can change."""
    if spare:
        (folder / SPARE).touch()
    write_private(folder / "record.json", record.to_json())
    write_private(folder / "connection.json", connection.to_json())


def write_taken(folder: Path, record: KernelRecord) -> None:
    """Write that the kernel is no spare any more, and its record since then."""
    write_private(folder / "record.json", record.to_json())
    (folder / SPARE).unlink(missing_ok=True)


def read_kernel(folder: Path) -> tuple[RunningKernel, Process | None]:
    """Return the kernel of a folder and its process; None if the process has ended.

    Raises RecordError for a record that this gateway cannot read, OSError and ValueError if something is missing.
    """
    record = read((folder / "record.json").read_text(encoding="utf-8"))
    connection = read_connection((folder / "connection.json").read_text(encoding="utf-8"))
    process = Process.found(json.loads((folder / "process.json").read_text(encoding="utf-8")))
    incarnation, spare = folder.name.rpartition("-")[2], (folder / SPARE).exists()
    return RunningKernel(record, connection, incarnation, spare=spare), process


def seen_kernels(folders: Iterable[Path]) -> list[RunningKernel]:
    """Return the kernels of those folders that can be read and whose processes run."""
    found = []
    for folder in folders:
        with contextlib.suppress(KernelpodError, OSError, ValueError):
            kernel, process = read_kernel(folder)
            if process is not None:
                found.append(kernel)
    return found
