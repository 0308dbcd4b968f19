"""Requests to the Kubernetes API server, as plain JSON: the only module that imports the Kubernetes client.

Configuration, authentication and transport are the client's; its typed API is not touched, because importing its
models costs more memory than the rest of a gateway.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

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
# The API server sends a bookmark about every minute; a connection that is silent for longer is dead.
SILENCE_SECONDS = 150
# From here on it is the server that is unwell, or asks to be asked later: the same request may succeed.
_MAY_PASS = frozenset({408, 425, 429, 500, 502, 503, 504})
TRY_AGAIN_SECONDS = (0.2, 5.0)


def try_again(until: float = math.inf) -> Iterator[float]:
    """Yield the pauses after which a request is repeated, until this time of `time.monotonic`.

    All kernels of a gateway, and all gateways, wait for the same API server: they do not come back at once.
    """
    return back_off(*TRY_AGAIN_SECONDS, jitter=0.5, until=until)


class ApiSilentError(KernelpodError):
    """The API server cannot be reached, or did not answer in time."""


class ApiRefusedError(KernelpodError):
    """The API server answered that it will not: `status` is HTTP's, `reason` Kubernetes' word for it."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status, self.reason = status, reason

    @property
    def may_pass(self) -> bool:
        """Whether the same request may succeed a little later."""
        return self.status in _MAY_PASS


class ApiServer:
    """One session with an API server; every call has a time-out."""

    def __init__(self, settings: Kubernetes) -> None:
        self._settings = settings
        self._client: ApiClient | None = None

    async def open(self) -> None:
        """Read where the cluster is and who we are there. Raises KernelpodError; nothing is asked yet."""
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
                f"no way to the cluster: {error}. In a pod the service account's token must be mounted; elsewhere "
                "name a file in runtime.kubernetes.kubeconfig."
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
        self, method: str, path: str, query: Mapping[str, str] | None = None, body: Any = None
    ) -> dict[str, Any]:
        """Return the answer's JSON. Raises ApiRefusedError and ApiSilentError; neither holds what was sent."""
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
        """Yield the events of a watch until the server ends it. Raises as `call` does."""
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

    async def execute(self, path: str, container: str, command: list[str]) -> None:
        """Run a command in a container. Raises ApiRefusedError with what it said if it fails; see `call`."""
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
            raise ApiSilentError("nothing was asked of the API server yet")
        try:
            async with session.ws_connect(
                request[1],
                headers=request[2],
                protocols=(EXEC_PROTOCOL,),
                ssl=self._client.rest_client.ssl_context,
            ) as socket:
                await asyncio.wait_for(_ran(socket), self._settings.request_timeout_seconds)
        except aiohttp.WSServerHandshakeError as error:
            raise ApiRefusedError(error.status, "", error.message) from error
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError, ValueError) as error:
            raise _silence("EXEC", path, error) from error

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


async def _ran(socket: aiohttp.ClientWebSocketResponse) -> None:
    """Read what a command says until its status comes. Source: k8s.io/apimachinery remotecommand, channel 3."""
    said = b""
    async for message in socket:
        channel, data = message.data[0], message.data[1:]
        if channel == EXEC_STATUS_CHANNEL:
            status = json.loads(data)
            if status.get("status") != "Success":
                text = said.decode("utf-8", "replace") or status.get("message", "")
                raise ApiRefusedError(500, status.get("reason", ""), text)
            return
        said += data
    raise ApiSilentError("the command's end was never told")


def _refusal(status: int, text: bytes) -> ApiRefusedError:
    try:
        said = json.loads(text)
        return ApiRefusedError(status, str(said.get("reason", "")), str(said.get("message", "")))
    except (ValueError, AttributeError):
        return ApiRefusedError(status, "", text[:500].decode("utf-8", "replace"))


def _silence(method: str, path: str, error: Exception) -> ApiSilentError:
    said = str(error) or type(error).__name__
    return ApiSilentError(f"the API server did not answer {method} {path}: {said}")
