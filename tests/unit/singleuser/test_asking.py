"""What a user's server makes of the gateway's answers. Run in the hub's environment, for jupyter_server 2."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest

pytestmark = pytest.mark.hub
AWAY = (503, "The kernels' gateway cannot be reached at the moment.")


def answered(status: int, body: bytes) -> Any:
    """Return the error of tornado's client for an answer."""
    import io

    from tornado.httpclient import HTTPClientError, HTTPRequest, HTTPResponse

    response = HTTPResponse(HTTPRequest("http://gateway"), status, buffer=io.BytesIO(body))
    return HTTPClientError(status, response=response)


def said(sentence: str, code: str = "c") -> bytes:
    """Return the body of a refusal."""
    return json.dumps({"reason": sentence, "message": sentence, "code": code}).encode()


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (403, said("100 % of your kernels run: {'a': %s}"), (403, "100 % of your kernels run: {'a': %s}")),
        (500, said("Your home does not exist."), (500, "Your home does not exist.")),
        (404, b'{"reason": "Not Found"}', (404, "Not Found")),
        (403, b'{"message": ["no"]}', (403, "The kernels' gateway answers 403 and does not say why.")),
        (403, b"[1]", (403, "The kernels' gateway answers 403")),
        (400, b"\xff\xfe", (400, "The kernels' gateway answers 400")),
        (502, b"<html>Bad Gateway</html>", AWAY),
        (504, b"", AWAY),
        (503, said("The hub does not answer."), (503, "The hub does not answer.")),
        (500, said("x" * 5000), (500, "x" * 2000)),
    ],
)
def test_an_answer_becomes_the_pages_answer(status: int, body: bytes, told: tuple[int, str]) -> None:
    from kernelpod.singleuser.asking import _told

    error = _told(answered(status, body))
    assert error.status_code == told[0]
    assert str(error).startswith(told[1])
    assert error.body()["message"] == error.sentence
    assert error.passing == (status >= 500)


@pytest.mark.parametrize("error", [ConnectionRefusedError(), socket.gaierror(-2, "Name not known"), None])
def test_no_answer_is_told_as_such(error: BaseException | None) -> None:
    from kernelpod.singleuser.asking import _told

    assert (_told(error).status_code, _told(error).sentence[:53]) == (AWAY[0], AWAY[1])


def test_the_token_is_sent_whatever_headers_are_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    from jupyter_server.gateway.gateway_client import GatewayClient

    from kernelpod.singleuser.asking import connection_args

    for headers in ("", '{"X-Site": "here"}'):
        GatewayClient.clear_instance()
        client = GatewayClient.instance(url="http://gateway", auth_token="secret", headers=headers)
        assert connection_args()["headers"]["Authorization"] == f"{client.auth_scheme} secret"
        assert connection_args(headers={"X": "y"})["headers"]["X"] == "y"
    GatewayClient.clear_instance()
