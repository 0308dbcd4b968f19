"""The gateway: Jupyter Enterprise Gateway, subclassed; the only package that imports it."""

from kernelpod.gateway.compat import supply_distutils
from kernelpod.gateway.without_ssh import leave_out_ssh

supply_distutils()
leave_out_ssh()
