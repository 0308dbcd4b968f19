"""Jupyter's connection file: the addresses and the key of a kernel, created before the kernel starts.

Source: Jupyter messaging specification, "Connection files". Unknown keys, such as those that a later version adds
for CurveZMQ, are kept and passed to the kernel unchanged.
"""

from __future__ import annotations

import json
import secrets
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, SecretStr

CHANNELS = ("shell", "iopub", "stdin", "control", "hb")


class Connection(BaseModel):
    """The addresses of a kernel's five channels, and the key that signs all messages."""

    model_config = ConfigDict(frozen=True, extra="allow")

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

    def at(self, ip: str) -> Connection:
        """Return the connection with another `ip`, as another host or container sees it."""
        return self.model_copy(update={"ip": ip})

    def to_json(self) -> str:
        """Return the content of the connection file, with the key in clear: only the kernel may read it."""
        return json.dumps({**self.model_dump(mode="json"), "key": self.key.get_secret_value()}, indent=1)

    def ports(self) -> list[int]:
        """Return the five ports in the order of CHANNELS."""
        return [getattr(self, f"{channel}_port") for channel in CHANNELS]


def new_connection(
    transport: Literal["tcp", "ipc"],
    ip: str,
    ports: list[int],
    kernel_name: str,
    key: SecretStr | None = None,
) -> Connection:
    """Return a connection with a new 256-bit key, or with `key`, which a restarted kernel keeps."""
    numbers: dict[str, Any] = {f"{channel}_port": port for channel, port in zip(CHANNELS, ports, strict=True)}
    return Connection(
        transport=transport,
        ip=ip,
        key=key or SecretStr(secrets.token_hex(32)),
        kernel_name=kernel_name,
        **numbers,
    )


def read_connection(text: str) -> Connection:
    """Return the connection in a connection file's text. Raises ValueError if it is not one."""
    return Connection.model_validate(json.loads(text))
