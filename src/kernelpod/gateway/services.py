"""Services: the objects that the application creates once and all pages use."""

from __future__ import annotations

from dataclasses import dataclass, field

from kernelpod.gateway.kernels import DirectMappingKernelManager
from kernelpod.gateway.listings import Listings
from kernelpod.gateway.metrics import Metrics
from kernelpod.settings.sections import Settings
from kernelpod.start.identity import Prover
from kernelpod.start.start import KernelStarter


@dataclass
class Services:
    """The objects that all pages use."""

    settings: Settings
    provers: dict[str, Prover]
    """Provers by the names of their hubs. The first authenticates callers whose URL names no hub."""
    starter: KernelStarter
    kernels: DirectMappingKernelManager
    metrics: Metrics
    listings: Listings = field(default_factory=Listings)
    ready: bool = False
