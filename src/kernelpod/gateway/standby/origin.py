"""Where a request came from that another gateway has passed on: that gateway says it, and signs it."""

from __future__ import annotations

import hmac
import secrets
from typing import Any

from kernelpod.base.headers import FORWARDED_FOR
from kernelpod.errors import SettingsError
from kernelpod.settings.hubs import Hub

MAX_LENGTH = 200


class Origin:
    """Signs addresses with what gateways with the same settings know: the token of the first hub's service.

    Without that token no gateway believes another one, and a request comes from whoever has passed it on.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._own = secrets.token_hex(16)

    def _signature(self, address: str) -> str:
        try:
            token = self._hub.service_token()
        except SettingsError:
            token = None
        key = token.get_secret_value() if token else self._own
        return hmac.new(b"forwarded:" + key.encode(), address.encode(), "sha256").hexdigest()

    def signed(self, address: str) -> str:
        """Return the header for an address."""
        return f"{address} {self._signature(address)}"

    def address(self, request: Any) -> str:
        """Return the address that a request came from first."""
        said = request.headers.get(FORWARDED_FOR, "")
        address, _, signature = said.partition(" ")
        if (
            address
            and len(said) <= MAX_LENGTH
            and hmac.compare_digest(signature.encode(), self._signature(address).encode())
        ):
            return str(address)
        return str(request.remote_ip)
