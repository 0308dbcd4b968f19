"""Cells that run: what they show, how they end, and what is kept of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.parity.behaviour import behaviour

if TYPE_CHECKING:
    from bench.parity.side import Side

MEBIBYTE = 1024 * 1024


@behaviour("a cell prints and has a result")
def prints(side: Side) -> Any:
    cell = side.new_page().run("print('hello')\n6 * 7")
    return {**cell.seen, "types": cell.types, "states": cell.states, "count": cell.reply["execution_count"]}


@behaviour("a cell raises an exception")
def raises(side: Side) -> Any:
    cell = side.any_page().run("def f():\n    return 1 / 0\nf()")
    traceback = cell.reply["traceback"]
    return {**cell.seen, "lines": len(traceback), "coloured": "\x1b[" in "".join(traceback)}


@behaviour("a cell with a syntax error")
def syntax_error(side: Side) -> Any:
    return side.any_page().run("x = = 1").seen


@behaviour("an empty cell")
def empty(side: Side) -> Any:
    page = side.new_page()
    return [page.run("").seen, page.run("# nothing").seen, page.run("1").reply["execution_count"]]


@behaviour("a silent cell shows no result and is not counted")
def silent(side: Side) -> Any:
    page = side.new_page()
    cell = page.run("x = 3\nx", silent=True)
    return {**cell.seen, "types": cell.types, "next": page.run("x").reply["execution_count"]}


@behaviour("a cell without history is not counted")
def without_history(side: Side) -> Any:
    page = side.new_page()
    page.run("a = 1", store_history=False)
    return [page.run("a").reply["execution_count"], page.run("In").shown]


@behaviour("user expressions are answered, also one that fails")
def user_expressions(side: Side) -> Any:
    expressions = {"sum": "x + 1", "bad": "nothing_there"}
    said = side.any_page().run("x = 41", user_expressions=expressions).reply["user_expressions"]
    return {"sum": said["sum"]["data"], "bad": [said["bad"]["status"], said["bad"]["ename"]]}


@behaviour("an error aborts the cells behind it")
def stop_on_error(side: Side) -> Any:
    page = side.any_page()
    cells = [page.cell(code) for code in ("import time; time.sleep(0.5); 1/0", "print('no')", "print('nor this')")]
    return [*(cell.wait().seen for cell in cells), page.run("print('later')").seen]


@behaviour("without stop_on_error the cells behind an error run")
def go_on_after_error(side: Side) -> Any:
    page = side.any_page()
    cells = [page.cell(code, stop_on_error=False) for code in ("1/0", "print('yes')")]
    return [cell.wait().seen for cell in cells]


@behaviour("Run All with 500 cells: each ends, in order, with its output")
def run_all(side: Side) -> Any:
    page = side.new_page()
    cells = [page.cell(f"print({number})\n{number}") for number in range(500)]
    for cell in cells:
        cell.wait(60)
    wrong = [
        number
        for number, cell in enumerate(cells)
        if cell.shown != [f"stdout: {number}\n", f"execute_result: text/plain {number}"]
    ]
    counts = [cell.reply["execution_count"] for cell in cells]
    return {"wrong": wrong, "counts in order": counts == list(range(1, 501)), "replies": _replies(cells)}


def _replies(cells: list[Any]) -> int:
    return sum(len(cell.replies()) for cell in cells)


@behaviour("a cell of 8 MiB of code runs")
def huge_code(side: Side) -> Any:
    page = side.any_page()
    code = f"x = '{'y' * 8 * MEBIBYTE}'\nprint(len(x))"
    return page.cell(code).wait(60).seen


@behaviour("a cell with await, and tasks that go on behind it")
def asynchronous(side: Side) -> Any:
    page = side.any_page()
    first = page.run(
        "import asyncio\nfinished = asyncio.Event()\n"
        "async def later():\n    await go.wait()\n    print('later')\n    finished.set()\n"
        "go = asyncio.Event()\ntask = asyncio.ensure_future(later())\nawait asyncio.sleep(0.01)\n'now'"
    )
    second = page.run("go.set()\nawait finished.wait()\nawait asyncio.sleep(0.3)\nprint('end')")
    return [first.seen, second.seen]


@behaviour("a thread prints after its cell has ended")
def thread_after_the_end(side: Side) -> Any:
    page = side.any_page()
    first = page.run(
        "import threading, time\ngo = threading.Event()\n"
        "def late():\n    go.wait()\n    print('late', flush=True)\n"
        "thread = threading.Thread(target=late)\nthread.start()"
    )
    page.run("go.set()\nthread.join()")
    page.first(lambda one: "late" in str(one["content"].get("text")), "output of the thread")
    return {"shown in the cell of the thread": first.shown}


@behaviour("a task prints after its cell has ended")
def task_after_the_end(side: Side) -> Any:
    page = side.any_page()
    page.run("import asyncio\nasync def late():\n    await asyncio.sleep(0.3)\n    print('late', flush=True)")
    cell = page.run("task = asyncio.ensure_future(late())")
    page.first(lambda one: "late" in str(one["content"].get("text")), "output of the task")
    return cell.shown


@behaviour("output of child processes, of a shell escape and of file descriptors is shown")
def children(side: Side) -> Any:
    page = side.any_page()
    codes = (
        "!echo shell; echo error >&2",
        "import subprocess\nsubprocess.run(['echo', 'child'], check=True)\nNone",
        "import os\nos.write(1, b'descriptor\\n')\nos.system('echo system')\nNone",
        "%%bash\necho magic",
    )
    return [{"end": cell.status, "text": cell.text.replace("\r", "")} for cell in map(page.run, codes)]


@behaviour("history of a notebook: In, Out, _ and counts")
def history_names(side: Side) -> Any:
    page = side.new_page()
    for code in ("1 + 1", "_ + 1", "Out[1] * 10"):
        page.run(code)
    cell = page.run("print(In[1:4], Out, _)")
    return [cell.text, cell.reply["execution_count"]]


@behaviour("the payload of %load and set_next_input")
def next_input(side: Side) -> Any:
    return side.any_page().run("get_ipython().set_next_input('print(1)')").reply["payload"]


@behaviour("a question mark opens the pager")
def pager(side: Side) -> Any:
    payload = side.any_page().run("len?").reply["payload"]
    return [
        [one["source"], sorted(one["data"]), "Return the number" in one["data"]["text/plain"]] for one in payload
    ]


@behaviour("text that is not UTF-8 is printed")
def bad_text(side: Side) -> Any:
    page = side.any_page()
    return [page.run("print('a\\udcffb')").seen, page.run("print('next')").seen]


@behaviour("an exception with text that is not UTF-8 ends its cell")
def bad_error(side: Side) -> Any:
    page = side.any_page()
    return [page.run("raise ValueError('a\\udcffb')").seen, page.run("print('next')").seen]


@behaviour("half an emoji in a cell harms no later cell", best={"end": "ok", "shown": ["stdout: next\n"]})
def half_emoji(side: Side) -> Any:
    page = side.new_page()
    page.cell("x = '\ud83d'")
    return page.run("print('next')").seen


@behaviour("text of many scripts, emoji, NUL and control characters")
def many_scripts(side: Side) -> Any:
    return side.any_page().run("print('äß漢字 ',  '\\N{PARTY POPPER}', 'עברית', '\\x00\\x07|\\r|\\t|')").seen


@behaviour("metadata of a cell reach the kernel")
def cell_metadata(side: Side) -> Any:
    code = "print(get_ipython().kernel.get_parent()['metadata'])"
    return side.any_page().run(code, metadata={"cellId": "abc", "deletedCells": [], "trusted": True}).seen


@behaviour("two cells run one behind the other, and their states follow one another")
def two_in_order(side: Side) -> Any:
    page = side.any_page()
    first, second = page.cell("import time\ntime.sleep(0.3)\nprint(1)"), page.cell("print(2)")
    second.wait()
    known = {first.msg_id: "first", second.msg_id: "second"}
    states = [one for one in page.messages if one["msg_type"] == "status"]
    in_order = [
        [known.get(one["parent_header"].get("msg_id")), one["content"]["execution_state"]] for one in states
    ]
    return [one for one in in_order if one[0]]


@behaviour("a cell that raises SystemExit, and one that raises KeyboardInterrupt")
def exits(side: Side) -> Any:
    page = side.any_page()
    return [page.run(code).seen for code in ("raise SystemExit(3)", "raise KeyboardInterrupt", "print('next')")]


@behaviour("warnings, logging and tracebacks go to stderr")
def standard_error(side: Side) -> Any:
    code = "import sys, logging\nprint('out', flush=True)\nprint('err', file=sys.stderr, flush=True)"
    page = side.any_page()
    return [page.run(code).shown, page.run("logging.warning('careful')").text]


@behaviour("timing and other magics")
def magics(side: Side) -> Any:
    page = side.new_page()
    timed = page.run("%time x = 1").text
    return ["Wall time" in timed or "CPU times" in timed, page.run("%who_ls").shown, page.run("%nonsense").text]


@behaviour("multiprocessing in a cell")
def multiprocessing(side: Side) -> Any:
    code = "import multiprocessing\nwith multiprocessing.get_context('fork').Pool(2) as pool:\n"
    return side.any_page().run(f"{code}    print(pool.map(abs, [-1, -2, 3]))").seen
