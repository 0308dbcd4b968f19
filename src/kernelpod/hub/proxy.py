"""The Python configurable-http-proxy, passing paths on as the browser wrote them.

Release 0.4.0 decodes and re-encodes every path, so that `/user/a@b.org/` arrives as `/user/a%40b.org/` and
the user's server does not know it. It reduces headers that are there several times to the last, so that a hub that
is told a user's name cannot see that it was told two. And it asks with the defaults of its HTTP client, 10
requests at a time and 20 s for each: ten kernels that start would block everybody, and a slow start would end in
an error page.
Run as `python -m kernelpod.hub.proxy`, with the same arguments.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from configurable_http_proxy import configproxy
from configurable_http_proxy.cli import main
from configurable_http_proxy.handlers import AsyncHTTPClient, ProxyHandler

MAX_REQUESTS = 1000
# Downloads, too. A server that is gone is known by its connection.
REQUEST_SECONDS = 3600


class SamePathHandler(ProxyHandler):
    """Forwards to the target's root, which is what a hub's routes are."""

    def prepare(self) -> None:
        """Join headers that are there several times."""
        headers = self.request.headers
        for name in headers:
            if len(values := headers.get_list(name)) > 1:
                headers[name] = ("; " if name == "Cookie" else ", ").join(values)
        super().prepare()

    async def get_target_url(self, path: str) -> Any:
        """Return the target's URL with the path and query of the request."""
        url = await super().get_target_url(path)
        return url and urlsplit(url)._replace(path=self.request.path).geturl()


def be_patient() -> None:
    """Let many requests wait for their servers, each for long."""
    AsyncHTTPClient.configure(None, max_clients=MAX_REQUESTS, defaults={"request_timeout": REQUEST_SECONDS})


if __name__ == "__main__":
    be_patient()
    configproxy.ProxyHandler = SamePathHandler
    main()
