"""The client of demo and smoke test dials this machine for names below localhost, and checks them all the same."""

from __future__ import annotations

import ssl
import threading
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path

import pytest
import requests

from certificates import certificates
from kernelpod.demo.client import new_session


@pytest.mark.parametrize(("names", "trusted"), [((), False), (("*.hub.localhost",), True)])
def test_a_certificate_is_checked_by_the_name_below_localhost(
    names: tuple[str, ...], trusted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of 127.0.0.1 is none of alice.hub.localhost."""
    certificates(tmp_path, *names)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")
    with HTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        url = f"https://alice.hub.localhost:{server.server_port}/"
        with new_session(url) as session:
            if trusted:
                assert session.head(url, timeout=20).status_code == 200
            else:
                with pytest.raises(requests.exceptions.SSLError, match=r"alice\.hub\.localhost"):
                    session.head(url, timeout=20)
        server.shutdown()
        thread.join(20)
