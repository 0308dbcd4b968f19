"""Runs JupyterHub's idle culler. It waits until every server has had time to report, and ends with its hub.

The culler itself checks as soon as the hub has started. If the hub was down for long, all servers would look idle
then, even those with busy kernels, because the hub has not received their reports. For the same reason, a culler
must not outlive a hub that was killed. Run as `python -m kernelpod.hub.culler SECONDS`, followed by the culler's
own arguments.
"""

from __future__ import annotations

import ctypes
import signal
import sys
import time

import jupyterhub_idle_culler

from kernelpod.base.logs import escape_logs

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Wait for the seconds in the first argument, then cull until terminated."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    escape_logs()
    time.sleep(float(sys.argv.pop(1)))
    jupyterhub_idle_culler.main()


if __name__ == "__main__":
    main()
