"""A hub of the tests: on loopback, without servers, logins as the file that KERNELPOD_HUB_CONFIG names says."""

import os
import sys
from pathlib import Path

from kernelpod.hub.configfile.traits import configure_from

c = get_config()  # noqa: F821 - JupyterHub provides it

c.JupyterHub.bind_url = os.environ["TEST_HUB_URL"]
c.JupyterHub.hub_bind_url = os.environ["TEST_HUB_INNER_URL"]
c.JupyterHub.spawner_class = "simple"
c.ConfigurableHTTPProxy.command = [sys.executable, "-m", "kernelpod.hub.proxy"]
c.ConfigurableHTTPProxy.api_url = os.environ["TEST_HUB_PROXY_API"]
configure_from(c, Path(os.environ["KERNELPOD_HUB_CONFIG"]))
