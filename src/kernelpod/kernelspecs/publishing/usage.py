"""Which kernelspecs run: asked of a gateway before one is taken away."""

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
    """The gateway does not say which kernels run."""


class _StaysHere(HTTPRedirectHandler):
    """Follows no redirect: the token would go along, wherever it leads."""

    def redirect_request(self, *_: object) -> None:
        """Return no further request: the redirect is then an error."""


def running(gateway: str, token: SecretStr) -> Counter[str]:
    """Return how many kernels of each kernelspec run, profiles counted with it.

    The token must hold the admin scope, or only its owner's kernels are seen. Raises UsageError.
    """
    if not gateway.startswith(("http://", "https://")):
        raise UsageError(f"{gateway} is no address of a gateway; write http:// or https:// before it")
    headers = {"Authorization": f"token {token.get_secret_value()}"}
    request = Request(f"{gateway.rstrip('/')}/api/kernels", headers=headers)  # noqa: S310 - looked at above
    try:
        with build_opener(_StaysHere).open(request, timeout=TIMEOUT_SECONDS) as answer:
            models = json.load(answer)
        return Counter(str(model["name"]).partition(".")[0] for model in models)
    except HTTPError as error:
        with error:
            raise UsageError(f"{gateway} answers {error.code}; the token must hold the admin scope") from error
    except (URLError, HTTPException, OSError, ValueError, TypeError, KeyError) as error:
        raise UsageError(f"{gateway} does not say which kernels run: {error}") from error
