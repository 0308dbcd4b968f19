"""A user of the demo: logs in to the hub, uses their server as Lab does, and runs code in kernels."""

from __future__ import annotations

import contextlib
import json
import ssl
import time
import uuid
from collections.abc import Callable
from itertools import islice
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import requests
import websocket
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from kernelpod.base.retry import back_off
from kernelpod.errors import KernelpodError

TIMEOUT_SECONDS = 60
# Until a server serves its page: its pod may wait for a volume, an image, or a busy node.
SERVER_SECONDS = 240
# A Service may still route a new connection to a pod that has just ended. Nothing has been sent yet then.
CONNECT_ATTEMPTS = 4
CONNECT_SECONDS = (0.2, 1.0)


def wait_until(condition: Callable[[], Any], what: str, seconds: float = TIMEOUT_SECONDS) -> Any:
    """Wait for a true value of `condition` and return it. Raises KernelpodError, which names `what`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.05)
    raise KernelpodError(f"timed out after {seconds:g} s while waiting for {what}")


def _dialled(url: str) -> str:
    """Return the URL to connect to: names below `localhost` are this machine, whether or not it resolves them."""
    parts = urlsplit(url)
    if not (parts.hostname or "").endswith(".localhost"):
        return url
    return parts._replace(netloc=f"127.0.0.1:{parts.port}" if parts.port else "127.0.0.1").geturl()


def _named(host: str | bytes | None) -> str | None:
    return urlsplit(f"//{host}").hostname if isinstance(host, str) else None


class _HubAdapter(HTTPAdapter):
    """Connects as browsers do, which know names below `localhost`.

    It trusts the certificate authorities that Python trusts, as websockets do. requests has only its own list.
    """

    def send(self, request: requests.PreparedRequest, *given: Any, **named: Any) -> requests.Response:
        """Send the request to the machine that its URL names. Cookies and redirects go by the URL."""
        sent = request.copy()
        sent.url = _dialled(request.url or "")
        if sent.url != request.url:
            sent.headers["Host"] = urlsplit(request.url or "").netloc
        answer = super().send(sent, *given, **named)
        answer.request, answer.url = request, request.url or ""
        return answer

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, *given: Any, **named: Any
    ) -> tuple[Any, Any]:
        """Ask for the certificate of the host that the URL names, and check it by that."""
        made = super().build_connection_pool_key_attributes(request, *given, **named)
        where, how = dict(made[0]), dict(made[1])
        if (host := _named(request.headers.get("Host"))) and where["scheme"] == "https":
            how |= {"server_hostname": host, "assert_hostname": host}
        return where, how

    def init_poolmanager(self, *given: Any, **named: Any) -> None:
        """Use Python's own TLS context. SSL_CERT_FILE may name another authority."""
        super().init_poolmanager(*given, ssl_context=ssl.create_default_context(), **named)


def new_session(url: str, retries: Retry | int = 0) -> requests.Session:
    """Return a session for a hub's pages."""
    session = requests.Session()
    # Servers may have other hosts than the hub.
    session.mount(f"{urlsplit(url).scheme}://", _HubAdapter(max_retries=retries))
    return session


class Browser:
    """One user's browser: cookies, the hub's forms, the server's REST API and websockets."""

    def __init__(self, url: str, name: str) -> None:
        self.url, self.name = url, name
        parts = urlsplit(url)
        self.base = f"{parts.path}/user/{quote(name, safe='@~')}"
        self.server = f"{parts.scheme}://{parts.netloc}"
        """The URL of the host of the user's server, which may be another one than the hub's."""
        self.session = new_session(url, Retry(CONNECT_ATTEMPTS - 1, read=False, backoff_factor=CONNECT_SECONDS[0]))

    def close(self) -> None:
        """Close the connections. The server keeps running."""
        self.session.close()

    def login(self, password: str) -> None:
        """Log in with the hub's form."""
        self._get(f"{self.url}/hub/login")
        answer = self.submit("/hub/login", username=self.name, password=password)
        if answer.status_code != 302:
            raise KernelpodError(f"login of {self.name} answered {answer.status_code}")
        # The login ends the token against forged requests. The next page sets a new one.
        self._get(f"{self.url}/hub/home")

    def submit(self, path: str, **form: str) -> requests.Response:
        """Return what the hub answers to a form of one of its pages, which does not lead elsewhere."""
        form["_xsrf"] = self._xsrf(f"{self.url}/hub/")
        return self.session.post(f"{self.url}{path}", data=form, timeout=TIMEOUT_SECONDS, allow_redirects=False)

    def spawn(self, **options: str) -> None:
        """Start the user's server with these options of the form, and return when it serves Lab's page."""
        self.hub("POST", f"/users/{quote(self.name)}/server", options, ok=(201, 202))
        wait_until(self._server_ready, f"the server of {self.name}", SERVER_SECONDS)
        # A hub that does not know its own URL tells only the path.
        place = urlsplit(urljoin(self.url, self._servers()[""]["url"]))
        self.server = f"{place.scheme}://{place.netloc}"
        page = self._get(f"{self.server}{self.base}/lab")
        if page.status_code != 200 or "jupyter-config-data" not in page.text:
            raise KernelpodError(f"Lab of {self.name} answered {page.status_code}")

    def _servers(self) -> dict[str, Any]:
        return self.hub("GET", f"/users/{quote(self.name)}").json().get("servers") or {}

    def has_server(self) -> bool:
        """Return whether the user has a server, ready or not."""
        return bool(self._servers())

    def _server_ready(self) -> bool:
        servers = self._servers()
        if "" not in servers:
            raise KernelpodError(f"the server of {self.name} ended before it was ready")
        return bool(servers[""].get("ready"))

    def stop_server(self) -> None:
        """Stop the user's server and return when the hub no longer lists it."""
        self.hub("DELETE", f"/users/{quote(self.name)}/server", ok=(202, 204))
        wait_until(lambda: not self.has_server(), f"the end of {self.name}'s server")

    def hub(self, method: str, path: str, body: Any = None, ok: tuple[int, ...] = (200,)) -> requests.Response:
        """Call the hub's REST API with the browser's cookies."""
        answer = self.session.request(
            method,
            f"{self.url}/hub/api{path}",
            json=body or None,
            headers={"X-XSRFToken": self._xsrf(f"{self.url}/hub/"), "Content-Type": "application/json"},
            timeout=TIMEOUT_SECONDS,
        )
        if answer.status_code not in ok:
            raise KernelpodError(f"hub: {method} {path} answered {answer.status_code}: {answer.text[:200]}")
        return answer

    def api(self, method: str, path: str, body: Any = None) -> requests.Response:
        """Call the user's server as Lab does."""
        return self.session.request(
            method,
            f"{self.server}{self.base}/api/{path}",
            json=body,
            headers={"X-XSRFToken": self._xsrf(f"{self.server}{self.base}/")},
            timeout=TIMEOUT_SECONDS,
        )

    def start_notebook(self, path: str, spec: str) -> Kernel:
        """Start a kernel the way Lab does for a notebook, and connect to it."""
        body = {"path": path, "name": path, "type": "notebook", "kernel": {"name": spec}}
        answer = self.api("POST", "sessions", body)
        if answer.status_code != 201:
            raise KernelpodError(f"{spec} for {self.name} answered {answer.status_code}: {answer.text[:400]}")
        return self.connect(answer.json()["kernel"]["id"])

    def connect(self, kernel_id: str) -> Kernel:
        """Open a websocket to a kernel through the user's server."""
        address = f"{self.base}/api/kernels/{kernel_id}/channels?session_id={uuid.uuid4().hex}"
        return Kernel(kernel_id, self._websocket(address))

    def terminal(self, command: str) -> str:
        """Run a command in a terminal of the user's server and return its output."""
        name = self.api("POST", "terminals").json()["name"]
        socket = self._websocket(f"{self.base}/terminals/websocket/{name}")
        first, last = uuid.uuid4().hex, uuid.uuid4().hex
        said = ""
        try:
            # Marks enclose the output. Quotes split them in the typed line, so its echo does not contain them.
            line = f"echo {first[:8]}''{first[8:]}; {command}; echo {last[:8]}''{last[8:]}\r"
            socket.send(json.dumps(["stdin", line]))
            while last not in said:
                kind, *text = json.loads(socket.recv())
                said += text[0] if kind == "stdout" else ""
        finally:
            socket.close()
            self.api("DELETE", f"terminals/{name}")
        return said.partition(first)[2].partition(last)[0].strip()

    def _websocket(self, path: str) -> websocket.WebSocket:
        url = f"{self.server}{path}"
        address = f"ws{_dialled(url).removeprefix('http')}"
        pauses = islice(back_off(*CONNECT_SECONDS), CONNECT_ATTEMPTS - 1)
        while True:
            with contextlib.suppress(ConnectionRefusedError):
                return websocket.create_connection(
                    address,
                    cookie=self._cookies(url),
                    host=urlsplit(url).netloc,
                    sslopt={"server_hostname": urlsplit(url).hostname},
                    origin=self.server,
                    timeout=TIMEOUT_SECONDS,
                )
            if (pause := next(pauses, None)) is None:
                raise KernelpodError(f"{self.server} refuses connections")
            time.sleep(pause)

    def _get(self, url: str) -> requests.Response:
        return self.session.get(urljoin(self.url, url), timeout=TIMEOUT_SECONDS)

    def _cookies(self, url: str) -> str:
        request = requests.Request("GET", urljoin(self.url, url))
        return str(self.session.prepare_request(request).headers.get("Cookie", ""))

    def _xsrf(self, url: str) -> str:
        """Return the token of these pages. Of two cookies of a name, the one of the longer path comes first."""
        pairs = (pair.partition("=") for pair in self._cookies(url).split("; "))
        return next((value for name, _, value in pairs if name == "_xsrf"), "")


class Kernel:
    """A kernel's channels over one websocket, in Jupyter's JSON format."""

    def __init__(self, kernel_id: str, socket: websocket.WebSocket) -> None:
        self.kernel_id, self.socket = kernel_id, socket

    def send(self, kind: str, content: dict[str, Any], channel: str = "shell") -> str:
        """Send one message and return its id."""
        header = {
            "msg_id": uuid.uuid4().hex,
            "msg_type": kind,
            "session": "demo",
            "username": "",
            "version": "5.3",
        }
        header["date"] = "2026-01-01T00:00:00Z"
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "buffers": []}
        self.socket.send(json.dumps({**message, "channel": channel}))
        return header["msg_id"]

    def answer_to(self, message_id: str, kind: str) -> dict[str, Any]:
        """Return the content of the first reply of this type."""
        content: dict[str, Any] = self._until(message_id, lambda message: message["msg_type"] == kind)[-1][
            "content"
        ]
        return content

    def run(self, code: str) -> str:
        """Run a cell and return all that it prints, its result, and its error as "Name: text"."""
        return self.finish(self.begin(code))

    def begin(self, code: str) -> str:
        """Send a cell and return its message id."""
        return self.send("execute_request", {"code": code, "silent": False, "store_history": False})

    def finish(self, message_id: str) -> str:
        """Return the same as `run` for a cell that `begin` has sent."""
        said = ""
        for message in self._until(message_id, _is_idle):
            content = message["content"]
            if message["msg_type"] == "stream":
                said += content["text"]
            elif message["msg_type"] == "execute_result":
                said += content["data"]["text/plain"]
            elif message["msg_type"] == "error":
                said += f"{content['ename']}: {content['evalue']}"
        return said

    def _until(self, message_id: str, last: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
        seen = []
        while True:
            message = json.loads(self.socket.recv())
            if message["parent_header"].get("msg_id") == message_id:
                seen.append(message)
                if last(message):
                    return seen

    def close(self) -> None:
        """Close the websocket. The kernel keeps running."""
        with contextlib.suppress(OSError, websocket.WebSocketException):
            self.socket.close()


def _is_idle(message: dict[str, Any]) -> bool:
    return bool(message["msg_type"] == "status" and message["content"]["execution_state"] == "idle")
