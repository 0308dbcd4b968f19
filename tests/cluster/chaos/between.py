"""A proxy between gateways and the API server that loses, refuses and delays what it is told to."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import random
import ssl
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

TIMEOUT_SECONDS = 30
WATCH_SECONDS = 400
SHARE = 0.4
ERRORS = (429, 500, 503, 504)


class Between:
    """Listens on loopback and asks the API server of a kubeconfig, with its rights."""

    def __init__(self, kubeconfig: Path, folder: Path, luck: random.Random) -> None:
        """`luck` says which requests fail. The kubeconfig that leads here is written into `folder`."""
        self.luck = luck
        data = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
        self._upstream = urlsplit(data["clusters"][0]["cluster"]["server"])
        self._context = _context(data)
        self.mode = "ok"
        """ok, or what is done to requests: refuse, slow, or to some: errors, conflicts, lose answers."""
        self.gone = 0
        """Watches that began before this one end with 410."""
        self.failed = 0
        """Requests that were refused, lost or answered with an error."""
        self._server = _Server(("127.0.0.1", 0), _Page)
        self._server.between = self
        port = self._server.server_address[1]
        self.kubeconfig = folder / f"between-{port}.kubeconfig"
        url = f"http://127.0.0.1:{port}"
        data["clusters"][0]["cluster"] = {"server": url}
        data["users"][0]["user"] = {}
        self.kubeconfig.write_text(yaml.safe_dump(data), encoding="utf-8")

    def __enter__(self) -> Between:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def connect(self, seconds: float) -> http.client.HTTPSConnection:
        """Return a connection to the API server."""
        host, port = self._upstream.hostname or "", self._upstream.port or 443
        return http.client.HTTPSConnection(host, port, timeout=seconds, context=self._context)


def _context(data: dict[str, Any]) -> ssl.SSLContext:
    cluster, user = data["clusters"][0]["cluster"], data["users"][0]["user"]

    def pem(section: dict[str, Any], key: str) -> str:
        if inline := section.get(f"{key}-data"):
            return base64.b64decode(inline).decode("ascii")
        return Path(section[key]).read_text(encoding="ascii")

    context = ssl.create_default_context(cadata=pem(cluster, "certificate-authority"))
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as both:
        both.write(pem(user, "client-certificate") + pem(user, "client-key"))
        both.flush()
        context.load_cert_chain(both.name)
    return context


class _Server(ThreadingHTTPServer):
    between: Between
    daemon_threads = True
    block_on_close = False

    def handle_error(self, *_: Any) -> None:
        """Say nothing of a gateway that was killed."""


class _Page(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._pass_on()

    def do_POST(self) -> None:
        self._pass_on()

    def do_PUT(self) -> None:
        self._pass_on()

    def do_DELETE(self) -> None:
        self._pass_on()

    def _pass_on(self) -> None:
        between = self.server.between
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        mode, unlucky = between.mode, between.luck.random() < SHARE
        if mode == "slow":
            time.sleep(1)
        if mode == "refuse":
            return self._cut()
        if unlucky and (mode == "errors" or (mode == "conflicts" and self.command == "PUT")):
            return self._fail(between.luck.choice(ERRORS) if mode == "errors" else 409)
        watches = "watch=true" in self.path
        try:
            with contextlib.closing(between.connect(WATCH_SECONDS if watches else TIMEOUT_SECONDS)) as upstream:
                headers = {
                    name: value
                    for name, value in self.headers.items()
                    if name.lower() not in ("host", "connection", "authorization", "accept-encoding")
                }
                upstream.request(self.command, self.path, body or None, headers)
                answer = upstream.getresponse()
                if watches and answer.status == 200:
                    return self._stream(answer)
                text = answer.read()
        except (OSError, http.client.HTTPException):
            return self._cut()
        if mode == "lose answers" and unlucky and self.command != "GET":
            return self._cut()
        return self._answer(answer.status, text)

    def _fail(self, status: int) -> None:
        self.server.between.failed += 1
        reason = "Conflict" if status == 409 else ""
        told = {"kind": "Status", "status": "Failure", "code": status, "message": "in trouble", "reason": reason}
        self._answer(status, json.dumps(told).encode())

    def _answer(self, status: int, text: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def _cut(self) -> None:
        self.server.between.failed += 1
        self.close_connection = True

    def _stream(self, answer: http.client.HTTPResponse) -> None:
        between, self.close_connection = self.server.between, True
        began = between.gone
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Connection", "close")
        self.end_headers()
        watcher = threading.Thread(target=self._end_when_told, args=(answer, began), daemon=True)
        watcher.start()
        with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
            while line := answer.readline():
                if between.mode == "refuse":
                    return
                self.wfile.write(line)
        if between.gone != began:
            status = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"}
            with contextlib.suppress(OSError):
                self.wfile.write(json.dumps({"type": "ERROR", "object": status}).encode() + b"\n")

    def _end_when_told(self, answer: http.client.HTTPResponse, began: int) -> None:
        between = self.server.between
        while not answer.isclosed() and between.gone == began and between.mode != "refuse":
            time.sleep(0.05)
        with contextlib.suppress(OSError, AttributeError):
            answer.close()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""
