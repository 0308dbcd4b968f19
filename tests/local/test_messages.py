"""Messages that are passed on as they are: the same text as jupyter_server's own, or left to it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jupyter_client.session import DELIM, Session
from jupyter_server.base.zmqhandlers import ZMQStreamHandler

from kernelpod.gateway.messages import as_text, execution_state, parts_of

CONTENTS = {
    "stream": {"name": "stdout", "text": 'quotes " and \\ and\nlines, ünïcödé \u2028 \U0001f600 </script>'},
    "status": {"execution_state": "busy"},
    "execute_result": {"data": {"text/plain": "1" * 5000}, "metadata": {}, "execution_count": 3},
    "error": {"ename": "E", "evalue": "", "traceback": []},
}


@pytest.fixture
def session() -> Session:
    return Session(key=b"a-key-of-the-kernel")


def sent(session: Session, kind: str, content: Any, **more: Any) -> list[bytes]:
    """Return the frames of a message as they leave a kernel."""
    message = session.msg(kind, content=content, parent=session.msg("execute_request"), **more)
    frames: list[bytes] = session.serialize(message, ident=b"topic")
    return frames


def receiver() -> Session:
    return Session(key=b"a-key-of-the-kernel")


@pytest.mark.parametrize("kind", CONTENTS)
def test_the_text_is_what_jupyter_server_would_send(session: Session, kind: str) -> None:
    frames = sent(session, kind, CONTENTS[kind])
    theirs = ZMQStreamHandler.__new__(ZMQStreamHandler)
    theirs.session = receiver()
    wanted = theirs._reserialize_reply(list(frames), channel="iopub")
    made = as_text(receiver(), "iopub", parts_of(frames))
    assert made is not None
    # jupyter_server reads dates and writes them again; their text may differ, the moment may not.
    assert json.loads(made) == json.loads(wanted)
    assert list(json.loads(made)) == list(json.loads(wanted))


def changed(parts: list[bytes], index: int, part: bytes) -> list[bytes]:
    return [*parts[:index], part, *parts[index + 1 :]]


def signed_header(session: Session, parts: list[bytes], **changes: Any) -> list[bytes]:
    header = {**json.loads(parts[1]), **changes}
    header = {key: value for key, value in header.items() if value is not None}
    rest = [json.dumps(header).encode(), *parts[2:5]]
    return [session.sign(rest), *rest]


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda _, parts: changed(parts, 0, b"0" * 64), id="a wrong signature"),
        pytest.param(lambda _, parts: changed(parts, 0, b""), id="no signature"),
        pytest.param(lambda _, parts: changed(parts, 4, b'{"text": "forged"}'), id="forged content"),
        pytest.param(lambda _, parts: [*parts, b"a buffer"], id="buffers"),
        pytest.param(lambda _, parts: parts[:4], id="a part too few"),
        pytest.param(lambda one, parts: signed_header(one, parts, version="4.1"), id="an older protocol"),
        pytest.param(lambda one, parts: signed_header(one, parts, version=None), id="no version"),
        pytest.param(lambda one, parts: signed_header(one, parts, date=None), id="no date"),
        pytest.param(
            lambda one, parts: [one.sign([b"not json", *parts[2:5]]), b"not json", *parts[2:5]],
            id="no JSON header",
        ),
        pytest.param(
            lambda one, parts: [one.sign([*parts[1:4], b'"\xff"']), *parts[1:4], b'"\xff"'], id="not UTF-8"
        ),
    ],
)
def test_what_is_not_plain_is_left_to_jupyter_server(session: Session, spoil: Any) -> None:
    parts = list(parts_of(sent(session, "stream", CONTENTS["stream"])))
    assert as_text(receiver(), "iopub", parts) is not None
    assert as_text(receiver(), "iopub", spoil(session, parts)) is None


def test_a_replayed_message_is_not_passed_on_again(session: Session) -> None:
    parts, one = parts_of(sent(session, "stream", CONTENTS["stream"])), receiver()
    assert as_text(one, "iopub", parts) is not None
    assert as_text(one, "iopub", parts) is None


def test_a_kernel_of_an_older_protocol_is_adapted_by_jupyter_server(session: Session) -> None:
    one = receiver()
    one.adapt_version = 4
    assert as_text(one, "iopub", parts_of(sent(session, "stream", CONTENTS["stream"]))) is None


@pytest.mark.parametrize(
    ("kind", "content", "state"),
    [
        ("status", {"execution_state": "idle"}, "idle"),
        ("stream", {"name": "stdout", "text": '"status"'}, None),
        ("stream", {"execution_state": "idle"}, None),
    ],
)
def test_only_a_status_tells_a_state(session: Session, kind: str, content: Any, state: str | None) -> None:
    assert execution_state(receiver(), parts_of(sent(session, kind, content))) == state


def test_an_unsigned_status_tells_nothing(session: Session) -> None:
    parts = list(parts_of(sent(session, "status", {"execution_state": "idle"})))
    assert execution_state(receiver(), changed(parts, 0, b"0" * 64)) is None


def test_a_message_without_a_delimiter_is_refused() -> None:
    with pytest.raises(ValueError, match="not in list"):
        parts_of([b"topic", b"no delimiter"])
    assert parts_of([b"topic", DELIM, b"signature"]) == [b"signature"]
