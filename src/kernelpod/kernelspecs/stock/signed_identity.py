"""Signs and verifies a user's identity, so that a stock Enterprise Gateway knows whose home a kernel may mount.

The hub signs the identity of each server's user and passes it as KERNEL_SIGNED_IDENTITY;
`launchers/launch_kubernetes.py` verifies it. This module imports only the standard library, since it is copied
next to the launcher.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import NamedTuple

SHORTEST_KEY = 32


class SignedIdentityError(ValueError):
    """A signed identity is invalid. The message is for the user."""


class SignedIdentity(NamedTuple):
    """The owner of a server, their home (as in KERNEL_PATH), the ids of their kernels, and the expiry."""

    user: str
    server: str
    """The name of a named server, or "" for the default server."""
    path: str
    uid: int
    gid: int
    expires: int
    """Expiry in seconds since 1970. Later starts are refused; running kernels continue."""


def sign_identity(key: str, identity: SignedIdentity) -> str:
    """Return the signed identity as a string of letters, digits, "-", "_" and one ".".

    Raises ValueError if the key has fewer than 32 characters.
    """
    body = base64.urlsafe_b64encode(json.dumps(identity._asdict()).encode()).decode().rstrip("=")
    return f"{body}.{_signature(key, body)}"


def read_signed_identity(key: str, text: str, now: float) -> SignedIdentity:
    """Return the identity that `sign_identity` signed.

    Raises SignedIdentityError unless it was signed with this key and has not expired at `now`.
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
            "Hub and gateway have different versions of the signed identity. Tell an admin."
        ) from None
    if identity.expires <= now:
        raise SignedIdentityError("The signed identity of your server has expired. Stop and start your server.")
    return identity


def _signature(key: str, body: str) -> str:
    if len(key) < SHORTEST_KEY:
        raise ValueError(f"the identity key has {len(key)} characters; it needs at least {SHORTEST_KEY}")
    return hmac.new(key.encode(), body.encode(), hashlib.sha256).hexdigest()
