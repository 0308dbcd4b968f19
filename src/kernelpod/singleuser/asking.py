"""Requests of a user's server to the gateway: with its token, and with the gateway's own sentence when they fail.

jupyter_server wraps that sentence twice, takes a name that does not resolve for an answer 404, and then forgets
the kernel (gateway/gateway_client.py, gateway_request).
"""

from __future__ import annotations

import json
from typing import Any

from jupyter_server.gateway.gateway_client import GatewayClient, gateway_request
from tornado.httpclient import HTTPClientError
from tornado.web import HTTPError

AWAY = "The kernels' gateway cannot be reached at the moment. Running kernels continue. Try again in a minute."
LONGEST_SENTENCE = 2000
NO_ANSWER = 599
FROM_PROXIES = frozenset({502, 503, 504})


class GatewayError(HTTPError):
    """What the gateway answered instead of doing what it was asked for; 503 if it did not answer."""

    def __init__(self, status: int, sentence: str, code: str = "") -> None:
        super().__init__(status, sentence)
        self.sentence, self.code = sentence, code

    def __str__(self) -> str:
        return self.sentence

    @property
    def passing(self) -> bool:
        """Whether this says nothing of the kernel: the gateway is away, or has trouble of its own."""
        return bool(self.status_code >= 500)

    def body(self) -> dict[str, str]:
        """Return the JSON body for a page, which is the gateway's."""
        told = {"message": self.sentence, "reason": self.sentence}
        return {**told, "code": self.code} if self.code else told


def connection_args(**wanted: Any) -> dict[str, Any]:
    """Return the arguments of an HTTPRequest to the gateway; they have the token whatever else is configured.

    jupyter_server leaves out the authorities if there is no client's certificate.
    """
    client = GatewayClient.instance()
    made: dict[str, Any] = client.load_connection_args(**wanted)
    if client.ca_certs:
        made["ca_certs"] = client.ca_certs
    if client.auth_token:
        made["headers"] = {
            **(made.get("headers") or {}),
            client.auth_header_key: f"{client.auth_scheme} {client.auth_token}",
        }
    return made


async def ask(url: str, method: str = "GET", body: Any = None) -> Any:
    """Return the gateway's answer, read as JSON; None if it is empty. Raises GatewayError."""
    sent = {} if body is None else {"body": json.dumps(body), "headers": {"Content-Type": "application/json"}}
    try:
        answer = await gateway_request(url, **connection_args(method=method, **sent))
    except OSError as error:
        raise GatewayError(503, AWAY) from error
    except (HTTPError, AttributeError, UnicodeDecodeError) as error:  # the latter: of reading a strange answer
        raise _told(error.__cause__ or error.__context__) from error
    try:
        return json.loads(answer.body) if answer.body else None
    except ValueError as error:
        raise GatewayError(502, "The kernels' gateway answers with something else than JSON.") from error


def _told(error: BaseException | None) -> GatewayError:
    """Return the gateway's answer as an error of the server's page. No answer: refused, cut, or no such name."""
    if not isinstance(error, HTTPClientError) or error.response is None or error.code == NO_ANSWER:
        return GatewayError(503, AWAY)
    try:
        body = json.loads(error.response.body)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        away = error.code in FROM_PROXIES
        return GatewayError(503 if away else error.code, AWAY if away else _without_words(error))
    sentence = body.get("message") or body.get("reason")
    told = sentence[:LONGEST_SENTENCE] if isinstance(sentence, str) else _without_words(error)
    return GatewayError(error.code, told, str(body.get("code") or "")[:100])


def _without_words(error: HTTPClientError) -> str:
    return f"The kernels' gateway answers {error.code} and does not say why. An admin can find it in its log."
