"""The gateway's process: a subclass of Jupyter Enterprise Gateway. No other room imports Enterprise Gateway.

This room holds the pages, the kernel managers and the requests to the hub. `start` decides whether a kernel may
start and with which plan; `runtime` runs it.
"""

from kernelpod.gateway.compat import prepare_import

prepare_import()
