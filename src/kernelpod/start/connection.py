"""Jupyter's connection file: the addresses and the key of a kernel, created before the kernel starts.

Source: Jupyter messaging specification, "Connection files"; for CurveZMQ jupyter_client 8.10, connect.py. Unknown
keys are kept and passed to the kernel unchanged.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, SecretStr

CHANNELS = ("shell", "iopub", "stdin", "control", "hb")


@dataclass(frozen=True)
class CurveKeys:
    """The kernel's pair of CurveZMQ keys, in Z85."""

    public: str
    secret: SecretStr


@dataclass(frozen=True)
class ConnectionKeys:
    """What a kernel's messages are signed with, and encrypted with if its connection is to be encrypted."""

    signing: SecretStr = field(default_factory=lambda: SecretStr(secrets.token_hex(32)))
    curve: CurveKeys | None = None


class Connection(BaseModel):
    """The addresses of a kernel's five channels, and the key that signs all messages."""

    model_config = ConfigDict(frozen=True, extra="allow", hide_input_in_errors=True)

    transport: Literal["tcp", "ipc"]
    ip: str
    """An IP address; for ipc, the path to which `-<port>` is appended."""
    shell_port: int
    iopub_port: int
    stdin_port: int
    control_port: int
    hb_port: int
    key: SecretStr
    signature_scheme: str = "hmac-sha256"
    kernel_name: str
    curve_publickey: str | None = None
    """The kernel's public key, if the connection is encrypted."""
    curve_secretkey: SecretStr | None = None
    """The kernel's secret key."""

    def at(self, ip: str) -> Connection:
        """Return the connection with another `ip`, as another host or container sees it."""
        return self.model_copy(update={"ip": ip})

    def to_json(self) -> str:
        """Return the content of the connection file, with its keys in clear: only the kernel may read it."""
        content = self.model_dump(exclude_none=True)
        clear = {name: one.get_secret_value() for name, one in content.items() if isinstance(one, SecretStr)}
        return json.dumps({**content, **clear}, indent=1)

    def ports(self) -> list[int]:
        """Return the five ports in the order of CHANNELS."""
        return [getattr(self, f"{channel}_port") for channel in CHANNELS]


def new_connection(
    transport: Literal["tcp", "ipc"],
    ip: str,
    ports: list[int],
    kernel_name: str,
    keys: ConnectionKeys | None = None,
) -> Connection:
    """Return a connection with these keys, or with a new 256-bit key to sign messages with."""
    keys = keys or ConnectionKeys()
    numbers: dict[str, Any] = {f"{channel}_port": port for channel, port in zip(CHANNELS, ports, strict=True)}
    return Connection(
        transport=transport,
        ip=ip,
        key=keys.signing,
        kernel_name=kernel_name,
        curve_publickey=keys.curve.public if keys.curve else None,
        curve_secretkey=keys.curve.secret if keys.curve else None,
        **numbers,
    )


def read_connection(text: str) -> Connection:
    """Return the connection in a connection file's text. Raises ValueError if it is not one."""
    try:
        return Connection.model_validate(json.loads(text))
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error
