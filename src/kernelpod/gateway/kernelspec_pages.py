"""The pages of kernelspecs: callers see those that they may start."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tornado import web

from kernelpod.courses.course_access import course_kernelspecs
from kernelpod.errors import Denied, NotFound
from kernelpod.gateway.proven import Proven
from kernelpod.kernelspecs.model import KernelSpec
from kernelpod.settings.kernels import Bounds
from kernelpod.start.policy import is_offered, lacks_encryption
from kernelpod.start.rules import user_bounds

IMAGE_TYPES = {"png": "image/png", "svg": "image/svg+xml"}


def kernelspec_model(spec: KernelSpec, base_url: str) -> dict[str, Any]:
    """Return the kernelspec's model for clients. It contains neither the environment nor the groups."""
    place = f"{base_url.rstrip('/')}/kernelspecs/{spec.address}"
    resources = {name.partition(".")[0]: f"{place}/{name}" for name in spec.logos}
    return {
        "name": spec.address,
        "spec": {
            "argv": list(spec.argv),
            "env": {},
            "display_name": spec.display_name,
            "language": spec.language,
            "interrupt_mode": spec.interrupt_mode,
            "metadata": {
                "debugger": spec.debugger,
                "supported_encryption": ["curve"] if spec.supports_curve else [],
                "kernelpod": {"image": spec.image},
            },
        },
        "resources": resources,
    }


class _KernelSpecs(Proven, web.RequestHandler):
    may: tuple[str, tuple[str, ...], Bounds, frozenset[str]] | None = None

    @property
    def visible(self) -> dict[str, KernelSpec]:
        """The kernelspecs that the caller may start, by address."""
        published, may = self.services.starter.kernelspecs.all(), self.may
        settings = self.services.settings
        return {
            name: spec
            for name, spec in published.items()
            if may and is_offered(spec, *may) and not lacks_encryption(spec, settings)
        }

    async def check(self) -> None:
        """Find what the list of kernelspecs depends on: the caller's groups, bounds and course."""
        identity = self.proof.identity
        try:
            course_access = await self.services.starter.resolve_course(identity)
        except Denied:  # callers in no course get an empty list; starting a kernel tells them why
            self.may = None
        else:
            of_course = (
                course_kernelspecs(course_access.hub, course_access.membership)
                if course_access
                else frozenset[str]()
            )
            bounds = user_bounds(self.services.settings, identity)
            self.may = identity.owner.hub, identity.groups, bounds, of_course

    def find(self, address: str) -> KernelSpec:
        """Return a kernelspec. Raises NotFound if it does not exist or is not for the caller."""
        if address not in self.visible:
            raise NotFound("kernelspec_not_found", f"There is no kernelspec {address[:100]!r}.")
        return self.visible[address]


class KernelSpecsPage(_KernelSpecs):
    """GET lists the kernelspecs the caller may start."""

    def get(self) -> None:
        """Answer in the form of Jupyter's REST API."""
        published = self.services.starter.kernelspecs.all()
        self.finish(self.services.listings.body(published, self.may, self._made))

    def _made(self) -> str:
        base_url = self.settings["base_url"]
        specs = {name: kernelspec_model(spec, base_url) for name, spec in self.visible.items()}
        default = self.services.settings.kernelspecs.default
        first = default if default in specs else next(iter(specs), default)
        return json.dumps({"default": first, "kernelspecs": specs})


class KernelSpecPage(_KernelSpecs):
    """GET shows one kernelspec."""

    def get(self, name: str) -> None:
        """Answer in the form of Jupyter's REST API."""
        self.finish(json.dumps(kernelspec_model(self.find(name), self.settings["base_url"])))


class LogoPage(_KernelSpecs):
    """GET sends a kernelspec's logo; no other file of the folder is served."""

    async def get(self, name: str, file_name: str) -> None:
        """Answer with the image."""
        spec = self.find(name)
        if file_name not in spec.logos:
            raise NotFound("page_not_found", "There is no such file.")
        content = await asyncio.to_thread((spec.folder / file_name).read_bytes)
        self.set_header("Content-Type", IMAGE_TYPES[file_name.rpartition(".")[2]])
        self.finish(content)
