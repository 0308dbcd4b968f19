"""The gateway's application: Enterprise Gateway's with Kernelpod's own managers and pages."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import signal
import time
from functools import partial
from typing import Any

from enterprise_gateway.enterprisegatewayapp import EnterpriseGatewayApp
from tornado.ioloop import IOLoop
from tornado.web import stream_request_body

from kernelpod import __version__
from kernelpod.audit import AuditLog
from kernelpod.base.certificate import Certificate
from kernelpod.base.logs import escape_logs
from kernelpod.errors import KernelpodError, SettingsError
from kernelpod.gateway.channels.budget import Budget
from kernelpod.gateway.culler import Culler
from kernelpod.gateway.door import Door, Guests, listening, most_connections
from kernelpod.gateway.encryption import check_encryption
from kernelpod.gateway.handlers import ROUTES
from kernelpod.gateway.hubclient import ask_hub, check_service
from kernelpod.gateway.kernels import DirectMappingKernelManager
from kernelpod.gateway.metrics import Metrics
from kernelpod.gateway.orphans import Orphans
from kernelpod.gateway.services import HubCourses, Services
from kernelpod.gateway.spares import Spares
from kernelpod.gateway.standby.forwarding import Forwarding
from kernelpod.gateway.standby.leadership import Leadership
from kernelpod.gateway.standby.listening import Listening
from kernelpod.gateway.standby.origin import Origin
from kernelpod.kernelspecs.published import PublishedKernelspecs
from kernelpod.runtime.interface import Runtime
from kernelpod.runtime.local.runtime import LocalRuntime
from kernelpod.settings.hubs import Hub
from kernelpod.settings.sections import Gateway, Settings
from kernelpod.start.prover import Prover
from kernelpod.start.record import KernelRecord
from kernelpod.start.start import KernelStarter
from kernelpod.start.userids import require_user_ids

log = logging.getLogger(__name__)

# A request body up to this many times the limit is read and refused with a message. For a larger one, and for one
# that takes longer, the connection is closed.
BODY_SLACK = 64
BODY_SECONDS = 30
# How much later than this one another gateway may see a renewed certificate: kubelets copy Secrets once a minute.
SYNC_SECONDS = 150
HUB_CHECK_SECONDS = 5
# How long what is under way may take when another gateway is to lead.
FINISH_SECONDS = 10
# The status of websockets that end then (IANA's registry of RFC 6455's close codes).
SERVICE_RESTART = 1012


def make_runtime(settings: Settings) -> Runtime:
    """Return the runtime that the settings name. Raises SettingsError."""
    if settings.runtime.kind == "local":
        return LocalRuntime(settings.runtime.local)
    cluster = settings.runtime.kubernetes
    if settings.homes.volume.kind == "pvc" and not cluster.home_check_image:
        raise SettingsError(
            "homes.volume.kind is pvc: set runtime.kubernetes.home_check_image to the gateway's own image. "
            "It checks that a home exists, because kubelet would create a missing one with a wrong owner"
        )
    from kernelpod.runtime.kubernetes.runtime import KubernetesRuntime  # noqa: PLC0415 - a local gateway does without

    return KubernetesRuntime(cluster)


class KernelpodGateway(EnterpriseGatewayApp):
    """Enterprise Gateway for many users: callers are authenticated, and each kernel has an owner."""

    name = "kernelpod-gateway"
    version = __version__
    description = "Starts Jupyter kernels with their users' own homes."

    def __init__(self, settings: Settings, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_encryption(settings)
        self.settings = settings
        self._failure: Exception | None = None
        self.audit = AuditLog(settings.audit.enabled, settings.audit.file)
        self.runtime = make_runtime(settings)

    def init_configurables(self) -> None:
        """Create the managers, and find the kernels that an earlier gateway left running.

        Stock options that would weaken the gateway (a shared token, a port range, sessions on disk) are reset.
        """
        gateway = self.settings.gateway
        self.ip, self.port, self.auth_token = gateway.ip, gateway.port, ""
        self.availability_mode, self.list_kernels = None, True
        self.kernel_manager_class = DirectMappingKernelManager
        super().init_configurables()
        self.leadership = Leadership()
        kernels = self.kernel_manager
        kernels.runtime, kernels.limits = self.runtime, gateway
        kernels.budget = Budget(gateway.max_user_backlog_bytes, gateway.max_total_backlog_bytes)
        kernels.audit, kernels.may_act = self.audit, lambda: self.leadership.may_act
        settings, hubs = self.settings, self.settings.hubs
        courses = HubCourses(settings)
        require_user_ids(settings, *hubs)
        self.spares = Spares(kernels, settings.start.spare_seconds)
        self.services = Services(
            settings=settings,
            provers={hub.name: Prover(hub, settings.identity, ask_hub) for hub in hubs},
            starter=KernelStarter(
                settings=settings,
                kernelspecs=PublishedKernelspecs(settings.kernelspecs, settings.culling),
                owners=kernels.owners,
                run=self.spares.run,
                spares=self.spares,
                resolve_course=courses,
                courses_of=courses.all,
            ),
            kernels=kernels,
            spares=self.spares,
            metrics=Metrics(),
            guests=Guests(most_connections(gateway), gateway.max_connections_per_user),
            audit=self.audit,
            origin=Origin(hubs[0]),
        )
        self.listening = Listening(kernels)
        self._tasks: list[asyncio.Task[None]] = []
        # Before kernels are connected: a gateway that cannot listen must not take them from the one that does.
        self._sockets = listening(gateway)
        IOLoop.current().run_sync(self._open)

    async def _open(self) -> None:
        await self.runtime.open()
        self.services.starter.kernelspecs.all()
        if not self.settings.gateway.replicated:
            await self._lead()
        self._tasks += [asyncio.ensure_future(self._check_hub(hub)) for hub in self.settings.hubs]
        self._tasks.append(asyncio.ensure_future(self.audit.watch()))

    async def _lead(self) -> None:
        """Run the kernels from now on, those that are running included."""
        self.spares.adopt(await self.kernel_manager.adopt(self.listening.take))
        self.listening.close()
        self.audit.write("takeover", kernels=len(self.kernel_manager))
        self.services.ready = True
        kernels = self.kernel_manager
        culler = Culler(self.settings.culling, kernels.listed, partial(kernels.end_unasked, code="idle"))
        self._tasks.append(asyncio.ensure_future(culler.watch()))
        if after := self.settings.servers.orphan_seconds:
            hubs = self.settings.hubs
            self._tasks += [asyncio.ensure_future(self._orphans(hub, after).watch()) for hub in hubs]

    async def _stand_by(self) -> None:
        """Pass requests on, and listen to the kernels, until this gateway leads; then lead, as long as it may."""
        try:
            await self.leadership.follow(self._take_over, self._look)
        except Exception as error:  # noqa: BLE001 - it is raised again where the gateway was started
            self._failure = error
        else:
            self._failure = KernelpodError("another gateway leads, so this one ends")
        self.io_loop.stop()

    async def _take_over(self, former: str) -> None:
        self.forwarding.close()
        if former:
            await self.forwarding.depose(former, self.leadership.term)
        for prover in self.services.provers.values():
            prover.ask_anew()
        await self._lead()

    async def _look(self) -> None:
        leader = self.leadership.leader
        self.services.ready = bool(leader)
        if leader:
            self.forwarding.close(unless_to=leader)
        await self.listening.look()

    def _orphans(self, hub: Hub, after_seconds: float) -> Orphans:
        kernels = self.kernel_manager

        def records() -> list[KernelRecord]:
            return [record for record in kernels.records() if record.owner.hub == hub.name]

        return Orphans(hub, after_seconds, records, partial(kernels.end_unasked, code="server_gone"))

    async def _check_hub(self, hub: Hub) -> None:
        """Check the gateway's service in a hub until it is right; log each problem once."""
        said = ""
        while fault := await check_service(hub):
            if fault != said:
                log.error("%s", fault)
            said = fault
            await asyncio.sleep(HUB_CHECK_SECONDS)
        log.info("hub %s at %s serves this gateway", hub.name, hub.api_url)

    def _create_request_handlers(self) -> list[tuple[Any, ...]]:
        """Return only Kernelpod's routes: Enterprise Gateway's other pages, such as sessions, have no owners.

        The pages look at the headers, with the token, before a body is read.
        """
        return [(rf"{self.base_url.rstrip('/')}{pattern}", stream_request_body(page)) for pattern, page in ROUTES]

    def init_webapp(self) -> None:
        """Create the web application. Its log lines omit the query, which could contain a token."""
        super().init_webapp()
        gateway = self.settings.gateway
        self.web_app.settings.update(
            kernelpod=self.services,
            log_function=log_request,
            websocket_max_message_size=gateway.max_message_bytes,
        )

    def init_http_server(self) -> None:
        """Serve on the address and port in the settings."""
        gateway = self.settings.gateway
        certificate = certificate_of(gateway)
        self.forwarding = Forwarding(self.web_app, self.services, lambda: self.leadership, gateway.cert_file)
        self.http_server = Door(
            self.forwarding,
            ssl_options=certificate and certificate.context,
            guests=self.services.guests,
            xheaders=False,
            max_body_size=BODY_SLACK * gateway.max_body_bytes,
            body_timeout=BODY_SECONDS,
            idle_connection_timeout=300,
        )
        self.port = self._sockets[0].getsockname()[1]
        if gateway.replicated:
            self.leadership = Leadership(self.runtime.lease(gateway.ip, self.port))
            self.services.deposed = self.leadership.lost
            self._tasks.append(asyncio.ensure_future(self._stand_by()))
        self.http_server.add_sockets(self._sockets)
        if certificate:
            IOLoop.current().add_callback(certificate.watch)

    def start(self) -> None:
        """Serve until SIGTERM or SIGINT."""
        scheme = "https" if self.settings.gateway.cert_file else "http"
        log.info("kernelpod gateway %s listens on %s://%s:%d, runtime %s",
                 __version__, scheme, self.ip, self.port, self.settings.runtime.kind)  # fmt: skip
        self.io_loop = IOLoop.current()
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, self._signal_stop)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        try:
            self.io_loop.start()
        finally:
            self.shutdown()
        if self._failure is not None:
            raise self._failure

    def shutdown(self) -> None:
        """Stop the gateway. Kernels keep running, unless `gateway.stop_kernels_on_exit` is true."""
        self.io_loop.run_sync(self._close)

    async def _close(self) -> None:
        self.http_server.stop()
        replicated, may_act = self.settings.gateway.replicated, self._failure is None
        if replicated and may_act:
            await self._finish()
        if may_act:
            await self.spares.close()
        for task in self._tasks:
            task.cancel()
        if replicated:
            await self._hand_over()
        if self.settings.gateway.stop_kernels_on_exit:
            ids = self.kernel_manager.list_kernel_ids()
            ends = (self.kernel_manager.end(kernel_id, code="gateway_stopped") for kernel_id in ids)
            await asyncio.gather(*ends, return_exceptions=True)
        self.audit.close()
        log.info("gateway stops; %d kernels keep running", len(self.kernel_manager))
        await self.runtime.close()

    async def _finish(self) -> None:
        """Return when all starts, restarts and stops that are under way have ended, or take too long."""
        ends = [*(start.ended for start in self.services.visits.starts), *self.forwarding.requests]
        ends += [asyncio.ensure_future(verb.acquire()) for verb in self.kernel_manager.verbs()]
        if ends:
            await asyncio.wait(ends, timeout=FINISH_SECONDS)

    async def _hand_over(self) -> None:
        """Let another gateway lead. Pages and kernels are connected to that one from then on."""
        for websocket in list(self.services.visits.websockets):
            websocket.close_with(SERVICE_RESTART, "the gateway is being replaced")
        self.forwarding.close()
        self.listening.close()
        self.kernel_manager.disconnect()
        await self.leadership.release()


def certificate_of(gateway: Gateway) -> Certificate | None:
    """Return the gateway's certificate, or None if it serves HTTP. Raises SettingsError if it cannot be used."""
    if gateway.cert_file is None:
        return None
    try:
        delay = SYNC_SECONDS if gateway.replicated else 0
        return Certificate(gateway.cert_file, gateway.key_file, delay)
    except OSError as error:
        said = f"gateway.cert_file {gateway.cert_file} and key_file {gateway.key_file} cannot be used: {error}"
        raise SettingsError(said) from error


def log_request(handler: Any) -> None:
    """Log one line for each request: method, path, status and time. Successful GETs are logged at DEBUG."""
    level = logging.DEBUG if handler.get_status() < 400 and handler.request.method == "GET" else logging.INFO
    log.log(level, "%s %s %d %.1f ms", handler.request.method, handler.request.path,
            handler.get_status(), 1000 * handler.request.request_time())  # fmt: skip


def run(settings: Settings) -> None:
    """Run the gateway until it is asked to end. Raises KernelpodError if it cannot start."""
    escape_logs()
    logging.Formatter.converter = time.gmtime
    logging.basicConfig(level=logging.INFO, format="%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s: %(message)s",
                        datefmt="%Y-%m-%dT%H:%M:%S")  # fmt: skip
    os.umask(0o077)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # each kernel takes about a dozen descriptors
    asyncio.set_event_loop(asyncio.new_event_loop())
    app = KernelpodGateway(settings)
    app.log_level = logging.INFO
    app.initialize([])
    app.start()
