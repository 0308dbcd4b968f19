"""The NFS server (ganesha, in user space) that exports homes and kernelspecs from the node's address."""

from __future__ import annotations

from pathlib import Path

from .layout import NODE_IP, RUN, Layout
from .processes import Component
from .shell import succeeds

EXPORTS = ("homes", "kernelspecs")
RECOVERY = RUN / "nfs-recovery"

SERVER = """\
NFS_CORE_PARAM {{
    Protocols = 4; NFS_Port = 2049; Bind_addr = {address};
    Enable_NLM = false; Enable_RQUOTA = false;
}}
NFSv4 {{
    Grace_Period = 1; Lease_Lifetime = 10; RecoveryBackend = fs; RecoveryRoot = {recovery};
    Allow_Numeric_Owners = true; Only_Numeric_Owners = true;
}}
NFS_KRB5 {{ Active_krb5 = false; }}
LOG {{ Default_Log_Level = WARN; }}
"""
EXPORT = """\
EXPORT {{
    Export_Id = {number}; Path = {folder}; Pseudo = /{name};
    Access_Type = RW; Squash = No_Root_Squash; Protocols = 4; Transports = TCP; SecType = sys;
    FSAL {{ Name = VFS; }}
}}
"""


def write(layout: Layout) -> Path:
    """Make the exported folders; the server's configuration file."""
    blocks = [SERVER.format(address=NODE_IP, recovery=RECOVERY)]
    RECOVERY.mkdir(exist_ok=True)
    for number, name in enumerate(EXPORTS, start=1):
        folder = layout.nfs / name
        folder.mkdir(parents=True, exist_ok=True)
        blocks.append(EXPORT.format(number=number, folder=folder, name=name))
    configuration = layout.state / "ganesha.conf"
    configuration.write_text("".join(blocks))
    return configuration


def server(layout: Layout) -> Component:
    """The server; it is ready when it lists an export over NFS."""
    pid_file = str(RUN / "ganesha.pid")
    argv = ["ganesha.nfsd", "-F", "-f", str(layout.state / "ganesha.conf"), "-L", "/dev/stderr", "-p", pid_file]
    listing = ["nfs-ls", f"nfs://{NODE_IP}/{EXPORTS[-1]}?version=4"]
    return Component("nfs", argv, lambda: succeeds(listing, seconds=3))
