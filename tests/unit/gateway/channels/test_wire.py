"""Messages keep their bytes on the way between kernel and page; whatever is no message is refused."""

from __future__ import annotations

import contextlib
import json
import random
import struct
from typing import Any

import pytest

pytest.importorskip("enterprise_gateway", reason="the base package has no gateway")

from jupyter_client.session import DELIM, Session
from jupyter_server.base.zmqhandlers import ZMQStreamHandler, deserialize_binary_message, serialize_binary_message

from kernelpod.gateway.channels.wire import (
    MAX_HEADER_BYTES,
    NotAMessageError,
    from_kernel,
    from_page,
    signed,
    to_page,
)

CONTENTS: dict[str, Any] = {
    "stream": {"name": "stdout", "text": 'quotes " and \\ and\nlines, ünïcödé \u2028 \U0001f600 </script>'},
    "status": {"execution_state": "busy"},
    "execute_result": {"data": {"text/plain": "1" * 5000}, "metadata": {}, "execution_count": 3},
    "error": {"ename": "E", "evalue": "", "traceback": []},
}


@pytest.fixture
def kernel() -> Session:
    return Session(key=b"a-key-of-the-kernel")


@pytest.fixture
def gateway() -> Session:
    return Session(key=b"a-key-of-the-kernel")


def sent(session: Session, kind: str, content: Any, **more: Any) -> list[bytes]:
    """Return the frames of a message as they leave a kernel."""
    message = session.msg(kind, content=content, parent=session.msg("execute_request"))
    return [*session.serialize(message, ident=b"topic"), *more.get("buffers", ())]


def resigned(session: Session, frames: list[bytes], number: int, part: bytes) -> list[bytes]:
    """Return the frames with one part changed and signed again."""
    start = frames.index(DELIM) + 2
    parts = [*frames[start : start + number], part, *frames[start + number + 1 :]]
    return signed(session, parts)


@pytest.mark.parametrize("kind", CONTENTS)
@pytest.mark.parametrize("buffers", [(), (b"", b"\x00\xff" * 50)])
def test_a_page_gets_what_jupyter_server_would_send(
    kernel: Session, gateway: Session, kind: str, buffers: tuple[bytes, ...]
) -> None:
    frames = sent(kernel, kind, CONTENTS[kind], buffers=buffers)
    theirs = ZMQStreamHandler.__new__(ZMQStreamHandler)
    theirs.__dict__["session"] = Session(key=b"a-key-of-the-kernel")
    wanted = theirs._reserialize_reply(list(frames), channel="iopub")
    made = to_page("iopub", from_kernel(gateway, frames))
    assert made.binary is bool(buffers)
    if buffers:
        mine, other = deserialize_binary_message(made.data), deserialize_binary_message(wanted)
    else:
        # jupyter_server reads dates and writes them again; their text may differ, the moment may not.
        mine, other = json.loads(made.data), json.loads(wanted)
        assert list(mine) == list(other)
    assert mine == other


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda _, frames: [*frames[:2], b"0" * 64, *frames[3:]], id="a wrong signature"),
        pytest.param(lambda _, frames: [*frames[:2], b"", *frames[3:]], id="no signature"),
        pytest.param(lambda _, frames: [*frames[:6], b'{"text": "forged"}'], id="forged content"),
        pytest.param(lambda _, frames: frames[:5], id="too few parts"),
        pytest.param(lambda _, frames: frames[:2], id="a delimiter only"),
        pytest.param(lambda _, frames: frames[3:], id="no delimiter"),
        pytest.param(lambda _, __: [], id="nothing"),
        pytest.param(lambda one, frames: resigned(one, frames, 0, b"{}"), id="no msg_id"),
        pytest.param(lambda one, frames: resigned(one, frames, 0, b"[]"), id="a header that is a list"),
        pytest.param(lambda one, frames: resigned(one, frames, 0, b"[" * 100_000), id="a nested header"),
        pytest.param(lambda one, frames: resigned(one, frames, 0, b"not json"), id="a header that is not JSON"),
        pytest.param(
            lambda one, frames: resigned(one, frames, 0, b'{"msg_id": 1, "msg_type": "x"}'),
            id="a numeric id",
        ),
        pytest.param(
            lambda one, frames: resigned(one, frames, 1, b'"' + b"x" * MAX_HEADER_BYTES + b'"'), id="a huge header"
        ),
    ],
)
def test_what_a_kernel_may_not_send_is_refused(kernel: Session, gateway: Session, spoil: Any) -> None:
    frames = sent(kernel, "stream", CONTENTS["stream"])
    with pytest.raises(NotAMessageError):
        from_kernel(gateway, spoil(kernel, frames))
    assert from_kernel(gateway, frames).msg_type == "stream"


def test_a_replayed_message_is_refused(kernel: Session, gateway: Session) -> None:
    frames = sent(kernel, "stream", CONTENTS["stream"])
    from_kernel(gateway, frames)
    with pytest.raises(NotAMessageError, match="again"):
        from_kernel(gateway, frames)


def test_bytes_that_are_not_utf8_become_the_replacement_character(kernel: Session, gateway: Session) -> None:
    """ipykernel sends print('a\\udcffb') as the byte 0xff."""
    frames = resigned(kernel, sent(kernel, "stream", {}), 3, b'{"name": "stdout", "text": "a\xffb"}')
    made = to_page("iopub", from_kernel(gateway, frames))
    assert json.loads(made.data)["content"]["text"] == "a\ufffdb"


def page_message(**changes: Any) -> dict[str, Any]:
    header = {"msg_id": "1", "msg_type": "execute_request", "session": "s" * 300, "username": "ü\x00"}
    whole = {"header": header, "parent_header": {}, "metadata": {}, "content": {"code": "1 + 1"}}
    return {**whole, "channel": "shell", "buffers": [], **changes}


def test_the_text_of_a_page_is_passed_on_as_it_is() -> None:
    """Half an emoji has no bytes in UTF-8, but an escape in JSON."""
    text = json.dumps(page_message()).replace('"1 + 1"', '"a\\ud83d" , "x": 1E400 ')
    read = from_page(f" {text}\n")
    assert read.parts[3] == b'{"code": "a\\ud83d" , "x": 1E400 }'
    assert (read.channel, read.msg_id, read.msg_type) == ("shell", "1", "execute_request")
    assert json.loads(read.parts[0])["session"] == "s" * 300


@pytest.mark.parametrize("buffers", [[b"x"], [b"", b"\xff" * 9, b""]])
def test_the_buffers_of_a_page_are_passed_on(buffers: list[bytes]) -> None:
    message = page_message(buffers=buffers)
    read = from_page(serialize_binary_message(message))
    assert list(read.parts[4:]) == buffers
    assert [json.loads(part) for part in read.parts[:4]] == [
        message[name] for name in ("header", "parent_header", "metadata", "content")
    ]


def test_parts_that_a_page_leaves_out_are_empty() -> None:
    read = from_page('{"header": {"msg_id": "1", "msg_type": "x"}}')
    assert (read.channel, read.parts[1:]) == ("shell", (b"{}", b"{}", b"{}"))


def test_a_kernel_accepts_what_is_signed_here(kernel: Session, gateway: Session) -> None:
    read = from_page(json.dumps(page_message(content={"code": "ü"})))
    _, frames = kernel.feed_identities(signed(gateway, read.parts))
    assert kernel.deserialize(frames)["content"]["code"] == "ü"


@pytest.mark.parametrize(
    "payload",
    [
        "",
        " ",
        "{",
        "{}",
        "[]",
        "null",
        '"x"',
        "{]",
        '{"a"}',
        '{"a": }',
        '{"header": {"msg_id": "1", "msg_type": "x"}',
        '{"header": {"msg_id": "1", "msg_type": "x"}} {}',
        '{"header": {"msg_id": "1", "msg_type": "x"}, }',
        '{"header": {"msg_id": 1, "msg_type": "x"}}',
        '{"header": {"msg_id": "1", "msg_type": ["x"]}}',
        '{"header": {"msg_id": "1", "msg_type": "x"}, "channel": ["shell"]}',
        '{"header": 5}',
        '{[]: 1, "header": {"msg_id": "1", "msg_type": "x"}}',
        "[" * 100_000,
        '{"content": ' + "[" * 100_000,
        b"",
        b"\x00",
        b"\xff" * 64,
        struct.pack("!I", 0),
        struct.pack("!2I", 1, 2) + b"{}",
        struct.pack("!3I", 2, 14, 12) + b"{}",
        struct.pack("!2I", 1, 900) + b"{}",
        struct.pack("!2I", 1, 8) + b"\xff",
    ],
)
def test_what_is_no_message_of_a_page_is_refused(payload: str | bytes) -> None:
    with pytest.raises(NotAMessageError):
        from_page(payload)


def test_generated_garbage_is_read_or_refused() -> None:
    """Nothing but NotAMessageError may come out, whatever comes in."""
    chance = random.Random(14)
    whole = json.dumps(page_message(content={"a": [1, {"b": None}]}))
    packed = serialize_binary_message(page_message(buffers=[b"abc", b"d"]))
    for _ in range(3000):
        text, data = list(whole), bytearray(packed)
        for _ in range(chance.randrange(1, 4)):
            text[chance.randrange(len(text))] = chance.choice('{}[]",:\\ \x00ü1\ud83d')
            data[chance.randrange(len(data))] = chance.randrange(256)
        for payload in ("".join(text), bytes(data), whole[: chance.randrange(len(whole))]):
            with contextlib.suppress(NotAMessageError):
                from_page(payload)
