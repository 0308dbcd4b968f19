"""Where IPython keeps the history of cells, by settings and commands."""

from __future__ import annotations

import pytest

from kernelpod.settings.sections import Settings
from kernelpod.start.history import with_history

COMMAND = ("python", "-m", "ipykernel_launcher", "-f", "{connection_file}")
IN_POD = "--HistoryManager.hist_file=/tmp/ipython-history.sqlite"


@pytest.mark.parametrize(
    ("argv", "runtime", "history", "added"),
    [
        (COMMAND, "kubernetes", "pod", True),
        (
            ("python3.12", "-Xfrozen_modules=off", "-m", "ipykernel", "-f", "{connection_file}"),
            "kubernetes",
            "pod",
            True,
        ),
        (COMMAND, "kubernetes", "home", False),
        (COMMAND, "local", "pod", False),
        (("python", "-m", "bash_kernel", "-f", "{connection_file}"), "kubernetes", "pod", False),
        (("R", "--slave", "-e", "IRkernel::main()"), "kubernetes", "pod", False),
        (("sh", "-c", "exec python -m ipykernel_launcher -f {connection_file}"), "kubernetes", "pod", False),
        (("ipykernel", "-m"), "kubernetes", "pod", False),
        ((), "kubernetes", "pod", False),
        ((*COMMAND, "--", "x"), "kubernetes", "pod", False),
        ((*COMMAND, "--HistoryManager.hist_file=:memory:"), "kubernetes", "pod", False),
        ((*COMMAND, "--HistoryManager.enabled=False"), "kubernetes", "pod", False),
        ((*COMMAND, "--InteractiveShell.colors=linux"), "kubernetes", "pod", True),
    ],
)
def test_only_ipython_in_pods_is_told_where_its_history_is(
    argv: tuple[str, ...], runtime: str, history: str, added: bool
) -> None:
    settings = Settings.model_validate({"runtime": {"kind": runtime}, "kernels": {"ipython_history": history}})
    assert with_history(argv, settings) == ((*argv, IN_POD) if added else argv)
