"""Interrupting what a kernel does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.parity.behaviour import behaviour

if TYPE_CHECKING:
    from bench.parity.side import Side

BEGUN = "print('begun', flush=True)\n"


def interrupted(side: Side, code: str) -> Any:
    """Return how a cell ends that is interrupted once it has begun, and what runs behind it."""
    kernel_id, page = side.any_kernel_page()
    cell = page.cell(f"import time, subprocess\n{BEGUN}{code}").said("begun")
    status = side.interrupt(kernel_id)
    return {"status": status, "end": cell.wait().status, "next": page.run("print('next')").seen}


@behaviour("time.sleep is interrupted")
def sleep(side: Side) -> Any:
    return interrupted(side, "time.sleep(60)")


@behaviour("a loop in Python is interrupted")
def loop(side: Side) -> Any:
    return interrupted(side, "while True: pass")


@behaviour("a long sum in C is interrupted when it gives Python a chance")
def c_code(side: Side) -> Any:
    return interrupted(side, "while True: sum(range(3_000_000))")


@behaviour("a child process is interrupted")
def child(side: Side) -> Any:
    return interrupted(side, "subprocess.run(['sleep', '60'])")


@behaviour("a shell escape is interrupted")
def escape(side: Side) -> Any:
    kernel_id, page = side.any_kernel_page()
    cell = page.cell("!echo begun; sleep 60").said("begun")
    status = side.interrupt(kernel_id)
    return {"status": status, "end": cell.wait().status.split()[0], "next": page.run("print('next')").seen}


@behaviour("a child process with handlers of its own gets the signal")
def handler_of_child(side: Side) -> Any:
    kernel_id, page = side.any_kernel_page()
    code = "import signal, time, sys\nsignal.signal(signal.SIGINT, lambda *_: (open('heard', 'w'), sys.exit(0)))\n"
    code += "open('ready', 'w')\nwhile True: time.sleep(0.05)"
    cell = page.cell(f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {code!r}])\n")
    side.there("ready")
    side.interrupt(kernel_id)
    side.there("heard")
    return cell.wait().status


@behaviour("os.system is interrupted: it leaves the signal to its child")
def system(side: Side) -> Any:
    kernel_id, page = side.any_kernel_page()
    cell = page.cell("import os\nos.system('echo begun; sleep 20')").said("begun")
    side.interrupt(kernel_id)
    return [cell.wait(15).status.split()[0], page.run("print('next')").seen]


@behaviour("a cell catches the interrupt and goes on")
def caught(side: Side) -> Any:
    kernel_id, page = side.any_kernel_page()
    code = f"import time\ntry:\n    {BEGUN}    time.sleep(60)\nexcept KeyboardInterrupt:\n    print('caught')"
    cell = page.cell(code).said("begun")
    side.interrupt(kernel_id)
    return cell.wait().seen


@behaviour("an interrupt aborts the cells that wait")
def aborts(side: Side) -> Any:
    kernel_id, page = side.any_kernel_page()
    running = page.cell(f"import time\n{BEGUN}time.sleep(60)").said("begun")
    waiting = [page.cell("print('no')"), page.cell("print('nor this')")]
    page.ask("kernel_info_request", channel="control").replied()  # so they have reached the kernel, too
    side.interrupt(kernel_id)
    ends = [cell.wait().seen["end"] for cell in (running, *waiting)]
    return [ends, page.run("print('next')").seen]


@behaviour("an interrupt of a kernel that does nothing harms nothing")
def idle(side: Side) -> Any:
    kernel_id, page = side.any_kernel_page()
    statuses = [side.interrupt(kernel_id) for _ in range(3)]
    return [statuses, page.run("print('next')").seen]


@behaviour("a page interrupts what another page runs")
def another_page(side: Side) -> Any:
    kernel_id, one = side.any_kernel_page()
    other = side.page(kernel_id)
    cell = one.cell(f"import time\n{BEGUN}time.sleep(60)").said("begun")
    said = other.ask("interrupt_request", channel="control").replied()["status"]
    return [said, cell.wait().status, other.run("print('next')").seen]


@behaviour("an interrupt twice in a row")
def twice(side: Side) -> Any:
    kernel_id, page = side.any_kernel_page()
    for _ in range(2):
        cell = page.cell(f"import time\n{BEGUN}time.sleep(60)").said("begun")
        side.interrupt(kernel_id)
        cell.wait()
    return page.run("print('next')").seen


@behaviour("a kernel that does not exist cannot be interrupted, restarted, deleted or asked", best=[404] * 4)
def nobody(side: Side) -> Any:
    kernel_id = "11111111-2222-4333-8444-555555555555"
    path = f"kernels/{kernel_id}"
    verbs = [("POST", f"{path}/interrupt"), ("POST", f"{path}/restart"), ("DELETE", path), ("GET", path)]
    return [side.status(*verb) for verb in verbs]
