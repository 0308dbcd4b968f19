"""Sends requests to a hub's REST API: who owns a token, and whether the gateway's service is set up."""

from __future__ import annotations

import logging

from pydantic import SecretStr
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest

from kernelpod.errors import HubUnavailable, SettingsError
from kernelpod.settings.hubs import Hub
from kernelpod.start.hubanswers import HubAnswer, HubSilentError, answer_invalid, parse_answer

log = logging.getLogger(__name__)

MAX_CLIENTS = 50
# A user's model has some hundred bytes, and what the user chose for their server.
MAX_ANSWER_BYTES = 1024 * 1024


async def ask_hub(hub: Hub, token: SecretStr, path: str = "/user") -> HubAnswer:
    """Return the hub's answer to a GET of `path` with this token. Never logs the token.

    Raises HubSilentError, and HubUnavailable (hub_answer_invalid) if the answer is too long.
    """
    answer = _Answer()
    client = AsyncHTTPClient(force_instance=True, max_clients=MAX_CLIENTS, defaults={"follow_redirects": False})
    request = HTTPRequest(
        f"{hub.api_url.rstrip('/')}{path}",
        headers={"Authorization": f"token {token.get_secret_value()}", "Accept": "application/json"},
        ca_certs=None if hub.ca_file is None else str(hub.ca_file),
        client_cert=None if hub.cert_file is None else str(hub.cert_file),
        client_key=None if hub.key_file is None else str(hub.key_file),
        connect_timeout=hub.timeout_seconds,
        request_timeout=hub.timeout_seconds,
        streaming_callback=answer.add,
    )
    try:
        response = await client.fetch(request, raise_error=False)
    except (OSError, HTTPClientError) as error:
        log.info("hub %s cannot be reached: %s", hub.name, error)
        raise HubSilentError from error
    finally:
        client.close()
    if answer.too_long:
        raise answer_invalid(hub, f"it has more than {MAX_ANSWER_BYTES} bytes")
    if response.code == 599:
        log.info("hub %s cannot be reached: %s", hub.name, response.error)
        raise HubSilentError
    return HubAnswer(response.code, bytes(answer.body))


class _Answer:
    """The body of an answer, up to the bound; the rest is not kept."""

    def __init__(self) -> None:
        self.body = bytearray()
        self.too_long = False

    def add(self, chunk: bytes) -> None:
        self.too_long = self.too_long or len(self.body) + len(chunk) > MAX_ANSWER_BYTES
        if not self.too_long:
            self.body += chunk


async def check_service(hub: Hub) -> str:
    """Return what is wrong with the gateway's service in the hub, as a sentence; empty if nothing is.

    If the service does not exist, the hub silently drops scopes for it, so all starts are refused. The sentence
    tells the admin why.
    """
    try:
        token = hub.service_token()
    except SettingsError as error:
        return error.message
    if token is None:
        return ""
    try:
        answer = await ask_hub(hub, token)
        if answer.status in (401, 403):
            return (
                f"hub {hub.name} does not know the gateway's own token: add the service {hub.service!r} with this "
                "token to the hub (c.JupyterHub.services, or hub.services in the chart)"
            )
        identity = parse_answer(hub, answer)
    except (HubSilentError, HubUnavailable):
        return f"hub {hub.name} does not answer at {hub.api_url}; nobody can start a kernel until it does"
    if identity.owner.kind != "service" or identity.name != hub.service:
        return f"the gateway's own token belongs to {identity.owner}, not to the service {hub.service!r}"
    return ""
