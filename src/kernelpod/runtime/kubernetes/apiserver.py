"""Sends requests to the Kubernetes API server as plain JSON. Only this module imports the Kubernetes client.

The client provides configuration, authentication and transport. Its typed API is not used, because importing its
models takes more memory than the rest of the gateway.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.config import ConfigException, load_incluster_config, load_kube_config

from kernelpod.base.retry import back_off
from kernelpod.errors import KernelpodError
from kernelpod.settings.runtimes import Kubernetes

log = logging.getLogger(__name__)

AUTHENTICATION = ["BearerToken"]
USER_AGENT = "kernelpod-gateway"
EXEC_PROTOCOL = "v4.channel.k8s.io"
EXEC_STATUS_CHANNEL = 3
# The API server sends a bookmark about every minute. A connection without data for this long is dead.
SILENCE_SECONDS = 150
# How often it is looked whether this gateway may act again.
FENCE_SECONDS = 0.1
# Transient HTTP statuses: the server is overloaded or unavailable, and the same request may succeed later.
_MAY_PASS = frozenset({408, 425, 429, 500, 502, 503, 504})
TRY_AGAIN_SECONDS = (0.2, 5.0)


def try_again(until: float = math.inf) -> Iterator[float]:
    """Yield the pauses between attempts in seconds, until this time of `time.monotonic`.

    The pauses have jitter, so that kernels and gateways do not all retry at the same moment.
    """
    return back_off(*TRY_AGAIN_SECONDS, jitter=0.5, until=until)


class ApiSilentError(KernelpodError):
    """The API server cannot be reached or did not answer in time."""


class ApiRefusedError(KernelpodError):
    """The API server refused a request, with its HTTP `status` and the Kubernetes `reason`."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status, self.reason = status, reason

    @property
    def may_pass(self) -> bool:
        """Return whether the same request may succeed later."""
        return self.status in _MAY_PASS


class ApiServer:
    """A session with the API server. Every call has a timeout."""

    def __init__(self, settings: Kubernetes) -> None:
        self._settings = settings
        self._client: ApiClient | None = None
        self.is_fenced: Callable[[], bool] = lambda: False
        """Says whether this process may change nothing, because another gateway may lead."""

    async def open(self) -> None:
        """Load the cluster's address and credentials. Sends no request. Raises KernelpodError."""
        configuration = Configuration()
        kubeconfig = self._settings.kubeconfig
        try:
            if kubeconfig is None and "KUBERNETES_SERVICE_HOST" in os.environ:
                load_incluster_config(client_configuration=configuration)
            else:
                await load_kube_config(
                    config_file=str(
                        kubeconfig or os.environ.get("KUBECONFIG") or Path.home() / ".kube" / "config"
                    ),
                    context=self._settings.context or None,
                    client_configuration=configuration,
                )
        except (ConfigException, OSError) as error:
            raise KernelpodError(
                f"no configuration for the cluster: {error}. In a pod, mount the service account's token. "
                "Elsewhere, set runtime.kubernetes.kubeconfig to a kubeconfig file."
            ) from error
        configuration.retries = None
        self._client = ApiClient(configuration)
        self._client.user_agent = USER_AGENT

    async def close(self) -> None:
        """End the session."""
        if self._client:
            await self._client.close()
            self._client = None

    async def call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        *,
        fenced: bool = True,
    ) -> dict[str, Any]:
        """Return the response as JSON. Raises ApiRefusedError or ApiSilentError, which never hold the request."""
        if fenced and method != "GET":
            self._require_not_fenced(method, path)
        timeout = aiohttp.ClientTimeout(total=self._settings.request_timeout_seconds)
        try:
            async with await self._send(method, path, query, body, timeout) as response:
                text = await response.read()
                if response.status >= 400:
                    raise _refusal(response.status, text)
                answer: dict[str, Any] = json.loads(text)
                return answer
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError, ValueError) as error:
            raise _silence(method, path, error) from error

    async def events(self, path: str, query: Mapping[str, str]) -> AsyncIterator[dict[str, Any]]:
        """Yield the events of a watch until the server ends it. Raises the errors of `call`."""
        seconds = self._settings.request_timeout_seconds
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=seconds, sock_read=SILENCE_SECONDS)
        try:
            async with await self._send("GET", path, {**query, "watch": "true"}, None, timeout) as response:
                if response.status >= 400:
                    raise _refusal(response.status, await response.read())
                async for line in response.content:
                    yield json.loads(line)
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError, ValueError) as error:
            raise _silence("WATCH", path, error) from error

    async def own_ip(self) -> str:
        """Return the address of this machine or pod on the way to the API server."""
        if self._client is None:
            raise ApiSilentError("the session with the API server is closed")
        server = urlsplit(self._client.configuration.host)
        known = (server.hostname or "", server.port or (443 if server.scheme == "https" else 80))
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(*known, type=socket.SOCK_DGRAM)
            with socket.socket(found[0][0], socket.SOCK_DGRAM) as asking:
                asking.connect(found[0][4])  # sends nothing
                ip: str = asking.getsockname()[0]
        except OSError as error:
            raise ApiSilentError(f"no way to the API server at {known[0]}: {error}") from error
        return ip

    async def execute(self, path: str, container: str, command: list[str]) -> None:
        """Run a command in a container. If it fails, raises ApiRefusedError with its output; see also `call`."""
        self._require_not_fenced("EXEC", path)
        if self._client is None:
            raise ApiSilentError("the session with the API server is closed")
        query = [("container", container), ("stdout", "true"), ("stderr", "true")]
        request = await self._client.param_serialize(
            "GET",
            path,
            query_params=[*query, *(("command", word) for word in command)],
            auth_settings=AUTHENTICATION,
        )
        session = self._client.rest_client.pool_manager
        if session is None:
            raise ApiSilentError("no connection to the API server has been opened yet")
        try:
            async with session.ws_connect(
                request[1],
                headers=request[2],
                protocols=(EXEC_PROTOCOL,),
                ssl=self._client.rest_client.ssl_context,
            ) as channel:
                await asyncio.wait_for(_ran(channel), self._settings.request_timeout_seconds)
        except aiohttp.WSServerHandshakeError as error:
            raise ApiRefusedError(error.status, "", error.message) from error
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError, ValueError) as error:
            raise _silence("EXEC", path, error) from error

    async def until_not_fenced(self) -> None:
        """Return once this process may change the cluster. If another gateway leads, the process ends instead."""
        while self.is_fenced():  # noqa: ASYNC110 - time alone changes it as well
            await asyncio.sleep(FENCE_SECONDS)

    def _require_not_fenced(self, method: str, path: str) -> None:
        if self.is_fenced():
            raise ApiSilentError(f"{method} {path} was not sent: another gateway may lead")

    async def _send(
        self, method: str, path: str, query: Mapping[str, str] | None, body: Any, timeout: aiohttp.ClientTimeout
    ) -> aiohttp.ClientResponse:
        if self._client is None:
            raise ApiSilentError("the session with the API server is closed")
        request = await self._client.param_serialize(
            method,
            path,
            query_params=list((query or {}).items()),
            header_params={"Accept": "application/json"},
            body=body,
            auth_settings=AUTHENTICATION,
        )
        answer = await self._client.call_api(*request, _request_timeout=timeout)
        response: aiohttp.ClientResponse = answer.response
        return response


async def _ran(channel: aiohttp.ClientWebSocketResponse) -> None:
    """Read a command's output until its status arrives. Source: k8s.io/apimachinery remotecommand, channel 3."""
    said = b""
    async for message in channel:
        number, data = message.data[0], message.data[1:]
        if number == EXEC_STATUS_CHANNEL:
            status = json.loads(data)
            if status.get("status") != "Success":
                text = said.decode("utf-8", "replace") or status.get("message", "")
                raise ApiRefusedError(500, status.get("reason", ""), text)
            return
        said += data
    raise ApiSilentError("the connection ended before the command's exit status arrived")


def _refusal(status: int, text: bytes) -> ApiRefusedError:
    try:
        said = json.loads(text)
        return ApiRefusedError(status, str(said.get("reason", "")), str(said.get("message", "")))
    except (ValueError, AttributeError):
        return ApiRefusedError(status, "", text[:500].decode("utf-8", "replace"))


def _silence(method: str, path: str, error: Exception) -> ApiSilentError:
    said = str(error) or type(error).__name__
    return ApiSilentError(f"the API server did not answer {method} {path}: {said}")
