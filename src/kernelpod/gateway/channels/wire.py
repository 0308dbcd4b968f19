"""Converts messages between a kernel's ZeroMQ parts and a page's websocket frames. Only headers are parsed.

A message has four parts of JSON (header, parent header, metadata, content) and any number of buffers. Parsing the
content and writing it again would be most of the cost of a message, and changes text that is not valid Unicode.
Sources: "Messaging in Jupyter" (jupyter_client) and jupyter_server's default websocket protocol.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from hmac import compare_digest
from itertools import pairwise
from typing import Any

from jupyter_client.session import DELIM

HEADER, PARENT, METADATA, CONTENT = range(4)
JSON_PARTS = ("header", "parent_header", "metadata", "content")
MAX_HEADER_BYTES = 1024 * 1024
MAX_PAGE_HEADER_BYTES = 64 * 1024
TO_KERNEL = frozenset({"shell", "control", "stdin"})
"""The channels to which a page may send."""

_SPACE = re.compile(r"[ \t\n\r]*")
_decode = json.JSONDecoder().raw_decode


class NotAMessageError(ValueError):
    """The data is not a Jupyter message."""


@dataclass(frozen=True)
class FromPage:
    """A message from a page to its kernel."""

    channel: str
    msg_id: str
    msg_type: str
    parts: tuple[bytes, ...]


@dataclass(frozen=True)
class FromKernel:
    """A message from a kernel, whose signature was correct."""

    msg_id: str
    msg_type: str
    parts: tuple[bytes, ...]

    def parent(self) -> dict[str, Any]:
        """Return the header of the request that this message belongs to; empty if there is none.

        Raises NotAMessageError.
        """
        header = parsed(self.parts[PARENT]) if self.parts[PARENT] not in (b"{}", b"") else {}
        if not all(isinstance(header.get(name, ""), str) for name in ("msg_id", "msg_type")):
            raise NotAMessageError("the msg_id or msg_type of the parent is no text")
        return header

    def content(self) -> dict[str, Any]:
        """Return the content. Raises NotAMessageError."""
        return parsed(self.parts[CONTENT])


@dataclass(frozen=True)
class Frame:
    """The payload of a websocket frame."""

    data: bytes
    binary: bool


def from_page(payload: str | bytes) -> FromPage:
    """Return the message in a websocket frame. Raises NotAMessageError."""
    text, buffers = (payload, ()) if isinstance(payload, str) else _split_binary(payload)
    try:
        members = _members(text)
        json_parts = [members[name][1].encode() if name in members else b"{}" for name in JSON_PARTS]
    except (ValueError, RecursionError, IndexError, TypeError) as error:
        raise NotAMessageError("not a JSON object") from error
    header = members.get("header", (None, ""))[0]
    channel = members.get("channel", ("shell", ""))[0]
    if not isinstance(header, dict) or not isinstance(channel, str):
        raise NotAMessageError("no header or no channel")
    msg_id, msg_type = header.get("msg_id"), header.get("msg_type")
    if not isinstance(msg_id, str) or not isinstance(msg_type, str):
        raise NotAMessageError("no msg_id or no msg_type")
    if len(json_parts[HEADER]) > MAX_PAGE_HEADER_BYTES:
        raise NotAMessageError(f"a header of more than {MAX_PAGE_HEADER_BYTES} bytes")
    return FromPage(channel, msg_id, msg_type, (*json_parts, *buffers))


def from_kernel(session: Any, frames: Sequence[bytes]) -> FromKernel:
    """Return the message in the frames of a socket. Raises NotAMessageError.

    The signature must be right, and not have been seen before. A kernel can replace its socket by a link to
    another kernel's; then only signatures show whose messages they are. Frames before the delimiter are ZeroMQ's.
    """
    try:
        signature, *parts = frames[frames.index(DELIM) + 1 :]
    except ValueError as error:
        raise NotAMessageError("no delimiter or no signature") from error
    if len(parts) < len(JSON_PARTS):
        raise NotAMessageError("too few parts")
    if max(len(parts[HEADER]), len(parts[PARENT])) > MAX_HEADER_BYTES:
        raise NotAMessageError(f"a header of more than {MAX_HEADER_BYTES} bytes")
    if session.auth is not None:
        if not compare_digest(signature, session.sign(parts[: len(JSON_PARTS)])):
            raise NotAMessageError("wrong signature")
        if signature in session.digest_history:
            raise NotAMessageError("the same message again")
        session._add_digest(signature)
    header = parsed(parts[HEADER])
    msg_id, msg_type = header.get("msg_id"), header.get("msg_type")
    if not isinstance(msg_id, str) or not isinstance(msg_type, str):
        raise NotAMessageError("no msg_id or no msg_type")
    return FromKernel(msg_id, msg_type, tuple(parts))


def composed(session: Any, msg_type: str, content: dict[str, Any], parent: bytes) -> FromKernel:
    """Return a message that the gateway writes itself; `parent` is a header in JSON."""
    header = session.msg_header(msg_type)
    return FromKernel(
        header["msg_id"], msg_type, (session.pack(header), parent, b"{}", json.dumps(content).encode())
    )


def signed(session: Any, parts: Sequence[bytes]) -> list[bytes]:
    """Return the frames of a message, as a kernel reads them."""
    return [DELIM, session.sign(list(parts[: len(JSON_PARTS)])), *parts]


def to_page(channel: str, message: FromKernel) -> Frame:
    """Return the websocket frame of a message: text, or binary if it has buffers.

    Bytes that are not UTF-8 become U+FFFD, as in jupyter_client; browsers close the connection otherwise.
    """
    header, parent, metadata, content = (part or b"{}" for part in message.parts[: len(JSON_PARTS)])
    buffers = message.parts[len(JSON_PARTS) :]
    text = (
        b'{"header": %b, "msg_id": %b, "msg_type": %b, "parent_header": %b, "metadata": %b, "content": %b, '
        b'"buffers": [], "channel": %b}'
        % (header, _json(message.msg_id), _json(message.msg_type), parent, metadata, content, _json(channel))
    )
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        text = text.decode("utf-8", "replace").encode("utf-8")
    return Frame(_joined_binary(text, buffers), binary=True) if buffers else Frame(text, binary=False)


def parsed(part: bytes) -> dict[str, Any]:
    """Return a part of JSON as a dict. Raises NotAMessageError."""
    try:
        value = json.loads(part.decode("utf-8", "replace"))
    except (ValueError, RecursionError) as error:
        raise NotAMessageError("a part is not JSON") from error
    if not isinstance(value, dict):
        raise NotAMessageError("a part is not a JSON object")
    return value


def _json(value: str) -> bytes:
    return json.dumps(value).encode("ascii")


def _members(text: str) -> dict[str, tuple[Any, str]]:
    """Return the members of a JSON object, each with its value and its text. Raises ValueError and IndexError."""
    members: dict[str, tuple[Any, str]] = {}
    at = _after(text, 0, "{")
    while True:
        name, at = _decode(text, at)
        start = _after(text, at, ":")
        value, at = _decode(text, start)
        members[name] = value, text[start:at]
        if text[_space(text, at)] != ",":
            break
        at = _after(text, at, ",")
    if _after(text, at, "}") != len(text):
        raise NotAMessageError("more than one JSON value")
    return members


def _after(text: str, at: int, mark: str) -> int:
    at = _space(text, at)
    if text[at] != mark:
        raise NotAMessageError("not a JSON object")
    return _space(text, at + 1)


def _space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _split_binary(payload: bytes) -> tuple[str, tuple[bytes, ...]]:
    """Return the text and the buffers of a binary frame: a count, offsets, then all of them, 32 bits each."""
    try:
        (count,) = struct.unpack_from("!I", payload)
        if not 0 < count <= len(payload) // 4:
            raise NotAMessageError("a wrong number of buffers")
        offsets = [*struct.unpack_from(f"!{count}I", payload, 4), len(payload)]
    except struct.error as error:
        raise NotAMessageError("a binary frame is too short") from error
    if offsets != sorted(offsets) or offsets[0] < 4 * (count + 1):
        raise NotAMessageError("wrong offsets")
    text, *buffers = (payload[start:end] for start, end in pairwise(offsets))
    try:
        return text.decode("utf-8"), tuple(buffers)
    except UnicodeDecodeError as error:
        raise NotAMessageError("not UTF-8") from error


def _joined_binary(text: bytes, buffers: Sequence[bytes]) -> bytes:
    parts, offsets = (text, *buffers), [4 * (len(buffers) + 2)]
    for part in parts[:-1]:
        offsets.append(offsets[-1] + len(part))
    return struct.pack(f"!{len(parts) + 1}I", len(parts), *offsets) + b"".join(parts)
