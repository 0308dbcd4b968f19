"""Output: large, fast, rich, replaced and taken back."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any

from bench.parity.behaviour import behaviour

if TYPE_CHECKING:
    from bench.parity.side import Side

NEXT = {"end": "ok", "shown": ["stdout: next\n"]}
MEBIBYTE = 1024 * 1024
SHOW = "from IPython.display import display\ndisplay({{'text/plain': 'x' * {size}}}, raw=True)"
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40).decode()


def one_output(side: Side, megabytes: int) -> Any:
    """Return what becomes of one output of so many MiB, and of the cell behind it."""
    page = side.any_page()
    cell = page.cell(SHOW.format(size=megabytes * MEBIBYTE)).wait(60)
    shown = [
        len(one["content"]["data"]["text/plain"]) for one in cell.messages if one["msg_type"] == "display_data"
    ]
    return {"end": cell.status, "characters": shown, "next": page.run("print('next')").seen}


@behaviour("one output of 1 MiB")
def one_mebibyte(side: Side) -> Any:
    return one_output(side, 1)


@behaviour("one output of 9 MiB")
def nine_mebibytes(side: Side) -> Any:
    return one_output(side, 9)


@behaviour("one output of 12 MiB")
def twelve_mebibytes(side: Side) -> Any:
    return one_output(side, 12)


@behaviour("one output of 60 MiB")
def sixty_mebibytes(side: Side) -> Any:
    return one_output(side, 60)


@behaviour("8 MB printed in a loop: cut, and said once, and the next cell is shown")
def printed_in_a_loop(side: Side) -> Any:
    page = side.any_page()
    cell = page.run("for _ in range(80): print('x' * 100_000, flush=True)")
    says = cell.text.count("IOPub data rate exceeded"), len(cell.text) < 5_000_000
    return [cell.status, says, page.run("print('next')").seen]


@behaviour("8,000 outputs at once: if they are cut, it is said, and the cell ends", best=["ok", True, NEXT])
def many_outputs(side: Side) -> Any:
    page = side.any_page()
    code = "from IPython.display import display\nfor n in range(8000): display({'text/plain': 'x'}, raw=True)"
    cell = page.cell(code).wait(60)
    said = "IOPub message rate exceeded" in cell.text
    return [cell.status, said == (cell.types.count("display_data") < 8000), page.run("print('next')").seen]


@behaviour("2 MB of lines are all shown")
def many_lines(side: Side) -> Any:
    cell = side.any_page().run("for n in range(40_000): print(f'line {n:06}', 'x' * 38)")
    lines = cell.text.splitlines()
    return [cell.status, len(lines), lines[:1], lines[-1:], len(cell.text)]


@behaviour("a cell that prints without end is interrupted, and the kernel is usable")
def endless(side: Side) -> Any:
    kernel_id, page = side.any_kernel_page()
    cell = page.cell("while True: print('x' * 1000)").said("x")
    side.interrupt(kernel_id)
    return [cell.wait(60).status, page.run("print('next')").seen]


@behaviour("clear_output, with and without wait")
def clear_output(side: Side) -> Any:
    code = "from IPython.display import clear_output\nprint(1, flush=True)\nclear_output({})\nprint(2)"
    page = side.any_page()
    return [page.run(code.format(wait)).shown for wait in ("", "wait=True")]


@behaviour("a display is updated by a later cell")
def update_display(side: Side) -> Any:
    page = side.any_page()
    first = page.run("from IPython.display import display\nshown = display('one', display_id='d1')")
    second = page.run("shown.update('two')\nshown.display('three')")
    cells = [one for cell in (first, second) for one in cell.messages if "display" in one["msg_type"]]
    return [[one["msg_type"], one["content"]["data"], one["content"]["transient"]] for one in cells]


@behaviour("a picture, and rich output of every kind, byte for byte")
def pictures(side: Side) -> Any:
    data = {"image/png": PNG, "text/html": "<b>ü</b>", "text/latex": "$x^2$", "application/json": {"a": [1, None]}}
    data |= {"image/svg+xml": "<svg/>", "text/markdown": "# T", "application/vnd.v5+json": {"n": 1.5e300}}
    shows = f"display({data!r}, raw=True, metadata={{'image/png': {{'width': 9}}}})"
    cell = side.any_page().run(f"from IPython.display import display\n{shows}")
    shown = next(one["content"] for one in cell.messages if one["msg_type"] == "display_data")
    png = base64.b64decode(shown["data"].pop("image/png"))
    return [cell.types, shown["data"], shown["metadata"], hashlib.sha256(png).hexdigest()[:16]]


@behaviour("objects with a rich representation of their own")
def representations(side: Side) -> Any:
    code = "class Rich:\n    def _repr_html_(self): return '<i>rich</i>'\n    def __repr__(self): return 'plain'"
    return side.any_page().run(f"{code}\nRich()").shown


@behaviour("a figure at the end of a cell, as matplotlib's backend shows it")
def figures(side: Side) -> Any:
    code = f"""
import base64
from IPython.display import display
class Figure:
    def _repr_png_(self): return base64.b64decode({PNG!r})
    def __repr__(self): return '<Figure>'
def flush(): display(Figure(), metadata={{'image/png': {{'width': 640}}}})
get_ipython().events.register('post_execute', flush)
"""
    cell = side.new_page().run(code + "print('drawn')")
    shown = [one["content"] for one in cell.messages if one["msg_type"] == "display_data"]
    same = [one["data"]["image/png"].replace("\n", "") == PNG for one in shown]
    return [cell.status, cell.types, [one["metadata"] for one in shown], same]


@behaviour("a progress bar with carriage returns")
def progress(side: Side) -> Any:
    code = "import sys\nfor n in range(5): print(f'\\r{n}/4', end='', file=sys.stderr, flush=True)"
    return side.any_page().run(code).text


@behaviour("output captured by %%capture, and shown later")
def captured(side: Side) -> Any:
    page = side.any_page()
    return [page.run("%%capture kept\nprint('x')").shown, page.run("kept.show()").shown]


@behaviour("numbers that JSON does not know, in output data")
def odd_numbers(side: Side) -> Any:
    code = "from IPython.display import display\ndisplay({'application/json': {'a': float('nan')}}, raw=True)"
    page = side.any_page()
    cell = page.run(code)
    return [cell.status, cell.types, page.run("print('next')").seen]


@behaviour("output with 3 MB of metadata")
def metadata(side: Side) -> Any:
    page = side.any_page()
    shows = "display({'text/plain': 'x'}, raw=True, metadata={'text/plain': {'m': 'y' * 3_000_000}})"
    cell = page.run(f"from IPython.display import display\n{shows}")
    shown = [one["content"]["metadata"] for one in cell.messages if one["msg_type"] == "display_data"]
    return [cell.status, [len(one["text/plain"]["m"]) for one in shown]]


@behaviour("output of a deeply nested structure")
def nested(side: Side) -> Any:
    code = "x = []\nfor _ in range(400): x = [x]\nfrom IPython.display import display\n"
    page = side.any_page()
    cell = page.run(f"{code}display({{'application/json': {{'x': x}}}}, raw=True)")
    return [cell.status, cell.types, page.run("print('next')").seen]
