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

With these fixes, JupyterHub.ssl_cert and ssl_key work, and a renewed certificate is used within seconds. So does
JupyterHub.internal_ssl: hub and servers are asked with a certificate and checked, and so is who sets routes. With
JupyterHub.subdomain_host, `--hub-url` keeps the hub's pages away from the hosts of servers. Run as
`python -m kernelpod.hub.proxy`, with the same arguments.
"""

from __future__ import annotations

import argparse
import datetime
import ssl
import sys
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from configurable_http_proxy import cli, configproxy
from configurable_http_proxy.handlers import AsyncHTTPClient, ProxyHandler
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPHeaders
from tornado.ioloop import IOLoop

from kernelpod.base.certificate import Certificate
from kernelpod.base.logs import escape_logs

MAX_REQUESTS = 1000
# Long enough for downloads. A server that has ended is detected by its closed connection.
REQUEST_SECONDS = 3600


class SamePathHandler(ProxyHandler):
    """Forwards requests with unchanged paths. The targets of a hub's routes have no path of their own."""

    hub_url = ""
    """The hub's URL in browsers if each server has a host below the hub's; empty if they share the hub's host."""
    tls: ssl.SSLContext | None = None
    """With what hub and servers are asked if they are reached by HTTPS; None: as any HTTPS address."""

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
        request.ssl_options = self.tls  # websockets do not have the client's defaults
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
    """Allow many requests at the same time, and a long time for each. Call it after `with_https`."""
    defaults = {"request_timeout": REQUEST_SECONDS, "ssl_options": SamePathHandler.tls}
    AsyncHTTPClient.configure(None, max_clients=MAX_REQUESTS, defaults=defaults)


def with_https(words: list[str]) -> list[str]:
    """Return the arguments without those of HTTPS, and turn HTTPS on. Exits for unusable files.

    `--ssl-` is for browsers, `--api-ssl-` for the API with which the hub sets routes, and `--client-ssl-` for what
    the proxy asks hub and servers. The other side of the last two must show a certificate.
    """
    browsers, words = _taken(words, "ssl", _for_browsers)
    api, words = _taken(words, "api-ssl", _for_the_hub)
    SamePathHandler.tls, words = _taken(words, "client-ssl", _for_targets)
    # The proxy creates two servers: the first serves browsers, the second is the API.
    contexts = iter([browsers, api])
    cli.HTTPServer = lambda app: HTTPServer(app, ssl_options=next(contexts, None))
    return words


def _taken(
    words: list[str], side: str, made: Callable[..., ssl.SSLContext]
) -> tuple[ssl.SSLContext | None, list[str]]:
    """Return the context of one side, or None if it has no certificate, and the other arguments."""
    parser = argparse.ArgumentParser(prog="kernelpod.hub.proxy", add_help=False, allow_abbrev=False)
    names = ("cert", "key") if side == "ssl" else ("cert", "key", "ca")
    for name in names:
        parser.add_argument(f"--{side}-{name}", dest=name)
    # JupyterHub gives both of these with every authority, and with an authority both are always done.
    for flag in ("request-cert", "reject-unauthorized") if "ca" in names else ():
        parser.add_argument(f"--{side}-{flag}", action="store_true")
    given, others = parser.parse_known_args(words)
    files = [getattr(given, name) for name in names]
    if not given.cert:
        if any(files):
            parser.error(f"--{side}-key needs --{side}-cert")
        return None, others
    if "ca" in names and not given.ca:
        parser.error(f"--{side}-cert needs --{side}-ca")
    try:
        return made(*files), others
    except OSError as error:
        parser.error(f"certificate {given.cert} and key {given.key} cannot be used: {error}")


def with_host_routing(words: list[str]) -> list[str]:
    """Return the arguments without --hub-url, and with --host-routing in the form that the proxy takes."""
    parser = argparse.ArgumentParser(prog="kernelpod.hub.proxy", add_help=False, allow_abbrev=False)
    parser.add_argument("--hub-url", default="")
    parser.add_argument("--host-routing", action="store_true")
    given, others = parser.parse_known_args(words)
    SamePathHandler.hub_url = given.hub_url.rstrip("/") if given.host_routing else ""
    return [*others, "--host-routing=1"] if given.host_routing else others


def _for_browsers(certificate: str, key: str | None) -> ssl.SSLContext:
    held = Certificate(certificate, key)
    IOLoop.current().add_callback(held.watch)
    return held.context


def _for_the_hub(certificate: str, key: str | None, authorities: str) -> ssl.SSLContext:
    context = Certificate(certificate, key).context
    context.load_verify_locations(authorities)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def _for_targets(certificate: str, key: str | None, authorities: str) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=authorities)
    context.load_cert_chain(certificate, key)
    return context


if __name__ == "__main__":
    escape_logs()
    configproxy.ProxyHandler = SamePathHandler
    cli.PythonProxy = UtcProxy
    arguments = with_host_routing(with_https(sys.argv[1:]))
    be_patient()
    cli.main(arguments)
