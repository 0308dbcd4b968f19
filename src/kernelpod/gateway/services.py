"""What the application makes once and every page works with."""

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
    """What the pages work with."""

    settings: Settings
    provers: dict[str, Prover]
    """By the name of the hub; the first one proves callers whose URL names no hub."""
    starter: KernelStarter
    kernels: DirectMappingKernelManager
    metrics: Metrics
    listings: Listings = field(default_factory=Listings)
    ready: bool = False
