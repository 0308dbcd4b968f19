"""The kernel's namespaces, for this process and what it starts."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

from .layout import NETWORK_NAMESPACE

CLONE_NEWNS = 0x00020000
CLONE_NEWNET = 0x40000000
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000


def _call(name: str, *arguments: object) -> None:
    """Call the C library; Python has setns and unshare from 3.12 on only."""
    library = ctypes.CDLL(None, use_errno=True)
    if getattr(library, name)(*arguments) != 0:
        raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")


def enter_network() -> None:
    """Move this process into the cluster's network; /sys stays as it is, unlike with `ip netns exec`."""
    descriptor = os.open(NETWORK_NAMESPACE, os.O_RDONLY)
    try:
        _call("setns", descriptor, CLONE_NEWNET)
    finally:
        os.close(descriptor)


def enter_mounts(process: int) -> None:
    """Move this process to the mounts of another one, given by a pidfd: each sees what the other mounts."""
    here = Path.cwd()
    _call("setns", process, CLONE_NEWNS)
    os.chdir(here)


def replace_file(target: Path, source: Path) -> None:
    """Show source in the place of target, to this process and what it starts."""
    _call("unshare", CLONE_NEWNS)
    _call("mount", b"none", b"/", None, ctypes.c_ulong(MS_REC | MS_PRIVATE), None)
    _call("mount", os.fsencode(source), os.fsencode(target.resolve()), None, ctypes.c_ulong(MS_BIND), None)
