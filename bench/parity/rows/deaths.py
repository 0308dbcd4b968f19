"""Kernels that end by themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.parity.behaviour import behaviour, shows

if TYPE_CHECKING:
    from bench.parity.side import Side

FRESH = shows("fresh")
BEST = {"told": True, "end": "error KernelEnded", "next": FRESH}
# Signals its parent, which is the kernel, from a process of its own.
KILL = "import os, signal, subprocess, sys\nsubprocess.run(['bash', '-c', f'kill -{} {{os.getpid()}}'])\n"


def death(side: Side, code: str) -> Any:
    """Return what a page sees of a kernel that ends in a cell, and of the kernel after it."""
    kernel_id, page = side.kernel_page()
    page.run("x = 1")
    cell = page.cell(code)
    page.first(lambda one: one["content"].get("execution_state") in {"restarting", "dead"}, "word of its end")
    after = page.run("print('old' if 'x' in globals() else 'fresh')").seen
    state = side.eventually(lambda: side.model(kernel_id)["execution_state"] == "idle", "kernel that is idle")
    return {"told": state, "end": cell.status, "next": after}


@behaviour("the kernel is killed by a signal, in a cell", best=BEST)
def killed(side: Side) -> Any:
    return death(side, f"{KILL.format('KILL')}import time; time.sleep(60)")


@behaviour("the kernel has a segmentation fault", best=BEST)
def segfault(side: Side) -> Any:
    return death(side, "import ctypes; ctypes.string_at(0)")


@behaviour("the kernel leaves by os._exit", best=BEST)
def leaves(side: Side) -> Any:
    return death(side, "import os; os._exit(3)")


@behaviour("a cell calls exit()")
def calls_exit(side: Side) -> Any:
    kernel_id, page = side.kernel_page()
    page.run("x = 1")
    cell = page.cell("exit()").wait()
    payload = [one["source"] for one in cell.reply.get("payload", [])]
    page.first(lambda one: one["content"].get("execution_state") in {"restarting", "dead"}, "word of its end")
    side.eventually(lambda: side.model(kernel_id).get("execution_state") == "idle", "kernel that is idle")
    return [cell.status, payload, side.page(kernel_id).run("print('x' in globals())").seen]


@behaviour("the kernel is killed while no cell runs", best=[FRESH, True])
def killed_idle(side: Side) -> Any:
    kernel_id, page = side.kernel_page()
    page.run("x = 1\nimport subprocess, os\nsubprocess.Popen(['bash', '-c', f'sleep 0.5; kill -9 {os.getpid()}'])")
    page.first(lambda one: one["content"].get("execution_state") in {"restarting", "dead"}, "word of its end")
    after = page.run("print('old' if 'x' in globals() else 'fresh')").seen
    return [after, side.model(kernel_id)["id"] == kernel_id]


@behaviour("a memory error is an exception, and the kernel lives on")
def memory_error(side: Side) -> Any:
    page = side.any_page()
    page.run("x = 1")
    return [page.run("bytearray(10 ** 15)").seen, page.run("print(x)").seen]


@behaviour("recursion without end is an exception, and the kernel lives on")
def recursion(side: Side) -> Any:
    page = side.any_page()
    return [page.run("def f(): f()\nf()").status, page.run("print('next')").seen]


@behaviour("a kernel that dies again and again is restarted each time", best=shows("1"))
def again_and_again(side: Side) -> Any:
    _, page = side.kernel_page()
    for number in range(3):
        page.cell("import os; os._exit(3)")
        page.wait(lambda: _deaths(page) > number, f"word of end {number}")  # noqa: B023 - asked at once
        page.run("x = 1")
    return page.run("print(x)").seen


def _deaths(page: Any) -> int:
    return sum(one["content"].get("execution_state") == "restarting" for one in page.messages)


@behaviour(
    "a cell that waits behind one that kills the kernel does not hang", best=["error KernelEnded"] * 2 + [FRESH]
)
def waiting(side: Side) -> Any:
    _, page = side.kernel_page()
    cells = [page.cell("import os, time; time.sleep(0.5); os._exit(3)"), page.cell("print('never')")]
    page.first(lambda one: one["content"].get("execution_state") in {"restarting", "dead"}, "word of its end")
    after = page.run("print('fresh')").seen
    return [*(cell.status for cell in cells), after]


@behaviour("both pages are told of the kernel's death", best=[shows("next")] * 2)
def both_told(side: Side) -> Any:
    kernel_id, one = side.kernel_page()
    other = side.page(kernel_id)
    one.cell("import os; os._exit(3)")
    for page in (one, other):
        page.first(lambda got: got["content"].get("execution_state") in {"restarting", "dead"}, "word of its end")
    return [page.run("print('next')").seen for page in (one, other)]
