"""The Python configurable-http-proxy, passing paths on as the browser wrote them.

Release 0.4.0 decodes and re-encodes every path, so that `/user/a@b.org/` arrives as `/user/a%40b.org/` and
the user's server does not know it. It reduces headers that are there several times to the last, so that a hub that
is told a user's name cannot see that it was told two. And it asks with the defaults of its HTTP client, 10
requests at a time and 20 s for each: ten kernels that start would block everybody, and a slow start would end in
an error page. It tells the hub that browsers speak HTTP even if they do not, and speaks no HTTPS itself; here
JupyterHub.ssl_cert and ssl_key work, and a certificate that is renewed is used within seconds. It tells the hub in
the machine's own time when a server was last used, which the hub takes for UTC: east of Greenwich none would be
idle for hours.
Run as `python -m kernelpod.hub.proxy`, with the same arguments.
"""

from __future__ import annotations

import argparse
import datetime
import logging
import ssl
import sys
from typing import Any
from urllib.parse import urlsplit

from configurable_http_proxy import cli, configproxy
from configurable_http_proxy.handlers import AsyncHTTPClient, ProxyHandler
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPHeaders
from tornado.ioloop import PeriodicCallback

MAX_REQUESTS = 1000
# Downloads, too. A server that is gone is known by its connection.
REQUEST_SECONDS = 3600
RENEWAL_SECONDS = 10
_log = logging.getLogger(__name__)


class SamePathHandler(ProxyHandler):
    """Forwards to the target's root, which is what a hub's routes are."""

    def prepare(self) -> None:
        """Join headers that are there several times."""
        headers = self.request.headers
        for name in headers:
            if len(values := headers.get_list(name)) > 1:
                headers[name] = ("; " if name == "Cookie" else ", ").join(values)
        super().prepare()

    def _get_proxy_request(self, url: Any) -> Any:
        """Return the request to the target. The browser speaks HTTPS if this proxy does, or a server before it."""
        request = super()._get_proxy_request(url)
        request.headers = HTTPHeaders(request.headers)
        given = self.request.headers.get("X-Forwarded-Proto", "").rpartition(",")[2].strip().lower()
        request.headers["X-Forwarded-Proto"] = "https" if "https" in (self.request.protocol, given) else "http"
        return request

    async def get_target_url(self, path: str) -> Any:
        """Return the target's URL with the path and query of the request."""
        url = await super().get_target_url(path)
        return url and urlsplit(url)._replace(path=self.request.path).geturl()


class UtcProxy(configproxy.PythonProxy):
    """Notes in UTC when a route was last used."""

    def update_last_activity(self, prefix: str) -> Any:
        """Note that a route is used now."""
        now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
        return self._routes.update(prefix, {"last_activity": now}) if self._routes.get(prefix) else None


def be_patient() -> None:
    """Let many requests wait for their servers, each for long."""
    AsyncHTTPClient.configure(None, max_clients=MAX_REQUESTS, defaults={"request_timeout": REQUEST_SECONDS})


def with_https(words: list[str]) -> list[str]:
    """Return the arguments without --ssl-cert and --ssl-key, which take effect here. Exits if they cannot."""
    parser = argparse.ArgumentParser(prog="kernelpod.hub.proxy", add_help=False, allow_abbrev=False)
    parser.add_argument("--ssl-cert")
    parser.add_argument("--ssl-key")
    given, others = parser.parse_known_args(words)
    if given.ssl_key and not given.ssl_cert:
        parser.error("--ssl-key needs --ssl-cert")
    if given.ssl_cert:
        try:
            _serve_https(given.ssl_cert, given.ssl_key)
        except OSError as error:
            parser.error(f"certificate {given.ssl_cert} and key {given.ssl_key} cannot be used: {error}")
    return others


def _serve_https(certificate: str, key: str | None) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)

    def renew() -> None:
        try:
            context.load_cert_chain(certificate, key)
        except OSError as error:
            # Its files are written one after the other.
            _log.warning("certificate %s is not read again: %s", certificate, error)

    # Of the two servers that are made, the first is people's and the second the hub's way to set routes.
    contexts = iter([context])
    cli.HTTPServer = lambda app: HTTPServer(app, ssl_options=next(contexts, None))
    PeriodicCallback(renew, RENEWAL_SECONDS * 1000).start()


if __name__ == "__main__":
    be_patient()
    configproxy.ProxyHandler = SamePathHandler
    cli.PythonProxy = UtcProxy
    cli.main(with_https(sys.argv[1:]))
