"""JupyterHub on one machine: servers in sandboxes, kernels through the gateway.

The settings file is the one the gateway uses; KERNELPOD_SETTINGS names it, and KERNELPOD_HUB the hub if they have
several. Where the hub has courses, end your own file with `let_lists_decide(c)` of kernelpod.hub.config, after the
authenticator is chosen.
"""

import os
from pathlib import Path

from kernelpod.hub.config import configure
from kernelpod.settings import FILE_VARIABLE, load

c = get_config()  # noqa: F821 - JupyterHub provides it

configure(c, load(Path(os.environ[FILE_VARIABLE])), os.environ.get("KERNELPOD_HUB", ""))
c.JupyterHub.spawner_class = "kernelpod.hub.spawner.SandboxSpawner"
