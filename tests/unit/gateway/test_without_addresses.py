"""The gateway starts on a machine that has no address but the loopback's."""

from __future__ import annotations

import subprocess
import sys

# As in a container without `ip` and `ifconfig` whose name is in no list.
ALONE = """
import socket
def nothing(*_): raise socket.gaierror("no such name")
socket.gethostbyname_ex = nothing
import kernelpod.gateway.app
from enterprise_gateway.services.processproxies import processproxy
print(processproxy.local_ip)
"""


def test_a_machine_without_an_address_will_do() -> None:
    command = [sys.executable, "-c", ALONE]
    environment = {"PATH": "/nonexistent"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "127.0.0.1\n"), done.stderr
