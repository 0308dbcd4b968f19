"""Questions to the API server, over one kept connection."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .layout import NODE_IP


class Api:
    """A client with every right; any failure to get an answer is an OSError or an HTTPException."""

    def __init__(self, pki: Path) -> None:
        context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
        context.load_cert_chain(pki / "admin.crt", pki / "admin.key")
        self._connection = http.client.HTTPSConnection(NODE_IP, 6443, context=context, timeout=10)

    def text(self, path: str) -> str:
        """The body of the answer."""
        try:
            self._connection.request("GET", path)
            answer = self._connection.getresponse()
            body = answer.read().decode()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            raise
        if answer.status != 200:
            raise http.client.HTTPException(f"{path}: {answer.status} {body[:300]}")
        return body

    def get(self, path: str) -> Any:
        """The object or list at the path."""
        return json.loads(self.text(path))

    def events(self, path: str) -> Iterator[Any]:
        """The changes that a watch reports, until it is quiet for longer than the time limit (then OSError)."""
        try:
            self._connection.request("GET", path)
            answer = self._connection.getresponse()
            if answer.status != 200:
                raise http.client.HTTPException(f"{path}: {answer.status}")
            yield from map(json.loads, answer)
        finally:
            self._connection.close()

    def says(self, path: str, expected: str) -> bool:
        """Whether the API server answers and the answer is exactly that."""
        try:
            return self.text(path) == expected
        except (OSError, http.client.HTTPException):
            return False

    def exists(self, path: str) -> bool:
        """Whether the API server answers and has the object."""
        try:
            self.text(path)
        except (OSError, http.client.HTTPException):
            return False
        return True

    def has_condition(self, path: str, condition: str) -> bool:
        """Whether the object is there and its condition is True."""
        try:
            conditions = self.get(path).get("status", {}).get("conditions", [])
        except (OSError, http.client.HTTPException):
            return False
        return any(entry["type"] == condition and entry["status"] == "True" for entry in conditions)


def answers(port: int, path: str) -> bool:
    """Whether a component on this node's loopback says 200 there."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
