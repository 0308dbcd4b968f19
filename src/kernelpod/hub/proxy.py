"""Runs the Python configurable-http-proxy with fixes for paths, headers, time-outs, HTTPS and activity times.

Release 0.4.0 has these defects:

- It decodes and re-encodes every path. `/user/a@b.org/` arrives as `/user/a%40b.org/`, which the server refuses.
- It keeps only the last of repeated headers. A hub that gets user names in a header cannot see that there are two.
- Its HTTP client makes 10 requests at a time, with 20 s for each. Ten starting kernels would block all users, and
  a slow start would end in an error page.
- It always tells the hub that browsers use HTTP, and it does not support HTTPS.
- It reports the last use of a server in local time, which the hub takes for UTC. East of Greenwich, no server
  would be idle for hours.
- It cannot tell hosts apart, so servers could not have subdomains.

With these fixes, JupyterHub.ssl_cert and ssl_key work, and a renewed certificate is used within seconds. With
JupyterHub.subdomain_host, `--hub-url` keeps the hub's pages away from the hosts of servers. Run as
`python -m kernelpod.hub.proxy`, with the same arguments.
"""

from __future__ import annotations

import argparse
import datetime
import sys
from typing import Any
from urllib.parse import urlsplit

from configurable_http_proxy import cli, configproxy
from configurable_http_proxy.handlers import AsyncHTTPClient, ProxyHandler
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPHeaders
from tornado.ioloop import PeriodicCallback

from kernelpod.base.certificate import RENEWAL_SECONDS, Certificate
from kernelpod.base.logs import escape_logs

MAX_REQUESTS = 1000
# Long enough for downloads. A server that has ended is detected by its closed connection.
REQUEST_SECONDS = 3600


class SamePathHandler(ProxyHandler):
    """Forwards requests with unchanged paths. The targets of a hub's routes have no path of their own."""

    hub_url = ""
    """The hub's URL in browsers if each server has a host below the hub's; empty if they share the hub's host."""

    def prepare(self) -> None:
        """Join the values of repeated headers."""
        headers = self.request.headers
        for name in headers:
            if len(values := headers.get_list(name)) > 1:
                headers[name] = ("; " if name == "Cookie" else ", ").join(values)
        super().prepare()

    def _get_proxy_request(self, url: Any) -> Any:
        """Return the request to the target; it is marked as HTTPS if this proxy or an earlier one uses HTTPS."""
        request = super()._get_proxy_request(url)
        request.headers = HTTPHeaders(request.headers)
        given = self.request.headers.get("X-Forwarded-Proto", "").rpartition(",")[2].strip().lower()
        request.headers["X-Forwarded-Proto"] = "https" if "https" in (self.request.protocol, given) else "http"
        return request

    async def get_target_url(self, path: str) -> Any:
        """Return the target's URL with the path and query of the request.

        The hub answers on every host that has no server. Below its own host that is a redirect to it: a login on a
        server's host would give the server's pages the hub's cookies.
        """
        host = str(self.request.host_name).lower()
        url = await super().get_target_url(f"{host}/{path}" if self.proxy.host_routing else path)
        below = bool(self.hub_url) and host.endswith(f".{urlsplit(self.hub_url).hostname}")
        if url and below and not self.target["prefix"].startswith(f"/{host}/"):
            self.redirect(f"{self.hub_url}{self.request.uri}")
            return None
        return url and urlsplit(url)._replace(path=self.request.path).geturl()


class UtcProxy(configproxy.PythonProxy):
    """Records in UTC when a route was last used."""

    def update_last_activity(self, prefix: str) -> Any:
        """Record that a route is used now."""
        now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
        return self._routes.update(prefix, {"last_activity": now}) if self._routes.get(prefix) else None


def be_patient() -> None:
    """Allow many requests at the same time, and a long time for each."""
    AsyncHTTPClient.configure(None, max_clients=MAX_REQUESTS, defaults={"request_timeout": REQUEST_SECONDS})


def with_https(words: list[str]) -> list[str]:
    """Return the arguments without --ssl-cert and --ssl-key, and turn HTTPS on. Exits for unusable files."""
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


def with_host_routing(words: list[str]) -> list[str]:
    """Return the arguments without --hub-url, and with --host-routing in the form that the proxy takes."""
    parser = argparse.ArgumentParser(prog="kernelpod.hub.proxy", add_help=False, allow_abbrev=False)
    parser.add_argument("--hub-url", default="")
    parser.add_argument("--host-routing", action="store_true")
    given, others = parser.parse_known_args(words)
    SamePathHandler.hub_url = given.hub_url.rstrip("/") if given.host_routing else ""
    return [*others, "--host-routing=1"] if given.host_routing else others


def _serve_https(certificate: str, key: str | None) -> None:
    held = Certificate(certificate, key)
    # The proxy creates two servers: the first serves browsers, the second is the API with which the hub sets
    # routes.
    contexts = iter([held.context])
    cli.HTTPServer = lambda app: HTTPServer(app, ssl_options=next(contexts, None))
    PeriodicCallback(held.renew, RENEWAL_SECONDS * 1000).start()


if __name__ == "__main__":
    escape_logs()
    be_patient()
    configproxy.ProxyHandler = SamePathHandler
    cli.PythonProxy = UtcProxy
    cli.main(with_host_routing(with_https(sys.argv[1:])))
