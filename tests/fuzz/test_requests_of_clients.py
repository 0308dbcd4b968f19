"""What clients, kernels and hubs send to a gateway is read, or refused with its own error."""

from __future__ import annotations

import json
import struct
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from jupyter_client.session import DELIM, Session

from doubles import user_model
from fuzz.made import TEXT, objects, texts
from kernelpod.errors import BadRequest, RecordError, UserError
from kernelpod.gateway.channels import wire
from kernelpod.settings.hubs import Hub
from kernelpod.start.hubanswers import HubAnswer, parse_answer
from kernelpod.start.identity import Identity
from kernelpod.start.record import read
from kernelpod.start.request import KernelRequest, from_body

BODY: dict[str, Any] = {
    "name": "python-pod",
    "path": "folder/notebook.ipynb",
    "env": {"KERNEL_USERNAME": "alice", "KERNEL_PATH": "/homes/alice", "KERNEL_CPUS": "2", "KERNEL_MEMORY": "1Gi"},
    "kernelpod": {"session": {"path": "notebook.ipynb", "type": "notebook", "name": "n"}},
}
HEADER = {"msg_id": "m", "msg_type": "execute_request", "session": "s", "username": "u", "version": "5.3"}
MESSAGE: dict[str, Any] = {
    "header": HEADER,
    "parent_header": {},
    "metadata": {},
    "content": {"code": "1"},
    "channel": "shell",
    "buffers": [],
}
SESSION = Session(key=b"k" * 32)


@given(texts(BODY))
def test_a_body_is_a_request_or_bad(body: bytes) -> None:
    try:
        assert isinstance(from_body(body, "python-pod"), KernelRequest)
    except BadRequest as error:
        assert error.message.isprintable()
        assert len(error.message) < 2000


@given(st.dictionaries(st.sampled_from(sorted(BODY["env"])) | TEXT, TEXT, max_size=4))
def test_variables_are_wishes_or_bad(env: dict[str, str]) -> None:
    try:
        made = from_body(json.dumps({"name": "python-pod", "env": env}).encode(), "python-pod")
    except BadRequest:
        return
    assert made.kernel_path is None or "\n" not in made.kernel_path


@given(texts(MESSAGE))
def test_a_text_of_a_page_is_a_message_or_none(text: bytes) -> None:
    try:
        made = wire.from_page(text.decode("utf-8", "replace"))
    except wire.NotAMessageError:
        return
    assert len(made.parts) == 4
    assert isinstance(made.channel, str)


@given(texts(MESSAGE), st.lists(st.integers(0, 2**32 - 1), max_size=5))
def test_a_binary_frame_of_a_page_is_a_message_or_none(text: bytes, numbers: list[int]) -> None:
    right = struct.pack("!3I", 2, 12, 12 + len(text)) + text + b"buffer"
    for payload in (right, struct.pack(f"!{len(numbers)}I", *numbers) + text, text):
        try:
            wire.from_page(payload)
        except wire.NotAMessageError:
            pass


@given(
    texts(HEADER), texts(HEADER), texts({"code": "1"}), st.lists(st.binary(max_size=20), max_size=3), st.booleans()
)
def test_what_a_kernel_sends_is_a_message_or_none(
    header: bytes, parent: bytes, content: bytes, buffers: list[bytes], signed: bool
) -> None:
    parts = [header, parent, b"{}", content]
    signature = SESSION.sign(parts) if signed else b"0" * 64
    try:
        made = wire.from_kernel(SESSION, [b"topic", DELIM, signature, *parts, *buffers])
        assert signed
        made.parent()
        frame = wire.to_page("iopub", made)
        assert frame.binary == bool(buffers)
        if not frame.binary:
            frame.data.decode("utf-8")
    except wire.NotAMessageError:
        pass


@given(st.sampled_from([200, 200, 200, 403, 500]), texts(user_model("alice")))
def test_an_answer_of_a_hub_is_an_identity_or_an_error(status: int, body: bytes) -> None:
    try:
        made = parse_answer(Hub(), HubAnswer(status, body))
    except UserError as error:
        assert error.code in ("hub_unavailable", "hub_answer_invalid")
        return
    assert isinstance(made, Identity)
    assert made.owner.kind in ("user", "service")
    assert made.name


@given(objects(user_model("alice")["servers"][""]))
def test_options_of_a_server_grant_nothing(server: dict[str, Any]) -> None:
    try:
        made = parse_answer(Hub(), HubAnswer(200, json.dumps(user_model("alice", servers={"": server})).encode()))
    except UserError:
        return
    assert set(made.user_options) <= {"profile", "semester"}
    assert all(isinstance(value, str) and len(value) <= 200 for value in made.user_options.values())


@given(texts({"version": 1, "plan": {}, "created": "2026-01-01T00:00:00Z", "pod": ""}))
def test_a_record_is_read_or_left_alone(text: bytes) -> None:
    try:
        read(text.decode("utf-8", "replace"))
    except RecordError as error:
        assert len(str(error)) < 2000
