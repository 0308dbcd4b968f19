"""Makes Enterprise Gateway importable on every supported Python and machine, without what this gateway never uses.

Each function stands in for one thing that enterprise_gateway 3.3.0 needs at the module level, and must run before
the first import of it. jupyter_client 6.1.12 and jupyter_server 1.24 import nothing that newer Pythons lack.
"""

from __future__ import annotations

import sys
from types import ModuleType

from jupyter_client import localinterfaces

LOOPBACK = "127.0.0.1"
SSH_NAMES = {"paramiko.client": "SSHClient", "paramiko.ssh_exception": "SSHException"}
YES = ("y", "yes", "t", "true", "on", "1")
NO = ("n", "no", "f", "false", "off", "0")


def prepare_import() -> None:
    """Do all that the import of Enterprise Gateway needs."""
    supply_distutils()
    leave_out_ssh()
    leave_out_addresses()


def supply_distutils() -> None:
    """Put a `distutils.util` with `strtobool` in place, unless the real one has already been imported.

    Python 3.12 and newer have none. Where setuptools is installed, it would load all of itself to supply one, and
    an idle gateway has no use for that memory. Source: mixins.py, which reads EG_TRUST_XHEADERS.
    """
    if "distutils" in sys.modules:
        return
    package = sys.modules["distutils"] = ModuleType("distutils", "One function: kernelpod.gateway.compat")
    util = sys.modules["distutils.util"] = ModuleType("distutils.util")
    vars(util)["strtobool"] = strtobool
    vars(package)["util"] = util


def strtobool(word: str) -> int:
    """Return 1 or 0, as `distutils.util.strtobool` did; raises ValueError for a word that is neither."""
    if word.lower() not in YES + NO:
        raise ValueError(f"invalid truth value {word.lower()!r}")
    return int(word.lower() in YES)


def leave_out_ssh() -> None:
    """Replace paramiko by an empty module, unless it has already been imported.

    The SSH client and its cryptography would use a sixth of an idle gateway's memory. Source:
    services/processproxies/processproxy.py, and zmq.ssh.tunnel, which it imports.
    """
    if "paramiko" in sys.modules:
        return
    package = sys.modules["paramiko"] = ModuleType("paramiko", "Left out: kernelpod.gateway.compat")
    for name, word in SSH_NAMES.items():
        module = sys.modules[name] = ModuleType(name)
        setattr(module, word, type(word, (Exception,), {}))
        setattr(package, name.partition(".")[2], module)


def leave_out_addresses() -> None:
    """Make jupyter_client report the loopback address as the machine's only address.

    Enterprise Gateway looks for the address that kernels on other machines connect to, and its import fails on a
    machine without a public address, such as a container. This gateway starts no such kernels. Source:
    `local_ip` in services/processproxies/processproxy.py, the first item of an empty list.
    """
    localinterfaces.public_ips = lambda: [LOOPBACK]
