"""The folder of one start: what the gateway and the kernel find there, and the way to the kernel's sockets.

`record.json`, `connection.json` and `process.json` are the gateway's. `c` is where the kernel finds its own
connection file and makes its ipc sockets. Without a sandbox it is a folder of the kernel's uid. In a sandbox, the
kernel has a small file system in memory for this, which ends with it, and `c` is a link that leads there through
/proc: whatever the kernel writes, `state_dir` does not grow.
"""

from __future__ import annotations

import os
from pathlib import Path

from kernelpod.runtime.local.mounting import Bind
from kernelpod.runtime.local.network import free_ports
from kernelpod.runtime.local.records import write_kernel
from kernelpod.runtime.local.statedir import write_private
from kernelpod.start.connection import Connection, ConnectionKeys, new_connection
from kernelpod.start.plan import KernelPlan
from kernelpod.start.record import KernelRecord

INSIDE = "/run/kernelpod"
"""The folder of `c`, as the kernel in a sandbox sees it."""
PLACE = "c"
CONNECTION_FILE, GIVEN_FILE = "connection.json", "given.json"
LINKS = {f"{INSIDE}/{CONNECTION_FILE}": GIVEN_FILE}


def new_connection_in(folder: Path, plan: KernelPlan, keys: ConnectionKeys | None) -> Connection:
    """Return the connection from the gateway's view: ipc sockets in the kernel's folder, or free ports."""
    if plan.transport == "ipc":
        return new_connection("ipc", str(folder / PLACE / "s"), [1, 2, 3, 4, 5], plan.address, keys)
    return new_connection("tcp", "127.0.0.1", free_ports(5), plan.address, keys)


def make(folder: Path, record: KernelRecord, connection: Connection, *, spare: bool, sandboxed: bool) -> None:
    """Make the folder with what is known before the kernel starts."""
    folder.mkdir()
    folder.chmod(0o711)  # regardless of the umask: without a sandbox, the kernel's uid must reach `c`
    write_kernel(folder, record, connection, spare=spare)
    inside = sandboxed and record.plan.transport == "ipc"
    seen = connection.at(f"{INSIDE}/s") if inside else connection
    file = Path(mark(folder)) if sandboxed else folder / PLACE / CONNECTION_FILE
    if not sandboxed:
        file.parent.mkdir(mode=0o700)
    write_private(file, seen.to_json())
    if os.getuid() == 0:
        for path in (file,) if sandboxed else (file, file.parent):
            os.chown(path, record.plan.uid, record.plan.gid)


def connection_file(folder: Path, *, sandboxed: bool) -> str:
    """Return the path of the kernel's connection file, as the kernel sees it."""
    return f"{INSIDE if sandboxed else folder / PLACE}/{CONNECTION_FILE}"


def mark(folder: Path) -> str:
    """Return the path of the connection file for a sandbox, a word of whose command line it is."""
    return str(folder / "kernel.json")


def bound(folder: Path) -> Bind:
    """Return the place in a sandbox that CONNECTION_FILE, which the kernel may write anew, first leads to."""
    return Bind(mark(folder), f"{INSIDE}/{GIVEN_FILE}", read_only=True)


def lead_nowhere(folder: Path) -> None:
    """Remove the way into a sandbox that has ended: its process id may become that of another user's."""
    if (folder / PLACE).is_symlink():
        (folder / PLACE).unlink(missing_ok=True)


def lead_into(folder: Path, root: Path) -> None:
    """Make `c` lead into a started sandbox, whose root folder is `root` on this machine."""
    (folder / PLACE).symlink_to(f"{root}{INSIDE}")
