"""Lets Enterprise Gateway be imported on a machine without a public address, such as in a container.

Enterprise Gateway looks for the address that kernels on other machines connect to, and fails if there is none.
This gateway starts no such kernels. Source: `local_ip` at the module level of enterprise_gateway 3.3.0,
services/processproxies/processproxy.py, which takes the first item of an empty list.
"""

from __future__ import annotations

from jupyter_client import localinterfaces

LOOPBACK = "127.0.0.1"


def leave_out_addresses() -> None:
    """Make jupyter_client report the loopback address as the machine's only address."""
    localinterfaces.public_ips = lambda: [LOOPBACK]
