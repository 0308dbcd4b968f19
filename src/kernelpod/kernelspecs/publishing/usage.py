"""Asks a gateway which kernelspecs have running kernels, before one is removed."""

from __future__ import annotations

import json
from collections import Counter
from http.client import HTTPException
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from pydantic import SecretStr

from kernelpod.errors import KernelpodError

TIMEOUT_SECONDS = 15


class UsageError(KernelpodError):
    """The gateway's running kernels cannot be listed."""


class _StaysHere(HTTPRedirectHandler):
    """Follows no redirects, since a redirect could send the token elsewhere."""

    def redirect_request(self, *_: object) -> None:
        """Return None, which turns the redirect into an error."""


def running(gateway: str, token: SecretStr) -> Counter[str]:
    """Return the number of running kernels of each kernelspec, including its profiles.

    Without the admin scope, the token lists only its owner's kernels. Raises UsageError.
    """
    if not gateway.startswith(("http://", "https://")):
        raise UsageError(f"{gateway} is not the URL of a gateway; begin it with http:// or https://")
    headers = {"Authorization": f"token {token.get_secret_value()}"}
    request = Request(f"{gateway.rstrip('/')}/api/kernels", headers=headers)  # noqa: S310 - looked at above
    try:
        with build_opener(_StaysHere).open(request, timeout=TIMEOUT_SECONDS) as answer:
            models = json.load(answer)
        return Counter(str(model["name"]).partition(".")[0] for model in models)
    except HTTPError as error:
        with error:
            raise UsageError(f"{gateway} answers {error.code}; the token needs the admin scope") from error
    except (URLError, HTTPException, OSError, ValueError, TypeError, KeyError) as error:
        raise UsageError(f"the running kernels of {gateway} cannot be listed: {error}") from error
