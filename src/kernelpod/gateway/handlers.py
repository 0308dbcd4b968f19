"""The gateway's HTTP pages. Each authenticates its caller first; callers see only their own kernels."""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from collections import Counter
from typing import TYPE_CHECKING, Any

import enterprise_gateway
import jupyter_server
from enterprise_gateway.services.kernels import handlers as stock
from jupyter_client.jsonutil import date_default
from jupyter_server.services.kernels.handlers import KernelActionHandler
from tornado import web

from kernelpod import __version__
from kernelpod.audit import About
from kernelpod.errors import BadRequest, Denied, NotFound, TooMany, UserError, access_revoked
from kernelpod.gateway.channels.page import ChannelsPage
from kernelpod.gateway.kernelspec_pages import KernelSpecPage, KernelSpecsPage, LogoPage
from kernelpod.gateway.proven import HUB_PREFIX, JsonPage, OwnKernel, Proven
from kernelpod.gateway.revocation import RevokePage
from kernelpod.gateway.standby.forwarding import LEADER
from kernelpod.start.identity import Owner
from kernelpod.start.request import from_body
from kernelpod.start.start import launch

if TYPE_CHECKING:
    from kernelpod.gateway.kernel import DirectKernelManager

log = logging.getLogger(__name__)

NO_PAGE = "The gateway has no such page."


def _model(page: Proven, kernel_id: str) -> str:
    """Return the kernel's model for the page's caller, as JSON."""
    model = page.services.kernels.model_for(kernel_id, page.proof.identity.owner)
    return json.dumps(model, default=date_default)


class KernelsPage(Proven, stock.MainKernelHandler):
    """GET lists the caller's kernels; POST starts one."""

    _launching: asyncio.Future[Any] | None = None
    _revoked = False
    _body: bytes = b""
    _counted: Owner | None = None

    async def prepare(self) -> None:
        """Authenticate the caller, and count a POST, which asks for a kernel. Raises UserError."""
        self.action = "start" if self.request.method == "POST" else "read"
        await super().prepare()
        if self.action == "start":
            self._count()

    async def get(self) -> None:
        """Answer with the models of the kernels that the caller may access."""
        models = self.services.kernels.models(self.may_access, self.proof.identity.owner)
        self.finish(json.dumps(models, default=date_default))

    def _count(self) -> None:
        """Count the request until it ends. Raises TooMany."""
        starts, owner, limits = self.services.starts, self.proof.identity.owner, self.services.settings.gateway
        if starts[owner] >= limits.max_starts_per_user or starts.total() >= limits.max_starts:
            raise TooMany("too_many_starts", "Too many kernels are being started. Try again in a few seconds.")
        starts[owner] += 1
        self._counted = owner

    def _count_no_more(self) -> None:
        if self._counted is not None:
            self.services.starts -= Counter([self._counted])
            self._counted = None

    def data_received(self, chunk: bytes) -> None:
        """Keep the body, as far as it is not too large."""
        if len(self._body) <= self.services.settings.gateway.max_body_bytes:
            self._body += chunk

    def on_finish(self) -> None:
        """Count the request no more."""
        self._count_no_more()
        super().on_finish()

    async def post(self) -> None:
        """Start a kernel, and answer 201 when it is ready. If the caller disconnects, the start is aborted."""
        if len(self._body) > self.services.settings.gateway.max_body_bytes:
            raise BadRequest("body_too_large", "The request body is too large for this gateway.")
        self.require_fresh()
        self.require_not_revoked()
        request = from_body(self._body, self.services.settings.kernelspecs.default)
        self.kernelspec = request.address
        kernel_id = str(uuid.uuid4())
        starter, metrics = self.services.starter, self.services.metrics
        self._launching = asyncio.ensure_future(launch(kernel_id, request, self.proof.identity, starter))
        self.services.visits.starts.add(self)
        try:
            with metrics.start_seconds.time():
                record = await self._launching
        except UserError as error:
            metrics.starts.labels(outcome=error.code).inc()
            raise
        except asyncio.CancelledError:
            if self._revoked:
                raise access_revoked() from None
            log.info("kernel %s: start aborted, the caller disconnected", kernel_id)
            self.services.audit.write(
                "start", self.actor, outcome="failed", code="aborted",
                about=About(kernel_id=kernel_id, kernelspec=self.kernelspec),
            )  # fmt: skip
            return
        finally:
            self.services.visits.starts.discard(self)
        metrics.starts.labels(outcome="ok").inc()
        self.services.audit.write("start", self.actor, about=record)
        self.set_header("Location", f"{self.request.path.rstrip('/')}/{record.kernel_id}")
        self.set_status(201)
        self.finish(_model(self, record.kernel_id))

    def is_of(self, user: Owner) -> bool:
        """Return whether the user asked for the kernel."""
        return self.proof.identity.owner.named() == user

    @property
    def ended(self) -> asyncio.Future[Any]:
        """A future that is done when the start is."""
        assert self._launching is not None  # noqa: S101 - for the type checker
        return self._launching

    def revoke(self) -> asyncio.Future[Any]:
        """Abort the start. Return a future that is done when nothing goes on any more."""
        self._revoked = True
        self.ended.cancel()
        return self.ended

    def on_connection_close(self) -> None:
        """Abort the start, because no client would learn the kernel's id."""
        self._count_no_more()
        if self._launching is not None:
            self._launching.cancel()
        super().on_connection_close()


class KernelPage(OwnKernel, stock.KernelHandler):
    """GET shows one kernel; DELETE stops it."""

    async def prepare(self) -> None:
        """Authenticate the caller, who wants to stop the kernel if this is a DELETE. Raises UserError."""
        self.action = "stop" if self.request.method == "DELETE" else "read"
        await super().prepare()

    async def get(self, kernel_id: str) -> None:
        """Answer with the kernel's model."""
        self.finish(_model(self, kernel_id))

    async def delete(self, kernel_id: str) -> None:
        """Stop the kernel: ask it to shut down, and kill it after its grace period."""
        await self.services.kernels.end(kernel_id, self.actor)
        self.set_status(204)
        self.finish()


class KernelActionPage(OwnKernel, KernelActionHandler):
    """POST interrupts or restarts a kernel."""

    async def prepare(self) -> None:
        """Authenticate the caller. Raises UserError."""
        self.action = "restart" if self.path_kwargs["action"] == "restart" else "interrupt"
        await super().prepare()

    async def post(self, kernel_id: str, action: str) -> None:
        """Answer 204 to an interrupt, and the kernel's model to a restart, which keeps id and owner."""
        await self.check_still_allowed()
        if action == "interrupt":
            await self.kernel_manager.kernel(kernel_id).interrupt_kernel()
        else:
            await self.kernel_manager.restart_kernel(kernel_id)
        if action == "restart" or self.is_foreign:
            self.services.audit.write(self.action, self.actor, about=self.record)
        if action == "interrupt":
            self.set_status(204)
            self.finish()
            return
        self.finish(_model(self, kernel_id))


class VersionPage(Proven, web.RequestHandler):
    """GET shows the versions, as in Jupyter's REST API."""

    def get(self) -> None:
        """Answer with the versions of Kernelpod, Enterprise Gateway and jupyter_server."""
        stock_version = enterprise_gateway.__version__
        versions = {
            "version": jupyter_server.__version__,
            "gateway_version": stock_version,
            "kernelpod": __version__,
        }
        self.finish(json.dumps(versions))


class MetricsPage(Proven, web.RequestHandler):
    """GET shows metrics for Prometheus to callers with the scope `identity.metrics_scope`."""

    async def check(self) -> None:
        """Raise Denied without the scope."""
        identity = self.services.settings.identity
        if not {identity.metrics_scope, identity.admin_scope} & self.proof.identity.scopes:
            raise Denied("not_permitted", f"This page needs the scope {identity.metrics_scope}.")

    def get(self) -> None:
        """Answer in Prometheus' text format."""
        kernels: list[DirectKernelManager] = list(self.services.kernels._kernels.values())
        states = [str(kernel.execution_state) for kernel in kernels]
        self.set_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.finish(self.services.metrics.text(states, sum(kernel.connection.pages for kernel in kernels)))


class HealthPage(JsonPage, web.RequestHandler):
    """GET /healthz: liveness probe of the cluster. It needs no token and shows that the event loop runs."""

    def get(self) -> None:
        """Answer at once."""
        self.finish(json.dumps({"status": "ok"}))


class ReadyPage(JsonPage, web.RequestHandler):
    """GET /readyz: readiness probe of the cluster. It needs no token.

    The gateway is ready when it has found the running kernels and can start new ones.
    """

    def get(self) -> None:
        """Answer 200, or 503 if not ready. A hub that does not answer ("silent") does not affect readiness."""
        hub = "reachable" if all(one.reachable for one in self.services.provers.values()) else "silent"
        ready = self.services.ready and self.services.kernels.runtime.ready()
        self.set_status(200 if ready else 503)
        self.finish(json.dumps({"status": "ready" if ready else "starting", "hub": hub}))


class LeaderPage(JsonPage, web.RequestHandler):
    """POST: another gateway says that it leads, and signs it. It needs no token."""

    def post(self) -> None:
        """Answer 204, or 404 if no gateway with the same settings has signed it."""
        term = self.services.origin.term(self.request)
        if term is None:
            raise NotFound("page_not_found", NO_PAGE)
        self.services.deposed(term)
        self.set_status(204)


class NoPage(Proven, web.RequestHandler):
    """All other URLs: 404, for authenticated callers."""

    def _no(self, *_: str) -> None:
        raise NotFound("page_not_found", NO_PAGE)

    get = post = put = patch = delete = head = options = _no


_KERNEL_ID = r"(?P<kernel_id>\w+-\w+-\w+-\w+-\w+)"

_OF_A_HUB: list[tuple[str, type[web.RequestHandler]]] = [
    (r"/metrics", MetricsPage),
    (r"/api", VersionPage),
    (r"/api/kernels", KernelsPage),
    (rf"/api/kernels/{_KERNEL_ID}", KernelPage),
    (rf"/api/kernels/{_KERNEL_ID}/(?P<action>restart|interrupt)", KernelActionPage),
    (rf"/api/kernels/{_KERNEL_ID}/channels", ChannelsPage),
    (r"/api/users/(?P<name>[^/]+)/revoke", RevokePage),
    (r"/api/kernelspecs", KernelSpecsPage),
    (r"/api/kernelspecs/(?P<name>[^/]+)", KernelSpecPage),
    (r"/kernelspecs/(?P<name>[^/]+)/(?P<file_name>[^/]+)", LogoPage),
]

ROUTES: list[tuple[str, type[web.RequestHandler]]] = [
    (r"/healthz", HealthPage),
    (r"/readyz", ReadyPage),
    (LEADER, LeaderPage),
    *((f"(?:{HUB_PREFIX})?{pattern}", page) for pattern, page in _OF_A_HUB),
    (r".*", NoPage),
]
