"""JupyterHub on one machine: servers in sandboxes, kernels through the gateway.

KERNELPOD_SETTINGS names the settings file, the same as the gateway's. KERNELPOD_HUB names the hub if the settings
have several. KERNELPOD_HUB_CONFIG may name a YAML file of traits by class, such as hub/one-machine/config.yaml,
which overrides everything else. Without it, write a file of your own that loads this one and sets the
authenticator. It must end with `use_course_allow_list(c)`, if the hub has courses, and `use_revoke_page(c)`, if
admins shall revoke users in their browser; both are in kernelpod.hub.config.
"""

import os
import sys
from pathlib import Path

from kernelpod.findings.finding import FindingsError
from kernelpod.hub.config import configure, use_course_allow_list, use_proxy, use_revoke_page
from kernelpod.hub.configfile.traits import configure_from
from kernelpod.settings.loading import FILE_VARIABLE, load

c = get_config()  # noqa: F821 - JupyterHub provides it

configure(c, load(Path(os.environ[FILE_VARIABLE])), os.environ.get("KERNELPOD_HUB", ""))
c.JupyterHub.spawner_class = "kernelpod.hub.spawners.sandbox.SandboxSpawner"
if file := os.environ.get("KERNELPOD_HUB_CONFIG"):
    try:
        configure_from(c, Path(file))
    except FindingsError as error:
        sys.exit(error.message)
    use_course_allow_list(c)
    use_revoke_page(c)
use_proxy(c)
