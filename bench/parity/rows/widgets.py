"""Comms, which widgets are made of: both ways, with buffers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.parity.behaviour import behaviour, shows
from bench.parity.page import Late

if TYPE_CHECKING:
    from bench.parity.page import Message, Page
    from bench.parity.side import Side

MEBIBYTE = 1024 * 1024
COMM = """
from ipykernel.comm import Comm
comm = Comm(target_name="pictures", data={"n": 1}, buffers=[b"opened\\x00\\xff"])
def received(message):
    buffers = [bytes(one) for one in message["buffers"]]
    comm.send({"got": [len(one) for one in buffers]}, buffers=[b"answer\\xfe", *buffers])
comm.on_msg(received)
"""
TARGET = """
def opened(comm, message):
    comm.send({"hello": message["content"]["data"]})
    comm.on_msg(lambda got: comm.send({"again": got["content"]["data"]}))
    comm.on_close(lambda got: print("closed", got["content"]["data"]))
get_ipython().kernel.comm_manager.register_target("target", opened)
"""


def comm(page: Page, kind: str, number: int = 1, seconds: float = 30) -> Message:
    """Return the page's n-th message of a kind of comm when it is here."""

    def arrived() -> list[Message]:
        return [one for one in page.messages if one["msg_type"] == f"comm_{kind}"]

    try:
        found: list[Message] = page.wait(lambda: arrived()[number - 1 :], f"comm_{kind}", seconds)
    except Late as late:
        raise Late(f"{late}: {len(arrived())} of {number}, among {len(page.messages)} messages") from late
    return found[0]


def sent(message: Message) -> Any:
    """Return data and buffers of a comm's message."""
    return [message["content"]["data"], [bytes(one).hex()[:40] for one in message["buffers"]]]


@behaviour("a comm of the kernel with buffers both ways")
def both_ways(side: Side) -> Any:
    page = side.any_page()
    page.run(COMM)
    opened = comm(page, "open")
    page.ask("comm_msg", {"comm_id": opened["content"]["comm_id"], "data": {}}, buffers=[b"\x00\x80", b"x"])
    return [
        opened["content"]["target_name"],
        sent(opened),
        sent(comm(page, "msg")),
        page.run("print('next')").seen,
    ]


@behaviour("an empty buffer, and 500 buffers")
def many_buffers(side: Side) -> Any:
    page = side.any_page()
    page.run(COMM)
    comm_id = comm(page, "open")["content"]["comm_id"]
    page.ask("comm_msg", {"comm_id": comm_id, "data": {}}, buffers=[b"", b"x"])
    page.ask("comm_msg", {"comm_id": comm_id, "data": {}}, buffers=[b"y"] * 500)
    return [sent(comm(page, "msg")), len(comm(page, "msg", 2)["buffers"])]


@behaviour("a widget of the kernel with 10,000 buffers")
def ten_thousand_buffers(side: Side) -> Any:
    page = side.any_page()
    page.run(f"{COMM}comm.send({{}}, buffers=[b'z'] * 10_000)")
    return [len(comm(page, "msg")["buffers"]), page.run("print('next')").seen]


@behaviour("a buffer of 9 MiB both ways, as an upload and a picture")
def large_buffer(side: Side) -> Any:
    page = side.any_page()
    page.run(COMM)
    comm_id = comm(page, "open")["content"]["comm_id"]
    page.ask("comm_msg", {"comm_id": comm_id, "data": {}}, buffers=[b"\xff" * 9 * MEBIBYTE])
    answer = comm(page, "msg", seconds=60)
    return [answer["content"]["data"], [len(one) for one in answer["buffers"]], page.run("print('next')").seen]


@behaviour("a picture of 30 MiB in the buffer of a widget")
def picture(side: Side) -> Any:
    page = side.any_page()
    page.run(f"{COMM}comm.send({{}}, buffers=[bytes({30 * MEBIBYTE})])")
    return [[len(one) for one in comm(page, "msg", seconds=60)["buffers"]], page.run("print('next')").seen]


@behaviour("a page opens a comm, talks and closes it")
def from_page(side: Side) -> Any:
    page = side.any_page()
    page.run(TARGET)
    content = {"comm_id": "c1", "target_name": "target", "data": {"a": 1}}
    page.ask("comm_open", content)
    hello = sent(comm(page, "msg"))
    page.ask("comm_msg", {"comm_id": "c1", "data": {"b": 2}})
    again = sent(comm(page, "msg", 2))
    closed = page.ask("comm_close", {"comm_id": "c1", "data": {"c": 3}})
    page.wait(lambda: "closed" in closed.text, "word of the end")
    return [hello, again, closed.text]


@behaviour("a comm of an unknown target is closed")
def unknown_target(side: Side) -> Any:
    page = side.any_page()
    page.ask("comm_open", {"comm_id": "c2", "target_name": "nobody", "data": {}})
    return comm(page, "close")["content"]


@behaviour("a message of a comm that is gone harms nothing")
def gone(side: Side) -> Any:
    page = side.any_page()
    page.ask("comm_msg", {"comm_id": "never", "data": {}})
    return page.run("print('next')").seen


@behaviour("what a widget sends while a cell runs comes after it, in order")
def while_busy(side: Side) -> Any:
    page = side.any_page()
    page.run(COMM)
    comm_id = comm(page, "open")["content"]["comm_id"]
    cell = page.cell("import os, time\nwhile not os.path.exists('go'): time.sleep(0.05)").running()
    for size in (1, 2, 3):
        page.ask("comm_msg", {"comm_id": comm_id, "data": {}}, buffers=[b"z" * size])
    side.touch("go")
    return [cell.wait().status, [comm(page, "msg", number)["content"]["data"] for number in (1, 2, 3)]]


@behaviour("a widget's messages reach both pages")
def two_pages(side: Side) -> Any:
    kernel_id, one = side.any_kernel_page()
    other = side.page(kernel_id)
    other.run("pass")  # so that it hears the kernel
    one.run(COMM)
    comm_id = comm(other, "open")["content"]["comm_id"]
    other.ask("comm_msg", {"comm_id": comm_id, "data": {}}, buffers=[b"\x01"])
    return [sent(comm(page, "msg")) for page in (one, other)]


@behaviour("a page that is reloaded finds the widgets of the kernel")
def found_again(side: Side) -> Any:
    kernel_id, page = side.kernel_page()
    page.run(COMM)
    page.leave()
    again = side.page(kernel_id)
    known = again.ask("comm_info_request", {"target_name": "pictures"}).wait().reply["comms"]
    again.ask("comm_msg", {"comm_id": next(iter(known)), "data": {}}, buffers=[b"\x02"])
    return sent(comm(again, "msg"))


@behaviour("a slider that is dragged: 300 messages, each answered in order")
def dragged(side: Side) -> Any:
    page = side.any_page()
    page.run(TARGET)
    page.ask("comm_open", {"comm_id": "c3", "target_name": "target", "data": {}})
    for number in range(300):
        page.ask("comm_msg", {"comm_id": "c3", "data": number})
    comm(page, "msg", 301)
    answers = [one["content"]["data"].get("again") for one in page.messages if one["msg_type"] == "comm_msg"]
    return answers[1:] == list(range(300))


@behaviour("a comm with buffers to a page that was away", best=[[{}, ["6c617465"]], shows("next")])
def away(side: Side) -> Any:
    kernel_id, page = side.any_kernel_page()
    page.run(COMM)
    page.cell(
        "import os, time\nwhile not os.path.exists('go'): time.sleep(0.05)\ncomm.send({}, buffers=[b'late'])"
    ).running()
    page.drop()
    side.touch("go")
    again = side.page(kernel_id, page.session)
    return [sent(comm(again, "msg")), again.run("print('next')").seen]
