"""The server's log: no token, whichever logger writes it."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from kernelpod.singleuser.extension import MASK, hide, secrets_in

TOKEN = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def _masking() -> Iterator[None]:
    before = logging.getLogRecordFactory()
    hide((TOKEN,))
    yield
    logging.setLogRecordFactory(before)


@pytest.mark.parametrize(
    ("name", "value", "secret"),
    [
        ("JUPYTERHUB_API_TOKEN", TOKEN, True),
        ("JUPYTER_GATEWAY_AUTH_TOKEN", TOKEN, True),
        ("AWS_SECRET_ACCESS_KEY", TOKEN, True),
        ("PATH", "/usr/bin:/bin:/usr/local", False),
        ("TOKEN_FILE", "/run/secrets/token", False),
        ("TOKEN_KIND", "user", False),
    ],
)
def test_what_counts_as_a_secret(name: str, value: str, secret: bool) -> None:
    assert secrets_in({name: value}) == ((value,) if secret else ())


@pytest.mark.usefixtures("_masking")
@pytest.mark.parametrize(
    "arguments",
    [
        (f"args: {{'env': {{'JUPYTERHUB_API_TOKEN': '{TOKEN}'}}}}",),
        ("env %s and %d", {"T": TOKEN}, 1),
        ("%s %s", TOKEN, TOKEN),
    ],
)
def test_a_token_in_a_log_line_is_masked(arguments: tuple[object, ...], caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("jupyter_server.gateway").warning(*arguments)
    assert MASK in caplog.text
    assert TOKEN not in caplog.text


@pytest.mark.usefixtures("_masking")
def test_other_lines_stay_as_they_are(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("any").warning("%d kernels", 3)
    assert caplog.records[0].args == (3,)
