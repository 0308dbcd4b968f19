"""The gateway's pages: every one proves its caller first, and shows each caller her own kernels only."""

from __future__ import annotations

import asyncio
import http
import json
import logging
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import enterprise_gateway
import jupyter_server
from enterprise_gateway.services.kernels import handlers as stock
from jupyter_client.jsonutil import date_default
from jupyter_server.services.kernels.handlers import KernelActionHandler
from pydantic import SecretStr
from tornado import web

from kernelpod import __version__
from kernelpod.errors import (
    BadRequest,
    Denied,
    HubUnavailable,
    NotFound,
    NotProven,
    UserError,
    kernel_not_found,
)
from kernelpod.identity import MAX_TOKEN_LENGTH, Owner, Proof
from kernelpod.kernelspecs.model import KernelSpec
from kernelpod.launch import launch
from kernelpod.request import from_body

if TYPE_CHECKING:
    from kernelpod.gateway.app import Services
    from kernelpod.gateway.kernels import DirectKernelManager, DirectMappingKernelManager

log = logging.getLogger(__name__)

HTTP_PHRASES = {int(status): status.phrase for status in http.HTTPStatus}
LOGOS = {"logo-32x32.png": "image/png", "logo-64x64.png": "image/png", "logo-svg.svg": "image/svg+xml"}


class JsonPage:
    """Errors as JSON with `reason`, `message` and `code`; no traceback ever reaches a client."""

    request: Any
    set_status: Any
    set_header: Any
    finish: Any
    clear_header: Any

    @property
    def services(self) -> Services:
        """What every page works with."""
        found: Services = self.settings["kernelpod"]  # type: ignore[attr-defined]
        return found

    def set_default_headers(self) -> None:
        """Nothing here is for a browser to run or to keep."""
        self.set_header("Content-Type", "application/json")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Cache-Control", "no-store")

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer with the error's sentence; what is not ours is "internal" and nothing more."""
        error = (kwargs.get("exc_info") or (None, None, None))[1]
        if isinstance(error, UserError):
            status_code, body = error.status, error.body()
        elif isinstance(error, web.HTTPError):
            text = error.reason or HTTP_PHRASES.get(status_code, "Error")
            body = {
                "reason": text,
                "message": text,
                "code": "page_not_found" if status_code == 404 else "bad_json",
            }
        else:
            text = "The gateway met an error of its own; an admin finds it in its log."
            body = {"reason": text, "message": text, "code": "internal"}
        self.set_status(status_code)
        if isinstance(error, HubUnavailable):
            self.set_header("Retry-After", str(error.retry_after_seconds))
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps(body))

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """One line for what a caller did or may hear; a traceback only for a fault of our own."""
        if isinstance(value, UserError):
            log.info(
                "%s %s: %s %s",
                self.request.method,
                self.request.path,
                value.code,
                value.detail or value.message,
            )
        else:
            super().log_exception(typ, value, tb)  # type: ignore[misc]


class Proven(JsonPage):
    """Runs before every method, for HTTP and for the upgrade to a websocket: who asks?

    Stands first in each page's MRO, so that nothing of the page runs for a caller who is not proven.
    """

    proof: Proof
    caller_token: SecretStr

    async def prepare(self) -> None:
        """Prove the caller. Raises UserError; the body is looked at by nobody before."""
        if len(self.request.body or b"") > self.services.settings.gateway.max_body_bytes:
            raise BadRequest("body_too_large", "The request body is too large for this gateway.")
        self.caller_token = bearer_token(self.request)
        self.proof = await self.services.prover.prove(self.caller_token)
        await self.check()
        prepared = super().prepare()  # type: ignore[misc]
        if prepared is not None:
            await prepared

    async def check(self) -> None:
        """Check more than who asks."""

    def get_current_user(self) -> str:
        """Return the caller's name as the hub knows it."""
        return self.proof.identity.name

    def sees(self, owner: Owner) -> bool:
        """Return whether the caller may see a kernel of this owner: her own, or all of her hub by scope."""
        identity = self.proof.identity
        if self.services.settings.identity.admin_scope in identity.scopes:
            return owner.hub == identity.owner.hub
        return owner == identity.owner

    def require_fresh(self) -> None:
        """Refuse what is new while the hub is silent. Raises HubUnavailable."""
        if self.proof.stale:
            raise HubUnavailable(
                "hub_unavailable",
                "The hub does not answer; running kernels can be used, new ones not. Try again soon.",
            )


class OwnKernel(Proven):
    """A page of one kernel: another user's kernel does not exist."""

    path_kwargs: dict[str, str]
    kernel_manager: DirectMappingKernelManager

    async def check(self) -> None:
        """Raise NotFound, with the text of a kernel that never was, unless the kernel is the caller's."""
        kernel_id = self.path_kwargs["kernel_id"]
        if not self.sees(self.kernel_manager.kernel(kernel_id).record.owner):
            raise kernel_not_found(kernel_id)


def bearer_token(request: Any) -> SecretStr:
    """Return the token of the Authorization header ("token ..." or "Bearer ...").

    Raises NotProven (no_token), BadRequest (token_in_url).
    """
    if "token" in request.query_arguments:
        raise BadRequest(
            "token_in_url",
            "A token must not stand in a URL, where logs keep it: revoke it, and send the next one in the "
            "Authorization header.",
        )
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    token = token.strip()
    if scheme.lower() not in ("token", "bearer") or not token or len(token) > MAX_TOKEN_LENGTH:
        raise NotProven("no_token", "Send your hub token in the header `Authorization: token ...`.")
    return SecretStr(token)


class KernelsPage(Proven, stock.MainKernelHandler):
    """GET lists the caller's kernels; POST starts one."""

    _launching: asyncio.Future[Any] | None = None

    async def get(self) -> None:
        """Answer with the models of the kernels the caller may see."""
        self.finish(json.dumps(self.services.kernels.models(self.sees), default=date_default))

    async def post(self) -> None:
        """Start a kernel and answer 201 when it answers; a caller who hangs up stops the start."""
        self.require_fresh()
        request = from_body(self.request.body, self.services.settings.kernelspecs.default)
        kernel_id = str(uuid.uuid4())
        house, metrics = self.services.house, self.services.metrics
        self._launching = asyncio.ensure_future(launch(kernel_id, request, self.proof.identity, house))
        try:
            with metrics.start_seconds.time():
                await self._launching
        except UserError as error:
            metrics.starts.labels(outcome=error.code).inc()
            raise
        metrics.starts.labels(outcome="ok").inc()
        self.set_header("Location", f"{self.base_url.rstrip('/')}/api/kernels/{kernel_id}")
        self.set_status(201)
        self.finish(json.dumps(self.services.kernels.kernel_model(kernel_id), default=date_default))

    def on_connection_close(self) -> None:
        """Nobody will ever hear the id of the kernel that is starting."""
        if self._launching is not None:
            self._launching.cancel()


class KernelPage(OwnKernel, stock.KernelHandler):
    """GET shows one kernel; DELETE stops it."""

    async def get(self, kernel_id: str) -> None:
        """Answer with the kernel's model."""
        self.finish(json.dumps(self.kernel_manager.kernel_model(kernel_id), default=date_default))

    async def delete(self, kernel_id: str) -> None:
        """Stop the kernel: asked first, killed after its grace period."""
        await self.kernel_manager.shutdown_kernel(kernel_id)
        self.set_status(204)
        self.finish()


class KernelActionPage(OwnKernel, KernelActionHandler):
    """POST interrupts or restarts a kernel."""

    async def post(self, kernel_id: str, action: str) -> None:
        """Answer 204 to an interrupt, the model to a restart; a restart keeps id and owner."""
        if action == "interrupt":
            await self.kernel_manager.kernel(kernel_id).interrupt_kernel()
            self.set_status(204)
            self.finish()
            return
        await self.kernel_manager.restart_kernel(kernel_id)
        self.finish(json.dumps(self.kernel_manager.kernel_model(kernel_id), default=date_default))


class ChannelsPage(OwnKernel, stock.ZMQChannelsHandler):
    """A kernel's channels over one websocket."""

    _rechecks: asyncio.Task[None] | None = None
    _unsent = 0
    _last_write: asyncio.Future[None] | None = None
    _held: asyncio.Task[None] | None = None

    def set_default_headers(self) -> None:
        """A websocket has no use for the headers of a page."""

    def open(self, kernel_id: str) -> Any:
        """Connect the websocket to the kernel, without Nagle's delay."""
        self.set_nodelay(True)
        self._rechecks = asyncio.ensure_future(self._recheck())
        return super().open(kernel_id)

    @property
    def ping_interval(self) -> float:
        """Seconds, as tornado reads it, which does the pinging."""
        return self.services.settings.gateway.ping_interval_seconds

    ping_timeout = ping_interval

    def send_ping(self) -> None:
        """Stop jupyter_server's own pinger: it takes the same number for milliseconds."""
        self.ping_callback.stop()

    async def _recheck(self) -> None:
        """Close the websocket when its token is no longer good, or cannot be proven for too long."""
        while True:
            await asyncio.sleep(self.services.settings.identity.recheck_seconds)
            try:
                await self.services.prover.prove(self.caller_token, fresh=True)
            except HubUnavailable as error:
                return self.close_with(1013, error.code)
            except UserError as error:
                return self.close_with(1008, error.code)

    def close_with(self, status: int, reason: str) -> None:
        """Close the websocket and say why (status: RFC 6455, 7.4)."""
        log.info("websocket of kernel %s closed: %s", self.kernel_id, reason)
        if self.ws_connection is not None:
            self.ws_connection.close(status, reason)

    def on_message(self, message: str | bytes) -> None:
        """Pass a client's message to the kernel; what is not a Jupyter message ends the connection."""
        try:
            super().on_message(message)
        except (
            ValueError,
            KeyError,
            TypeError,
            IndexError,
            AttributeError,
            OverflowError,
            RecursionError,
        ) as error:
            log.info("kernel %s: not a Jupyter message (%s)", self.kernel_id, type(error).__name__)
            self.close_with(1007, "not a Jupyter message")
        except Exception as error:
            if type(error).__module__.partition(".")[0] != "struct":
                raise
            self.close_with(1007, "not a Jupyter message")

    def write_message(self, message: Any, binary: bool = False) -> Any:
        """Send to the client, counting what is not sent yet."""
        size = len(message)
        future = super().write_message(message, binary)
        self._unsent += size

        def sent(done: asyncio.Future[None]) -> None:
            self._unsent -= size
            if not done.cancelled():
                done.exception()

        future.add_done_callback(sent)
        self._last_write = future
        return future

    def _on_zmq_reply(self, stream: Any, msg_list: Any) -> None:
        super()._on_zmq_reply(stream, msg_list)
        if self._unsent > self.services.settings.gateway.max_backlog_bytes and self._held is None:
            self._held = asyncio.ensure_future(self._hold_output())

    async def _hold_output(self) -> None:
        """Read no output from the kernel until the client has taken what waits for it."""
        iopub = self.channels.get("iopub")
        if iopub is not None and not iopub.closed():
            iopub.stop_on_recv()
            log.info("kernel %s: output held back, the client does not read", self.kernel_id)
            if self._last_write is not None:
                await asyncio.wait({self._last_write})
            if self.channels.get("iopub") is iopub and not iopub.closed():
                iopub.on_recv_stream(self._on_zmq_reply)
        self._held = None

    def on_close(self) -> None:
        """Let go of what belongs to this connection."""
        for task in (self._rechecks, self._held):
            if task is not None:
                task.cancel()
        super().on_close()


def kernelspec_model(spec: KernelSpec, base_url: str) -> dict[str, Any]:
    """Return the model Lab shows: no environment, no groups, no command but a hint of it."""
    resources = {
        Path(name).stem: f"{base_url.rstrip('/')}/kernelspecs/{spec.address}/{name}"
        for name in LOGOS
        if (spec.folder / name).is_file()
    }
    return {
        "name": spec.address,
        "spec": {
            "argv": list(spec.argv),
            "env": {},
            "display_name": spec.display_name,
            "language": spec.language,
            "interrupt_mode": spec.interrupt_mode,
            "metadata": {"debugger": spec.debugger, "kernelpod": {"image": spec.image}},
        },
        "resources": resources,
    }


class _KernelSpecs(Proven, web.RequestHandler):
    @property
    def visible(self) -> dict[str, KernelSpec]:
        """The kernelspecs for the caller's groups, by address."""
        groups = self.proof.identity.groups
        return {name: spec for name, spec in self.services.house.kernelspecs.all().items() if spec.is_for(groups)}

    def find(self, address: str) -> KernelSpec:
        """Return one of them. Raises NotFound, also for what is for other groups."""
        if address not in self.visible:
            raise NotFound("kernelspec_not_found", f"There is no kernelspec {address[:100]!r}.")
        return self.visible[address]


class KernelSpecsPage(_KernelSpecs):
    """GET lists the kernelspecs the caller may start."""

    def get(self) -> None:
        """Answer in the form of Jupyter's REST API."""
        base_url = self.settings["base_url"]
        specs = {name: kernelspec_model(spec, base_url) for name, spec in self.visible.items()}
        default = self.services.settings.kernelspecs.default
        first = default if default in specs else next(iter(specs), default)
        self.finish(json.dumps({"default": first, "kernelspecs": specs}))


class KernelSpecPage(_KernelSpecs):
    """GET shows one kernelspec."""

    def get(self, name: str) -> None:
        """Answer in the form of Jupyter's REST API."""
        self.finish(json.dumps(kernelspec_model(self.find(name), self.settings["base_url"])))


class LogoPage(_KernelSpecs):
    """GET sends a kernelspec's logo; no other file of the folder is served."""

    async def get(self, name: str, file_name: str) -> None:
        """Answer with the picture."""
        path = self.find(name).folder / file_name
        if file_name not in LOGOS or not path.is_file():
            raise NotFound("page_not_found", "There is no such file.")
        content = await asyncio.to_thread(path.read_bytes)
        self.set_header("Content-Type", LOGOS[file_name])
        self.finish(content)


class VersionPage(Proven, web.RequestHandler):
    """GET tells the versions, as clients of Jupyter's REST API expect."""

    def get(self) -> None:
        """Answer with ours, Enterprise Gateway's and jupyter_server's."""
        stock_version = enterprise_gateway.__version__
        versions = {
            "version": jupyter_server.__version__,
            "gateway_version": stock_version,
            "kernelpod": __version__,
        }
        self.finish(json.dumps(versions))


class MetricsPage(Proven, web.RequestHandler):
    """GET sends Prometheus' text to those who hold the scope."""

    async def check(self) -> None:
        """Raise Denied without the scope."""
        identity = self.services.settings.identity
        if not {identity.metrics_scope, identity.admin_scope} & self.proof.identity.scopes:
            raise Denied("not_permitted", f"This page needs the scope {identity.metrics_scope}.")

    def get(self) -> None:
        """Answer with the exposition text."""
        kernels: list[DirectKernelManager] = list(self.services.kernels._kernels.values())
        states = [str(kernel.execution_state) for kernel in kernels]
        self.set_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.finish(self.services.metrics.text(states, len(stock.ZMQChannelsHandler._open_sessions)))


class HealthPage(JsonPage, web.RequestHandler):
    """GET /healthz: the event loop turns. No token: the cluster asks."""

    def get(self) -> None:
        """Answer at once."""
        self.finish(json.dumps({"status": "ok"}))


class ReadyPage(JsonPage, web.RequestHandler):
    """GET /readyz: running kernels were found again, so requests may come. No token: the cluster asks."""

    def get(self) -> None:
        """Answer 200, or 503 until the kernels are found; a silent hub is told, but does not unready."""
        hub = "reachable" if self.services.prover.reachable else "silent"
        ready = self.services.ready
        self.set_status(200 if ready else 503)
        self.finish(json.dumps({"status": "ready" if ready else "starting", "hub": hub}))


class NoPage(Proven, web.RequestHandler):
    """Everything else: 404, for proven callers."""

    def _no(self, *_: str) -> None:
        raise NotFound("page_not_found", "The gateway has no such page.")

    get = post = put = patch = delete = head = options = _no


_KERNEL_ID = r"(?P<kernel_id>\w+-\w+-\w+-\w+-\w+)"

ROUTES: list[tuple[str, type[web.RequestHandler]]] = [
    (r"/healthz", HealthPage),
    (r"/readyz", ReadyPage),
    (r"/metrics", MetricsPage),
    (r"/api", VersionPage),
    (r"/api/kernels", KernelsPage),
    (rf"/api/kernels/{_KERNEL_ID}", KernelPage),
    (rf"/api/kernels/{_KERNEL_ID}/(?P<action>restart|interrupt)", KernelActionPage),
    (rf"/api/kernels/{_KERNEL_ID}/channels", ChannelsPage),
    (r"/api/kernelspecs", KernelSpecsPage),
    (r"/api/kernelspecs/(?P<name>[^/]+)", KernelSpecPage),
    (r"/kernelspecs/(?P<name>[^/]+)/(?P<file_name>[^/]+)", LogoPage),
    (r".*", NoPage),
]
