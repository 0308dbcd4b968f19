"""JupyterHub on one machine: servers in sandboxes, kernels through the gateway.

The settings file is the one the gateway uses; KERNELPOD_SETTINGS names it, and KERNELPOD_HUB the hub if they have
several. Choose the authenticator before this file is loaded.
"""

import os
from pathlib import Path

from kernelpod.hub.config import configure, let_lists_decide
from kernelpod.settings import FILE_VARIABLE, load

c = get_config()  # noqa: F821 - JupyterHub provides it

configure(c, load(Path(os.environ[FILE_VARIABLE])), os.environ.get("KERNELPOD_HUB", ""))
c.JupyterHub.spawner_class = "kernelpod.hub.spawner.SandboxSpawner"
let_lists_decide(c)
