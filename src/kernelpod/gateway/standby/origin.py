"""What gateways with the same settings tell each other, signed: where a request came from, and who leads."""

from __future__ import annotations

import hmac
import secrets
from typing import Any

from kernelpod.base.headers import FORWARDED_FOR, LEADS
from kernelpod.errors import SettingsError
from kernelpod.settings.hubs import Hub

MAX_LENGTH = 200
# What is signed for one purpose means nothing for the other.
_FORWARDED, _LEADS = b"forwarded:", b"leads:"


class Origin:
    """Signs with what gateways with the same settings know: the token of the first hub's service.

    Without that token no gateway believes another one, and a request comes from whoever has passed it on.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._own = secrets.token_hex(16)

    def _signature(self, purpose: bytes, text: str) -> str:
        try:
            token = self._hub.service_token()
        except SettingsError:
            token = None
        key = token.get_secret_value() if token else self._own
        return hmac.new(purpose + key.encode(), text.encode(), "sha256").hexdigest()

    def _signed(self, purpose: bytes, text: str) -> str:
        return f"{text} {self._signature(purpose, text)}"

    def _read(self, purpose: bytes, said: str) -> str:
        """Return the text of a header, or nothing if no gateway with the same settings has signed it."""
        text, _, signature = said.partition(" ")
        ours = self._signature(purpose, text)
        signs = len(said) <= MAX_LENGTH and hmac.compare_digest(signature.encode(), ours.encode())
        return text if signs else ""

    def signed(self, address: str) -> str:
        """Return the header for an address."""
        return self._signed(_FORWARDED, address)

    def signed_term(self, term: int) -> str:
        """Return the header that says that this gateway leads, since that change of the lease."""
        return self._signed(_LEADS, str(term))

    def term(self, request: Any) -> int | None:
        """Return since which change of the lease the sender leads; None if it does not say so, with proof."""
        said = self._read(_LEADS, request.headers.get(LEADS, ""))
        return int(said) if said else None

    def address(self, request: Any) -> str:
        """Return the address that a request came from first."""
        return self._read(_FORWARDED, request.headers.get(FORWARDED_FOR, "")) or str(request.remote_ip)
