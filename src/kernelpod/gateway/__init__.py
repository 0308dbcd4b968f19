"""The gateway's process: Jupyter Enterprise Gateway, subclassed. The only package that imports it.

Here belong its pages, its kernel managers, and what it asks the hub. What a kernel is and whether it may start is
decided in `start`; where it runs is `runtime`.
"""

from kernelpod.gateway.compat import supply_distutils
from kernelpod.gateway.without_addresses import leave_out_addresses
from kernelpod.gateway.without_ssh import leave_out_ssh

supply_distutils()
leave_out_addresses()
leave_out_ssh()
