"""Two gateways on this machine for the same kernels: one leads, and the other stands by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import requests

from client import Caller
from doubles import GatewayProcess, eventually

LEADS = "this gateway leads from now on"


@dataclass
class GatewayPair:
    """A site with two gateways."""

    site: Any
    gateways: tuple[GatewayProcess, GatewayProcess]

    @property
    def leader(self) -> GatewayProcess:
        """The gateway that leads."""
        return next(one for one in self.gateways if one.runs and self.leads(one))

    @property
    def other(self) -> GatewayProcess:
        """The gateway that stands by."""
        return next(one for one in self.gateways if one is not self.leader)

    def leads(self, gateway: GatewayProcess) -> bool:
        """Return whether a gateway leads, by what it has said since it was started last."""
        return LEADS in gateway.said

    def both(self) -> None:
        """Start those that do not run. Return when one leads, and the other passes requests on to it."""
        for one in self.gateways:
            if not one.runs:
                one.start()
        eventually(lambda: any(self.leads(one) for one in self.gateways), what="one of them leads")
        for one in self.gateways:
            eventually(lambda one=one: requests.get(f"{one.url}/readyz", timeout=60).ok, what="it is ready")

    def listens(self, kernel_id: str) -> None:
        """Return when the other gateway listens to a kernel."""
        said = f"kernel {kernel_id}: this gateway listens to it"
        eventually(lambda: said in self.other.said, what="the other gateway listens")

    def at(self, gateway: GatewayProcess, name: str = "alice") -> Caller:
        """Return a user at one of the gateways."""
        return Caller(gateway.url, f"{name}-token")

    def stop_kernels(self) -> None:
        """End all kernels, at whichever leads by then."""
        self.both()
        for kernel_id in self.at(self.leader, "admin").ids():
            self.at(self.leader, "admin").ask("DELETE", f"kernels/{kernel_id}")
        assert self.site.traces() == []
        for one in self.gateways:
            assert "Traceback" not in one.said, one.said[-6000:]
