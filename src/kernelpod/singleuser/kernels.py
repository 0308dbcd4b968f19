"""The kernels of a user's server at the gateway; jupyter_server's managers, where those forget or lose something.

While the gateway is away, the server knows what it knew. jupyter_server would answer its pages with errors that
look as if the server itself were gone, and forget kernels that it cannot ask for.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Mapping
from typing import Any

from jupyter_server.gateway.gateway_client import GatewayClient
from jupyter_server.gateway.managers import (
    GatewayKernelManager,
    GatewayKernelSpecManager,
    GatewayMappingKernelManager,
)
from jupyter_server.services.kernels.kernelmanager import emit_kernel_action_event
from jupyter_server.utils import url_path_join
from tornado.escape import url_escape
from tornado.web import HTTPError
from traitlets import DottedObjectName, Type, default

from kernelpod.singleuser.asking import GatewayError, ask
from kernelpod.singleuser.client import RemoteKernelClient

WISH, NOTEBOOK = "KERNEL_", "JPY_SESSION_NAME"
# A model that is not older is not asked for again: a list of sessions asks once for all kernels.
FRESH_SECONDS = 0.2


class RemoteKernel(GatewayKernelManager):
    """One kernel at the gateway. nbclient, nbconvert and papermill can run notebooks in it, too."""

    refreshed = -math.inf
    """When the model was last heard from the gateway, by the clock of time.monotonic."""

    client_class = DottedObjectName(f"{RemoteKernelClient.__module__}.{RemoteKernelClient.__qualname__}")
    client_factory = Type(klass=RemoteKernelClient)

    async def refresh_model(self, model: dict[str, Any] | None = None) -> dict[str, Any] | None:
        """Return the kernel's model, asked for if it is not given; None if the kernel does not exist.

        Raises GatewayError. Then the last model is kept.
        """
        if model is None:
            try:
                model = await ask(self.kernel_url)
            except GatewayError as error:
                if error.status_code != 404:
                    raise
                self.kernel = None
                return None
        assert model is not None  # noqa: S101 - for the type checker
        if "." not in model["last_activity"]:  # jupyter_server reads only times with a fraction
            model = {**model, "last_activity": model["last_activity"].replace("Z", ".000000Z")}
        self.refreshed = time.monotonic()
        made: dict[str, Any] = await super().refresh_model(model)
        return made

    @emit_kernel_action_event(success_msg="Kernel {kernel_id} was started.")  # type: ignore[untyped-decorator]
    async def start_kernel(self, **wanted: Any) -> None:
        """Start a kernel, or use the one with the wanted `kernel_id`, if it exists. Raises GatewayError."""
        if wanted.get("kernel_id") and await self._use(wanted["kernel_id"]):
            self.log.info("kernel %s runs at the gateway and is used", self.kernel_id)
            return
        name = wanted.get("kernel_name") or self.kernel_name
        model = await ask(self.kernels_url, "POST", {"name": name, "env": wishes(os.environ, wanted)})
        await self._use(model["id"], model)
        self.log.info("kernel %s is started at the gateway", self.kernel_id)

    async def _use(self, kernel_id: str, model: dict[str, Any] | None = None) -> bool:
        self.kernel_id = kernel_id
        self.kernel_url = url_path_join(self.kernels_url, url_escape(kernel_id))
        return await self.refresh_model(model) is not None

    @emit_kernel_action_event(success_msg="Kernel {kernel_id} was shutdown.")  # type: ignore[untyped-decorator]
    async def shutdown_kernel(self, now: bool = False, restart: bool = False) -> None:  # noqa: ARG002
        """Stop the kernel; one that does not exist is stopped. Raises GatewayError."""
        try:
            if self.has_kernel:
                await ask(self.kernel_url, "DELETE")
        except GatewayError as error:
            if error.status_code != 404:
                raise

    @emit_kernel_action_event(success_msg="Kernel {kernel_id} was restarted.")  # type: ignore[untyped-decorator]
    async def restart_kernel(self, **_: Any) -> None:
        """Restart the kernel. Raises GatewayError."""
        if self.has_kernel:
            await self.refresh_model(await ask(f"{self.kernel_url}/restart", "POST", {}))

    @emit_kernel_action_event(success_msg="Kernel {kernel_id} was interrupted.")  # type: ignore[untyped-decorator]
    async def interrupt_kernel(self) -> None:
        """Interrupt the kernel. Raises GatewayError."""
        if self.has_kernel:
            await ask(f"{self.kernel_url}/interrupt", "POST", {})

    async def is_alive(self) -> bool:
        """Return whether the kernel exists; while the gateway is away, it does."""
        try:
            return self.has_kernel and await self.refresh_model() is not None
        except GatewayError as error:
            if not error.passing:
                raise
            return True


def wishes(environment: Mapping[str, str], wanted: Mapping[str, Any]) -> dict[str, str]:
    """Return the environment that a start sends to the gateway."""
    known = {**environment, **(wanted.get("env") or {})}
    allowed = GatewayClient.instance().allowed_envs.split(",")
    made = {name: value for name, value in known.items() if name.startswith(WISH) or name in allowed}
    if (notebook := known.get(NOTEBOOK, "")) and notebook.isprintable():
        made[NOTEBOOK] = notebook
    if folder := wanted.get("cwd"):
        made.setdefault("KERNEL_WORKING_DIR", str(folder))
    return made


class RemoteKernels(GatewayMappingKernelManager):
    """All kernels of this server at the gateway."""

    _away = False

    @default("kernel_manager_class")  # type: ignore[untyped-decorator]
    def _kernel_class(self) -> str:
        return f"{RemoteKernel.__module__}.{RemoteKernel.__qualname__}"

    async def list_kernels(self, **_: Any) -> list[dict[str, Any]]:
        """Return the models of this server's kernels, the last known ones while the gateway is away.

        A kernel is forgotten when the gateway says that it does not exist, and for no other reason.
        """
        try:
            listed = {model["id"]: model for model in await ask(self.kernels_url)}
            self._say_away("")
            for kernel_id, kernel in list(self._kernels.items()):
                if await kernel.refresh_model(listed.get(kernel_id)) is None:
                    self.log.info("kernel %s is not at the gateway any more", kernel_id)
                    self.remove_kernel(kernel_id)
        except GatewayError as error:
            if not error.passing:
                raise
            self._say_away(error.sentence)
        return [kernel.kernel for kernel in self._kernels.values() if kernel.kernel is not None]

    async def kernel_model(self, kernel_id: str) -> dict[str, Any]:
        """Return the kernel's model as it is now, the last known one while the gateway is away.

        Raises GatewayError 404 if the gateway says that it does not exist; then it is forgotten.
        """
        kernel = self.get_kernel(kernel_id)
        try:
            if kernel.refreshed < time.monotonic() - FRESH_SECONDS:
                await kernel.refresh_model()
        except GatewayError as error:
            if not error.passing:
                raise
            self._say_away(error.sentence)
        if kernel.kernel is None:
            self.remove_kernel(kernel_id)
            raise GatewayError(404, f"Kernel does not exist: {kernel_id}")
        model: dict[str, Any] = kernel.kernel
        return model

    def _say_away(self, why: str) -> None:
        if why and not self._away:
            self.log.warning("the gateway does not list kernels, so the last list is used: %s", why)
        self._away = bool(why)

    async def shutdown_all(self, now: bool = False) -> None:
        """Stop all kernels, also those after one that cannot be stopped."""
        for kernel_id in self.list_kernel_ids():
            try:
                await self.shutdown_kernel(kernel_id, now=now)
            except GatewayError as error:
                self.log.warning("kernel %s is not stopped: %s", kernel_id, error)


class RemoteKernelSpecs(GatewayKernelSpecManager):
    """The kernelspecs that the gateway offers; the last known ones while it is away."""

    _last: dict[str, Any] | None = None

    async def list_kernel_specs(self) -> dict[str, Any]:
        """Return the gateway's answer, with the server's addresses for logos. Raises GatewayError."""
        try:
            listed = self._replace_path_kernelspec_resources(await ask(self._get_kernelspecs_endpoint_url()))
        except GatewayError as error:
            if self._last is None or not error.passing:
                raise
            return self._last
        self._last = listed
        return self._last

    async def get_kernel_spec(self, kernel_name: str, **_: Any) -> dict[str, Any]:
        """Return a kernelspec's model. Raises KeyError if it does not exist, and GatewayError."""
        try:
            found: dict[str, Any] = await ask(self._get_kernelspecs_endpoint_url(kernel_name=str(kernel_name)))
        except HTTPError as error:
            if error.status_code != 404:
                raise
            raise KeyError(str(error)) from error
        return found
