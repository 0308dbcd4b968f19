"""JupyterHub in a cluster: servers as pods, kernels through the gateway; the configuration of the hub's image.

KERNELPOD_SETTINGS names the gateway's settings, KERNELPOD_HUB the hub if they have several, KERNELPOD_HUB_CONFIG a
YAML file of traits by class, such as `{Authenticator: {admin_users: [carol]}}`, which has the last word.
"""

import os
from pathlib import Path

import yaml

from kernelpod.hub.config import configure, let_lists_decide
from kernelpod.hub.kubernetes import configure_kubespawner
from kernelpod.settings import FILE_VARIABLE, load

c = get_config()  # noqa: F821 - JupyterHub provides it

settings = load(Path(os.environ[FILE_VARIABLE]))
configure(c, settings, os.environ.get("KERNELPOD_HUB", ""))
configure_kubespawner(c, settings)
if password := os.environ.get("KERNELPOD_TRIAL_PASSWORD"):
    c.DummyAuthenticator.password = password
given = Path(os.environ["KERNELPOD_HUB_CONFIG"]).read_text(encoding="utf-8")
for section, traits in (yaml.safe_load(given) or {}).items():
    for name, value in traits.items():
        c[section][name] = value
let_lists_decide(c)
