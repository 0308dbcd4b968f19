"""Prevents the import of Enterprise Gateway's SSH client, which this gateway never uses.

The SSH client and its cryptography would use a sixth of an idle gateway's memory. Source: the module level of
enterprise_gateway 3.3.0, services/processproxies/processproxy.py, and of zmq.ssh.tunnel, which it imports.
"""

from __future__ import annotations

import sys
from types import ModuleType

NEEDED_BY_IMPORTS = {"paramiko.client": "SSHClient", "paramiko.ssh_exception": "SSHException"}


def leave_out_ssh() -> None:
    """Replace paramiko by an empty module, unless it has already been imported."""
    if "paramiko" in sys.modules:
        return
    package = sys.modules["paramiko"] = ModuleType("paramiko", "Left out: kernelpod.gateway.without_ssh")
    for name, word in NEEDED_BY_IMPORTS.items():
        module = sys.modules[name] = ModuleType(name)
        setattr(module, word, type(word, (Exception,), {}))
        setattr(package, name.partition(".")[2], module)
