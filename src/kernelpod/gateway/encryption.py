"""CurveZMQ: the gateway makes the kernel's keys, and its sockets speak only to the kernel with them."""

from __future__ import annotations

import zmq
from pydantic import SecretStr

from kernelpod.errors import SettingsError
from kernelpod.settings.sections import Settings
from kernelpod.start.connection import CurveKeys


def check_encryption(settings: Settings) -> None:
    """Raise SettingsError if this gateway cannot encrypt as the settings say."""
    if settings.kernels.encryption != "off" and not zmq.has("curve"):
        raise SettingsError(
            f"kernels.encryption is {settings.kernels.encryption}, but this gateway's pyzmq has no CurveZMQ. "
            "Install pyzmq's wheel, or a libzmq with libsodium, or set kernels.encryption to off"
        )


def new_curve_keys() -> CurveKeys:
    """Return a new pair of keys for one start of a kernel."""
    public, secret = (key.decode() for key in zmq.curve_keypair())
    return CurveKeys(public, SecretStr(secret))


def encrypt(socket: zmq.Socket[bytes], kernel_key: str) -> None:
    """Let a socket connect only to the kernel with this public key, with a pair of its own."""
    socket.curve_publickey, socket.curve_secretkey = zmq.curve_keypair()
    socket.curve_serverkey = kernel_key.encode()
