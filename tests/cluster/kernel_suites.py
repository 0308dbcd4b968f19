"""What the package jupyter_kernel_test asks of a kernel, asked through the gateway; one class a language.

`python -m unittest kernel_suites.R` in the environment of servers: the package needs a newer jupyter_client than
Enterprise Gateway allows. The environment names GATEWAY_URL, GATEWAY_TOKEN and KERNELSPEC. See test_languages.py.
"""

from __future__ import annotations

import json
import os
from collections import deque
from datetime import datetime
from typing import Any

import jupyter_kernel_test
from jupyter_client.client import KernelClient
from jupyter_kernel_test.msgspec_v5 import validate_message

from client import Caller, Channels

HELLO = "hello, world"


class Channel:
    """One of a kernel's channels, as the package uses it: all messages come over one websocket."""

    def __init__(self, name: str, client: GatewayClient) -> None:
        self.name, self.client, self.waiting = name, client, deque[dict[str, Any]]()

    def send(self, message: dict[str, Any]) -> None:
        """Send a request."""
        self.client.send(self.name, message)

    def get_msg(self, timeout: float | None = None) -> dict[str, Any]:
        """Return the next message. The package's 0.1 s are for a kernel beside it; here it may take longer."""
        if not self.waiting:
            self.client.receive_until(lambda: self.waiting)
        return self.waiting.popleft()


class GatewayClient(KernelClient):
    """jupyter_client's requests, over a websocket of the gateway."""

    def __init__(self, websocket: Channels) -> None:
        super().__init__()
        self.websocket = websocket
        self.channels = {name: Channel(name, self) for name in ("shell", "iopub", "stdin", "control")}
        self.unanswered: dict[str, set[str]] = {}
        """By the id of each request: what has not come yet."""

    @property
    def shell_channel(self) -> Any:
        """The channel of requests."""
        return self.channels["shell"]

    @property
    def iopub_channel(self) -> Any:
        """The channel of outputs."""
        return self.channels["iopub"]

    def get_shell_msg(self, timeout: float | None = None) -> dict[str, Any]:
        """Return the next reply."""
        return self.channels["shell"].get_msg()

    def send(self, channel: str, message: dict[str, Any]) -> None:
        """Send a request on a channel."""
        self.unanswered[message["header"]["msg_id"]] = {"shell", "idle"}
        text = json.dumps({**message, "channel": channel, "buffers": []}, default=datetime.isoformat)
        self.websocket.socket.send(text)

    def receive_until(self, enough: Any) -> None:
        """Sort messages into the channels until it is enough; those that answer nobody here are dropped."""

        def take(got: dict[str, Any]) -> Any:
            missing = self.unanswered.get(got["parent_header"].get("msg_id", ""))
            if missing is not None:
                self.channels[got["channel"]].waiting.append(got)
                missing.discard(got["channel"])
                missing.discard(got["content"].get("execution_state", ""))
            return enough()

        self.websocket.receive(take)

    def settle(self) -> list[dict[str, Any]]:
        """Return what nobody asked for, once all requests are answered."""
        if any(self.unanswered.values()):
            self.receive_until(lambda: not any(self.unanswered.values()))
        left = [message for channel in self.channels.values() for message in channel.waiting]
        for channel in self.channels.values():
            channel.waiting.clear()
        return left


class ThroughTheGateway(jupyter_kernel_test.KernelTests):
    """The package's tests with a kernel of the gateway."""

    @classmethod
    def setUpClass(cls) -> None:
        caller = Caller(os.environ["GATEWAY_URL"], os.environ["GATEWAY_TOKEN"])
        kernel = caller.start(os.environ["KERNELSPEC"])
        cls.addClassCleanup(caller.ask, "DELETE", f"kernels/{kernel}")
        cls.kc = GatewayClient(cls.enterClassContext(caller.channels(kernel)))

    @classmethod
    def tearDownClass(cls) -> None:
        """Leave it to the clean-ups: the package would stop a kernel manager."""

    def flush_channels(self) -> None:
        """Check what was not read. The package waits 0.1 s for it; here it is known when all has come."""
        for message in self.kc.settle():
            validate_message(message)


class Python(ThroughTheGateway):
    """IPython's kernel."""

    language_name, file_extension = "python", ".py"
    code_hello_world = f"print('{HELLO}')"
    code_stderr = "import sys; print('x', file=sys.stderr)"
    completion_samples = ({"text": "zi", "matches": {"zip"}},)
    complete_code_samples = ("1", "print('x')", "def f(x):\n  return x\n\n")
    incomplete_code_samples = ("print('''x", "def f(x):\n  x")
    invalid_code_samples = ("import = 7",)
    code_page_something = "zip?"
    code_generate_error = "raise ValueError"
    code_execute_result = ({"code": "6*7", "result": "42"},)
    code_display_data = (
        {"code": "from IPython.display import HTML, display; display(HTML('x'))", "mime": "text/html"},
    )
    supported_history_operations = ("tail", "search")
    code_history_pattern = "6?7*"
    code_inspect_sample = "zip"
    code_clear_output = "from IPython.display import clear_output; clear_output()"


class ExamPython(Python):
    """The kernel for exams: the same but for `sys`."""

    code_stderr = ""


class Bash(ThroughTheGateway):
    """bash_kernel."""

    language_name, file_extension = "bash", ".sh"
    code_hello_world = f"echo {HELLO}"
    completion_samples = ({"text": "expor", "matches": {"export"}},)
    code_generate_error = "false"


class R(ThroughTheGateway):
    """IRkernel; a result is display data there."""

    language_name, file_extension = "R", ".r"
    code_hello_world = f'print("{HELLO}")'
    code_stderr = 'message("x")'
    completion_samples = ({"text": "paste", "matches": {"paste", "paste0"}},)
    complete_code_samples = ("x <- 1", "f <- function(x) {x*2}")
    incomplete_code_samples = ("f <- function(", "print('x")
    invalid_code_samples = ("1 +* 2",)
    code_generate_error = "stop('x')"
    code_display_data = ({"code": "6*7", "mime": "text/plain"}, {"code": "plot(1:3)", "mime": "image/png"})
    code_inspect_sample = "print"


class Java(ThroughTheGateway):
    """JJava."""

    language_name, file_extension = "Java", ".jshell"
    code_hello_world = f'System.out.println("{HELLO}");'
    code_stderr = 'System.err.println("x");'
    completion_samples = ({"text": "Math.ma", "matches": {"max("}},)
    complete_code_samples = ("int x = 1;",)
    incomplete_code_samples = ("int f() {",)
    code_generate_error = 'throw new RuntimeException("x");'
    code_execute_result = (
        {"code": "6 * 7", "result": "42"},
        {"code": 'java.util.List.of(1, 2).stream().map(x -> "n" + x).toList()', "result": "[n1, n2]"},
    )
    code_display_data = ({"code": 'display("<b>x</b>", "text/html");', "mime": "text/html"},)

    def test_kernel_info(self) -> None:
        """Its reply has no `status`, which version 5.1 of the protocol asks for; the rest is right."""
        self.flush_channels()
        asked = self.kc.kernel_info()
        reply = self.kc.get_shell_msg()
        assert "status" not in reply["content"]
        reply["content"]["status"] = "ok"
        validate_message(reply, "kernel_info_reply", asked)
        assert reply["content"]["language_info"]["name"] == self.language_name
