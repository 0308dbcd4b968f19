"""jupyter_server's pages of kernels, sessions and kernelspecs, with the gateway's sentence where it refuses.

jupyter_server answers 500 to a session or a restart that the gateway refuses, with the sentence inside others of
its own. Lab shows the field `message` of the answer as it is.
"""

from __future__ import annotations

import json
from typing import Any

from jupyter_server.auth.decorator import authorized
from jupyter_server.services.kernels import handlers as kernels
from jupyter_server.services.kernelspecs import handlers as kernelspecs
from jupyter_server.services.sessions import handlers as sessions
from jupyter_server.utils import url_path_join
from tornado import web

from kernelpod.singleuser.asking import GatewayError


class AsTold:
    """A page that answers what the gateway answered, when that is why it failed."""

    def write_error(self, status_code: int, **how: Any) -> None:
        """Answer with the gateway's status and sentence, or as jupyter_server does."""
        error = (how.get("exc_info") or (None, None))[1]
        while error is not None and not isinstance(error, GatewayError):
            error = error.__cause__
        if error is None:
            super().write_error(status_code, **how)  # type: ignore[misc]
            return
        self.set_status(error.status_code)  # type: ignore[attr-defined]
        self.finish(json.dumps(error.body()))  # type: ignore[attr-defined]


class KernelsPage(AsTold, kernels.MainKernelHandler):
    """GET lists kernels; POST starts one."""


class KernelPage(AsTold, kernels.KernelHandler):
    """GET shows one kernel; DELETE stops it."""


class KernelActionPage(AsTold, kernels.KernelActionHandler):
    """POST interrupts or restarts a kernel."""

    @web.authenticated
    @authorized  # type: ignore[untyped-decorator]
    async def post(self, kernel_id: str, action: str) -> None:
        """Interrupt, or restart here: jupyter_server 2.14 answers only that a restart has failed."""
        if action != "restart":
            await super().post(kernel_id, action)
            return
        await self.kernel_manager.restart_kernel(kernel_id)
        self.finish(json.dumps(await self.kernel_manager.kernel_model(kernel_id)))


class SessionsPage(AsTold, sessions.SessionRootHandler):
    """GET lists sessions; POST makes one, with a kernel."""


class SessionPage(AsTold, sessions.SessionHandler):
    """GET shows one session; PATCH renames it or gives it another kernel; DELETE ends both."""

    @web.authenticated
    @authorized  # type: ignore[untyped-decorator]
    async def patch(self, session_id: str) -> None:
        """Change the session. Its next kernel is started here: jupyter_server would rewrite an error."""
        model = self.get_json_body()
        kernel = model.get("kernel") if isinstance(model, dict) else None
        if isinstance(kernel, dict) and kernel.get("id") is None and kernel.get("name") is not None:
            before = await self.session_manager.get_session(session_id=session_id)
            kernel["id"] = await self.session_manager.start_kernel_for_session(
                session_id,
                kernel_name=kernel["name"],
                name=before["name"],
                path=before["path"],
                type=before["type"],
            )
            self.request.body = json.dumps(model).encode()
        await super().patch(session_id)


class KernelSpecsPage(AsTold, kernelspecs.MainKernelSpecHandler):
    """GET lists kernelspecs."""


class KernelSpecPage(AsTold, kernelspecs.KernelSpecHandler):
    """GET shows one kernelspec."""


PAGES = (
    (kernels.default_handlers, (KernelsPage, KernelPage, KernelActionPage)),
    (sessions.default_handlers, (SessionsPage, SessionPage)),
    (kernelspecs.default_handlers, (KernelSpecsPage, KernelSpecPage)),
)


def add_pages(web_app: Any) -> None:
    """Serve these pages at jupyter_server's own addresses."""
    made = [
        (url_path_join(web_app.settings["base_url"], pattern), page)
        for handlers, pages in PAGES
        for page in pages
        for pattern, handler in handlers
        if issubclass(page, handler)
    ]
    web_app.add_handlers(".*$", made)
