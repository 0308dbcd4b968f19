"""Writes and reads addresses of processes: `10.0.0.1:8888`, `[fd00::1]:8888`."""

from __future__ import annotations

from ipaddress import ip_address


def join_address(ip: str, port: int) -> str:
    """Return an address as text."""
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


def split_address(address: str) -> tuple[str, int]:
    """Return host and port of an address; an empty host if it is none."""
    host, _, port = address.rpartition(":")
    return (host.strip("[]"), int(port)) if port.isascii() and port.isdigit() else ("", 0)


def is_every_address(ip: str) -> bool:
    """Return whether who listens there listens on every address of the machine."""
    try:
        return not ip or ip_address(ip).is_unspecified
    except ValueError:  # a name
        return False


def on_this_machine(ip: str) -> str:
    """Return where other processes of this machine reach who listens on `ip`."""
    if not is_every_address(ip):
        return ip
    return "::1" if ":" in ip else "127.0.0.1"
