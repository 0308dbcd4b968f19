"""What a hub says of a user, signed: how a stock Enterprise Gateway learns whose home a kernel may mount.

The hub makes a claim for each server and hands it over as KERNEL_CLAIM; `launchers/launch_kubernetes.py` reads
it. Standard library only, and nothing else of this package: the launcher's folder holds a copy of this file.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import NamedTuple

SHORTEST_KEY = 32


class ClaimError(ValueError):
    """A claim that proves nothing; the text is a sentence for the user."""


class Claim(NamedTuple):
    """Whose server it is, her home as KERNEL_PATH names it, the ids her kernels run as, and for how long."""

    user: str
    server: str
    """The name of a named server; "" for the default one."""
    path: str
    uid: int
    gid: int
    expires: int
    """Seconds since 1970; a start after that moment is refused, a kernel that runs goes on."""


def make_claim(key: str, claim: Claim) -> str:
    """Return the claim as one word of letters, digits, "-", "_" and one ".".

    Raises ValueError when the key has fewer than 32 characters.
    """
    body = base64.urlsafe_b64encode(json.dumps(claim._asdict()).encode()).decode().rstrip("=")
    return f"{body}.{_signature(key, body)}"


def read_claim(key: str, text: str, now: float) -> Claim:
    """Return what a claim says. Raises ClaimError unless it was made with this key and is valid at `now`."""
    body, _, signature = text.partition(".")
    if not hmac.compare_digest(signature.encode(), _signature(key, body).encode()):
        raise ClaimError(
            "The claim of your server was not made by this gateway's hub. Stop and start your server."
        )
    try:
        claim = Claim(**json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))))
    except (TypeError, ValueError):
        raise ClaimError(
            "Hub and gateway have different versions of the claim. Tell your administrator."
        ) from None
    if claim.expires <= now:
        raise ClaimError("The claim of your server has expired. Stop and start your server.")
    return claim


def _signature(key: str, body: str) -> str:
    if len(key) < SHORTEST_KEY:
        raise ValueError(f"the claim key has {len(key)} characters; it needs at least {SHORTEST_KEY}")
    return hmac.new(key.encode(), body.encode(), hashlib.sha256).hexdigest()
