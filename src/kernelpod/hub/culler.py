"""JupyterHub's idle culler, which begins once every server has had time to report, and ends with its hub.

By itself it looks as soon as the hub has started. After a hub that was away for long, every server would look idle
then, also one whose kernel computes: the hub heard nothing of it meanwhile. So none may be left by a hub that was
killed, either.
Run as `python -m kernelpod.hub.culler SECONDS`, followed by the culler's own arguments.
"""

from __future__ import annotations

import ctypes
import signal
import sys
import time

import jupyterhub_idle_culler

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Wait for as many seconds as the first argument says, then cull until ended."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    time.sleep(float(sys.argv.pop(1)))
    jupyterhub_idle_culler.main()


if __name__ == "__main__":
    main()
