"""The gateway's process: a subclass of Jupyter Enterprise Gateway. No other room imports Enterprise Gateway.

This room holds the pages, the kernel managers and the requests to the hub. `start` decides whether a kernel may
start and with which plan; `runtime` runs it.
"""

from kernelpod.gateway.compat import supply_distutils
from kernelpod.gateway.without_addresses import leave_out_addresses
from kernelpod.gateway.without_ssh import leave_out_ssh

supply_distutils()
leave_out_addresses()
leave_out_ssh()
