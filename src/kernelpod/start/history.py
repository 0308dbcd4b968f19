"""Where IPython keeps the history of cells: SQLite, which waits for locks that an NFS server may not give."""

from __future__ import annotations

from itertools import pairwise

from kernelpod.settings.sections import Settings

HISTORY_FILE = "/tmp/ipython-history.sqlite"  # noqa: S108 - in a pod, where /tmp is the kernel's own
_IPYTHON = {("-m", "ipykernel"), ("-m", "ipykernel_launcher")}
_TRAITS = ("--HistoryManager.hist_file", "--HistoryManager.enabled", "--HistoryAccessor.")


def with_history(argv: tuple[str, ...], settings: Settings) -> tuple[str, ...]:
    """Return the command of a kernel with `kernels.ipython_history`.

    Only commands that start ipykernel in a pod change, unless they say themselves where the history is.
    Source: IPython's `HistoryManager`, https://ipython.readthedocs.io/en/stable/config/options/terminal.html
    """
    in_pod = settings.runtime.kind == "kubernetes" and settings.kernels.ipython_history == "pod"
    is_ipython = any(pair in _IPYTHON for pair in pairwise(argv))
    if in_pod and is_ipython and "--" not in argv and not any(word.startswith(_TRAITS) for word in argv):
        return (*argv, f"--HistoryManager.hist_file={HISTORY_FILE}")
    return argv
