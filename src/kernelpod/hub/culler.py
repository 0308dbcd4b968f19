"""Runs JupyterHub's idle culler. It waits until every server has had time to report, and ends with its hub.

The culler itself checks as soon as the hub has started. If the hub was down for long, all servers would look idle
then, even those with busy kernels, because the hub has not received their reports. For the same reason, a culler
must not outlive a hub that was killed. Run as `python -m kernelpod.hub.culler SECONDS`, followed by the culler's
own arguments.

The culler expects the certificates of JupyterHub.internal_ssl in files of certain names, whose authority may lie
elsewhere. It shows the certificate that the hub made for this service instead.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time

import jupyterhub_idle_culler
from jupyterhub.utils import make_ssl_context

from kernelpod.base.logs import escape_logs

_PR_SET_PDEATHSIG = 1
FILES = ("KEYFILE", "CERTFILE", "CLIENT_CA")


def main() -> None:
    """Wait for the seconds in the first argument, then cull until terminated."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    escape_logs()
    time.sleep(float(sys.argv.pop(1)))
    if context := make_ssl_context(*(os.environ.get(f"JUPYTERHUB_SSL_{what}") for what in FILES)):
        jupyterhub_idle_culler.make_ssl_context = lambda *_: context
        sys.argv.append("--ssl-enabled=true")
    jupyterhub_idle_culler.main()


if __name__ == "__main__":
    main()
