"""Messages that are none, from a page that is broken or means harm: it costs nobody else anything."""

from __future__ import annotations

import contextlib
import json
import struct
import uuid
from typing import TYPE_CHECKING, Any

import websocket

from bench.parity.behaviour import behaviour
from bench.parity.page import DATE

if TYPE_CHECKING:
    from bench.parity.side import Side

NEXT = {"end": "ok", "shown": ["stdout: next\n"]}


def header(kind: str = "kernel_info_request", **changes: Any) -> dict[str, Any]:
    """Return the header of a message."""
    made = {"msg_id": uuid.uuid4().hex, "msg_type": kind, "session": "s", "username": "u", "version": "5.3"}
    return {**made, "date": DATE, **changes}


def whole(**changes: Any) -> str:
    """Return a message as text, with some members changed."""
    made = {
        "header": header(),
        "parent_header": {},
        "metadata": {},
        "content": {},
        "channel": "shell",
        "buffers": [],
    }
    return json.dumps({**made, **changes})


def harm(side: Side, *frames: str | bytes) -> Any:
    """Return what another page still can do after a page has sent some frames, and after it is loaded anew."""
    kernel_id, good = side.any_kernel_page()
    bad = side.page(kernel_id)
    with contextlib.suppress(OSError, websocket.WebSocketException):  # once the page is closed
        for frame in frames:
            bad.socket.send_binary(frame) if isinstance(frame, bytes) else bad.socket.send(frame)
    return [good.run("print('next')").seen, side.page(kernel_id).run("print('next')").seen]


@behaviour("frames that are no JSON, no object, or empty")
def no_json(side: Side) -> Any:
    return harm(side, "no JSON", "[1, 2]", "null", "", '"text"')


@behaviour("messages without a header, or with one that is a number")
def no_header(side: Side) -> Any:
    return harm(side, "{}", whole(header=5), whole(header={}))


@behaviour("channels that do not exist, or are a list")
def no_channel(side: Side) -> Any:
    return harm(side, whole(channel="nowhere"), whole(channel=["shell"]), whole(channel=None))


@behaviour("a page sends on iopub")
def on_iopub(side: Side) -> Any:
    return harm(side, whole(channel="iopub"))


@behaviour("binary frames that are cut off, or lie about their parts")
def no_parts(side: Side) -> Any:
    return harm(side, b"", b"\x00", struct.pack("!II", 2, 900), struct.pack("!I", 2**31), b"\xff" * 100)


@behaviour("JSON that is nested 100,000 deep")
def nested(side: Side) -> Any:
    return harm(side, "[" * 100_000, '{"header":' * 10_000)


@behaviour("ids that are numbers, very long, or full of control characters")
def odd_ids(side: Side) -> Any:
    return harm(
        side, *(whole(header=header(msg_id=msg_id)) for msg_id in (5, "x" * 50_000, "\0\n\x1b", None, ["a"]))
    )


@behaviour("a message with two thousand buffers")
def many_buffers(side: Side) -> Any:
    page = side.any_page()
    page.ask("comm_msg", {"comm_id": "nobody", "data": {}}, buffers=[b""] * 2000)
    return page.run("print('next')").seen


@behaviour("two requests with one id are both answered")
def one_id(side: Side) -> Any:
    page = side.any_page()
    same = header()
    for _ in range(2):
        page.socket.send(whole(header=same))
    page.run("1")
    return len([one for one in page.of(same["msg_id"]) if one["msg_type"] == "kernel_info_reply"])


@behaviour("content of a request that is no object")
def odd_content(side: Side) -> Any:
    return harm(side, whole(header=header("execute_request"), content=[1]), whole(content="text"))


@behaviour("a header from another time, without a date, and with a foreign version")
def odd_dates(side: Side) -> Any:
    headers = [header(date=date) for date in ("1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "", "yesterday")]
    return harm(side, *(whole(header=one) for one in headers), whole(header=header(version="99.0")))


@behaviour("an answer without a question, of somebody else's kernel")
def foreign_answer(side: Side) -> Any:
    return harm(side, whole(header=header("input_reply"), content={"value": "x"}, channel="stdin"))
