"""A hub of the tests: on loopback, without servers, logins as the file that KERNELPOD_HUB_CONFIG names says.

If KERNELPOD_SETTINGS names settings, it has the gateway's service and the page that revokes users as well.
"""

import os
import sys
from pathlib import Path

from kernelpod.hub.authorities import copy_authorities
from kernelpod.hub.config import configure, use_revoke_page
from kernelpod.hub.configfile.traits import configure_from
from kernelpod.settings.loading import FILE_VARIABLE, load

c = get_config()  # type: ignore[name-defined] # noqa: F821 - JupyterHub provides it

if file := os.environ.get(FILE_VARIABLE):
    configure(c, load(Path(file)))
c.JupyterHub.bind_url = os.environ["TEST_HUB_URL"]
c.JupyterHub.hub_bind_url = os.environ["TEST_HUB_INNER_URL"]
c.JupyterHub.spawner_class = "simple"
c.ConfigurableHTTPProxy.command = [sys.executable, "-m", "kernelpod.hub.proxy"]
c.ConfigurableHTTPProxy.api_url = os.environ["TEST_HUB_PROXY_API"]
configure_from(c, Path(os.environ["KERNELPOD_HUB_CONFIG"]))
copy_authorities(c)
if FILE_VARIABLE in os.environ:
    use_revoke_page(c)
