"""What a hub says of a user, signed: how a stock Enterprise Gateway learns whose home a kernel may mount.

The hub signs the identity behind each server and hands it over as KERNEL_SIGNED_IDENTITY;
`launchers/launch_kubernetes.py` reads it. Standard library only, and nothing else of this package: the launcher's
folder holds a copy of this file.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import NamedTuple

SHORTEST_KEY = 32


class SignedIdentityError(ValueError):
    """A signed identity that proves nothing; the text is a sentence for the user."""


class SignedIdentity(NamedTuple):
    """Whose server it is, the home as KERNEL_PATH names it, the ids that kernels run as, and for how long."""

    user: str
    server: str
    """The name of a named server; "" for the default one."""
    path: str
    uid: int
    gid: int
    expires: int
    """Seconds since 1970; a start after that moment is refused, a kernel that runs goes on."""


def sign_identity(key: str, identity: SignedIdentity) -> str:
    """Return the signed identity as one word of letters, digits, "-", "_" and one ".".

    Raises ValueError when the key has fewer than 32 characters.
    """
    body = base64.urlsafe_b64encode(json.dumps(identity._asdict()).encode()).decode().rstrip("=")
    return f"{body}.{_signature(key, body)}"


def read_signed_identity(key: str, text: str, now: float) -> SignedIdentity:
    """Return what a signed identity says.

    Raises SignedIdentityError unless it was signed with this key and is valid at `now`.
    """
    body, _, signature = text.partition(".")
    if not hmac.compare_digest(signature.encode(), _signature(key, body).encode()):
        raise SignedIdentityError(
            "The signed identity of your server was not made by this gateway's hub. Stop and start your server."
        )
    try:
        identity = SignedIdentity(**json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))))
    except (TypeError, ValueError):
        raise SignedIdentityError(
            "Hub and gateway have different versions of the signed identity. Tell your administrator."
        ) from None
    if identity.expires <= now:
        raise SignedIdentityError("The signed identity of your server has expired. Stop and start your server.")
    return identity


def _signature(key: str, body: str) -> str:
    if len(key) < SHORTEST_KEY:
        raise ValueError(f"the identity key has {len(key)} characters; it needs at least {SHORTEST_KEY}")
    return hmac.new(key.encode(), body.encode(), hashlib.sha256).hexdigest()
