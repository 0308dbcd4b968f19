"""How a gateway and a kernel find each other: Jupyter's connection file, made before the kernel starts.

Source: Jupyter messaging specification, "Connection files". The object is open: keys that a later version
adds (CurveZMQ's, say) are kept and handed to the kernel unchanged.
"""

from __future__ import annotations

import json
import secrets
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, SecretStr

CHANNELS = ("shell", "iopub", "stdin", "control", "hb")


class Connection(BaseModel):
    """Where a kernel's five channels are, and the key that signs every message on them."""

    model_config = ConfigDict(frozen=True, extra="allow")

    transport: Literal["tcp", "ipc"]
    ip: str
    """An address, or for ipc the path that `-<port>` is appended to."""
    shell_port: int
    iopub_port: int
    stdin_port: int
    control_port: int
    hb_port: int
    key: SecretStr
    signature_scheme: str = "hmac-sha256"
    kernel_name: str

    def at(self, ip: str) -> Connection:
        """Return the same connection as seen from another place."""
        return self.model_copy(update={"ip": ip})

    def to_json(self) -> str:
        """Return the content of the connection file, the key in clear: for the kernel's eyes only."""
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
    """Return a connection with a fresh 256-bit key, unless a restarted kernel keeps its own."""
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
