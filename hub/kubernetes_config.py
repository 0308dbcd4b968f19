"""JupyterHub in a cluster: servers as pods, kernels through the gateway. The configuration of the hub's image.

KERNELPOD_SETTINGS names the gateway's settings, and KERNELPOD_HUB the hub if the settings have several.
KERNELPOD_HUB_CONFIG names a YAML file of traits by class, such as `{Authenticator: {admin_users: [carol]}}`, which
overrides everything else. An error in that file stops the hub with a message.
"""

import os
import sys
from pathlib import Path

from kernelpod.findings.finding import FindingsError
from kernelpod.hub.authorities import copy_authorities
from kernelpod.hub.config import configure, use_course_allow_list, use_proxy, use_revoke_page
from kernelpod.hub.configfile.traits import configure_from
from kernelpod.hub.spawners.pod import configure_kubespawner
from kernelpod.settings.loading import FILE_VARIABLE, load

c = get_config()  # noqa: F821 - JupyterHub provides it

settings = load(Path(os.environ[FILE_VARIABLE]))
configure(c, settings, os.environ.get("KERNELPOD_HUB", ""))
configure_kubespawner(c, settings)
if password := os.environ.get("KERNELPOD_TRIAL_PASSWORD"):
    c.DummyAuthenticator.password = password
try:
    configure_from(c, Path(os.environ["KERNELPOD_HUB_CONFIG"]))
except FindingsError as error:
    sys.exit(error.message)
copy_authorities(c)
use_proxy(c)
use_course_allow_list(c)
use_revoke_page(c)
