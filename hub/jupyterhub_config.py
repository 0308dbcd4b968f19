"""JupyterHub on one machine: servers in sandboxes, kernels through the gateway.

The settings file is the one the gateway uses; KERNELPOD_SETTINGS names it.
"""

import os
from pathlib import Path

from kernelpod.hub.config import configure
from kernelpod.settings import FILE_VARIABLE, load

c = get_config()  # noqa: F821 - JupyterHub provides it

settings_file = os.environ[FILE_VARIABLE]
configure(c, load(Path(settings_file)))
c.JupyterHub.spawner_class = "kernelpod.hub.spawner.SandboxSpawner"
c.SandboxSpawner.settings_file = settings_file
