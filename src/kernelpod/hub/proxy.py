"""The Python configurable-http-proxy, passing paths on as the browser wrote them.

Release 0.4.0 decodes and re-encodes every path, so that `/user/a@b.org/` arrives as `/user/a%40b.org/` and
the user's server does not know it. Run as `python -m kernelpod.hub.proxy`, with the same arguments.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from configurable_http_proxy import configproxy
from configurable_http_proxy.cli import main
from configurable_http_proxy.handlers import ProxyHandler


class SamePathHandler(ProxyHandler):
    """Forwards to the target's root, which is what a hub's routes are."""

    async def get_target_url(self, path: str) -> Any:
        """Return the target's URL with the path and query of the request."""
        url = await super().get_target_url(path)
        return url and urlsplit(url)._replace(path=self.request.path).geturl()


if __name__ == "__main__":
    configproxy.ProxyHandler = SamePathHandler
    main()
