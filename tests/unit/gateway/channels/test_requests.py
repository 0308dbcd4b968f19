"""What a kernel has not read is counted by channel; what it has not answered is known by id."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("enterprise_gateway", reason="the base package has no gateway")

from kernelpod.gateway.channels.requests import MOST_REQUESTS, Requests
from kernelpod.gateway.channels.wire import FromPage, from_page


def message(msg_id: str, kind: str = "execute_request", channel: str = "shell", size: int = 100) -> FromPage:
    """Return a message whose content has this size."""
    text = json.dumps({"header": {"msg_id": msg_id, "msg_type": kind}, "channel": channel})
    return from_page(f'{text[:-1]}, "content": "{"x" * (size - 2)}"}}')


def added(*messages: FromPage) -> Requests:
    requests = Requests()
    for one in messages:
        requests.add("page", one)
    return requests


def size(*messages: FromPage) -> int:
    return sum(len(part) for one in messages for part in one.parts)


def test_what_is_begun_was_read_with_all_before_it() -> None:
    one, two, three = (message(msg_id) for msg_id in "123")
    requests = added(one, two, three)
    assert requests.unread_bytes == size(one, two, three)
    requests.read("2")
    assert requests.unread_bytes == size(three)
    requests.read("2")
    requests.read("unknown")
    assert requests.unread_bytes == size(three)


def test_answers_of_the_control_channel_say_nothing_of_the_shell() -> None:
    cell, debug = message("cell"), message("debug", "debug_request", "control")
    requests = added(cell, debug)
    requests.read("debug")
    assert requests.unread_bytes == size(cell)


def test_a_message_sent_twice_counts_once() -> None:
    assert added(message("1", size=500), message("1")).unread_bytes == size(message("1"))


def test_only_requests_are_answered() -> None:
    requests = added(message("1"), message("2", "comm_msg"))
    assert (requests.asked("1") is not None, requests.asked("2")) == (True, None)
    answered = requests.answer("1")
    assert answered is not None
    assert (answered.session, answered.channel, answered.msg_type) == ("page", "shell", "execute_request")
    assert requests.answer("1") is None


def test_the_oldest_requests_are_forgotten() -> None:
    requests = added(*(message(str(number), size=2) for number in range(MOST_REQUESTS + 1)))
    assert requests.asked("0") is None
    assert requests.asked("1") is not None


def test_a_kernel_that_ends_has_read_nothing_and_answers_nothing() -> None:
    requests = added(message("1"), message("2", "comm_msg", "control"))
    assert [one.msg_type for one in requests.end()] == ["execute_request"]
    assert (requests.unread_bytes, requests.asked("1"), requests.end()) == (0, None, [])


def test_what_has_no_reply_when_a_later_question_has_one_is_lost() -> None:
    one, two, three = (message(msg_id) for msg_id in "123")
    requests = added(one, two)
    requests.doubt(requests.asked_on("shell"), "question")
    requests.add("page", three)
    requests.answer("1")
    assert requests.lost("1") is None
    assert [request.header for request in requests.lost("question") or ()] == [two.parts[0]]
    assert requests.lost("question") is None
    assert requests.asked_on("shell") == ["3"]


def test_a_restart_leaves_no_doubt() -> None:
    requests = added(message("1"))
    requests.doubt(["1"], "question")
    requests.end()
    assert requests.lost("question") is None


@pytest.mark.parametrize(("subshell", "asked"), [(None, ["1"]), ("s1", [])])
def test_subshells_answer_by_themselves(subshell: str | None, asked: list[str]) -> None:
    header = {"msg_id": "1", "msg_type": "execute_request", "subshell_id": subshell}
    text = json.dumps({"header": header, "channel": "shell", "content": {}})
    assert added(from_page(text)).asked_on("shell") == asked
