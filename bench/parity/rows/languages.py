"""A kernel of another language, which knows less of Jupyter's protocol than Python's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.parity.behaviour import behaviour

if TYPE_CHECKING:
    from bench.parity.side import Side


@behaviour("bash: cells, errors and completions")
def cells(side: Side) -> Any:
    page = side.new_page("bash-kernel")
    said = page.ask("complete_request", {"code": "ech", "cursor_pos": 3}).wait().reply["matches"]
    return [page.run("x=5; echo $((x * 2))").seen, page.run("false").status, "echo" in said]


@behaviour("bash: an interrupt, and a restart")
def verbs(side: Side) -> Any:
    kernel_id, page = side.kernel_page("bash-kernel")
    cell = page.cell("echo begun; sleep 60").said("begun")
    side.interrupt(kernel_id)
    end = cell.wait().status
    return [end, page.run("echo next").seen, side.restart(kernel_id), page.run("echo ${x:-fresh}").seen]


@behaviour("bash: a page is loaded anew in the middle of a cell")
def loaded_anew(side: Side) -> Any:
    kernel_id, page = side.kernel_page("bash-kernel")
    cell = page.cell("echo begin; while [ ! -e go ]; do sleep 0.05; done; echo end").said("begin")
    page.drop()
    again = side.page(kernel_id, page.session)
    side.touch("go")
    return cell.on(again).wait().status
