"""Questions of the kernel to the person: `input()`, passwords, and what happens to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.parity.behaviour import behaviour, shows

if TYPE_CHECKING:
    from bench.parity.page import Message, Page
    from bench.parity.side import Side

ASK = "print('hello', input('who? '))"


def question(page: Page, number: int = 1) -> Message:
    """Return the content of the page's n-th question when it is here."""

    def asked() -> Any:
        found = [one["content"] for one in page.messages if one["msg_type"] == "input_request"]
        return found[number - 1 : number]

    content: Message = page.wait(asked, f"question {number}")[0]
    return content


def questions(page: Page) -> int:
    """Return how many questions a page has got."""
    return sum(one["msg_type"] == "input_request" for one in page.messages)


@behaviour("input() is asked and answered")
def asked(side: Side) -> Any:
    page = side.any_page()
    cell = page.cell(ASK)
    content = question(page)
    page.answer("owl")
    return [content, cell.wait().seen]


@behaviour("a password is asked without an echo")
def password(side: Side) -> Any:
    page = side.any_page()
    cell = page.cell("import getpass\nlen(getpass.getpass('secret: '))")
    content = question(page)
    page.answer("owl")
    return [content, cell.wait().seen]


@behaviour("two questions in one cell")
def twice(side: Side) -> Any:
    page = side.any_page()
    cell = page.cell("print(input('a') + input('b'))")
    for number in (1, 2):
        question(page, number)
        page.answer(f"{number}")
    return [cell.wait().seen, questions(page)]


@behaviour("an answer that is empty, and one of many lines and scripts")
def odd_answers(side: Side) -> Any:
    page = side.any_page()
    cell = page.cell("print(repr(input()), repr(input()))")
    for number, text in enumerate(("", "ü\n漢\t\U0001f389 'x'"), 1):
        question(page, number)
        page.answer(text)
    return cell.wait().seen


@behaviour("with two pages, only the one that asked gets the question")
def two_pages(side: Side) -> Any:
    kernel_id, one = side.any_kernel_page()
    other = side.page(kernel_id)
    cell = one.cell(ASK)
    question(one)
    one.answer("owl")
    end = cell.wait().seen
    cell.on(other).said("hello owl")
    return [end, questions(one), questions(other)]


@behaviour("a cell that may not ask gets an error")
def not_allowed(side: Side) -> Any:
    return side.any_page().run(ASK, allow_stdin=False).seen


@behaviour("a question is interrupted")
def interrupted(side: Side) -> Any:
    kernel_id, page = side.any_kernel_page()
    cell = page.cell(ASK)
    question(page)
    side.interrupt(kernel_id)
    return [cell.wait().status, page.run("print('next')").seen]


@behaviour("the kernel is restarted while it asks, and asks again afterwards", best=[200, shows("hello owl")])
def restarted(side: Side) -> Any:
    kernel_id, page = side.kernel_page()
    page.cell(ASK)
    question(page)
    status = side.restart(kernel_id)
    cell = page.cell(ASK)
    question(page, 2)
    page.answer("owl")
    return [status, cell.wait().seen]


@behaviour("a page is reloaded while the kernel asks, and answers after it")
def reloaded(side: Side) -> Any:
    kernel_id, page = side.any_kernel_page()
    cell = page.cell(ASK)
    question(page)
    page.leave()
    again = side.page(kernel_id)
    again.answer("owl")
    return [cell.on(again).said("hello owl").text, again.run("print('next')").seen]


@behaviour(
    "a page that was cut off comes back while the kernel asks: it has the question, and answers",
    best=[{"prompt": "who? ", "password": False}, "hello owl\n"],
)
def cut_off(side: Side) -> Any:
    kernel_id, page = side.any_kernel_page()
    cell = page.cell("import os, time\nwhile not os.path.exists('go'): time.sleep(0.05)\n" + ASK).running()
    page.drop()
    side.touch("go")
    again = side.page(kernel_id, page.session)
    content = question(again)
    again.answer("owl")
    return [content, cell.on(again).said("hello owl").text]


@behaviour("the debugger of Python asks in the cell")
def pdb(side: Side) -> Any:
    page = side.any_page()
    cell = page.cell("x = 7\nimport pdb; pdb.set_trace()\nprint('behind')")
    for number, command in enumerate(("p x * 6", "c"), 1):
        question(page, number)
        page.answer(command)
    end = cell.wait()
    return [end.status, "42" in end.text, "behind" in end.text]


@behaviour("an answer that nobody asked for harms nothing")
def unasked(side: Side) -> Any:
    page = side.any_page()
    page.answer("early")
    cell = page.cell(ASK)
    question(page)
    page.answer("owl")
    return [cell.wait().seen, page.run("print('next')").seen]
