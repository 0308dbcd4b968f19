"""The gateway's metrics for Prometheus. They contain no user names."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_BUCKETS = (0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120)


class Metrics:
    """The gateway's metrics in their own registry, without those of libraries."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.starts = Counter(
            "kernelpod_kernel_starts", "Kernel starts by outcome code", ["outcome"], registry=self.registry
        )
        self.start_seconds = Histogram(
            "kernelpod_kernel_start_seconds",
            "From request to answer",
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.kernels = Gauge("kernelpod_kernels", "Running kernels by state", ["state"], registry=self.registry)
        self.websockets = Gauge("kernelpod_websockets", "Open kernel websockets", registry=self.registry)

    def text(self, states: Iterable[str], websockets: int) -> bytes:
        """Return the metrics in Prometheus' text format; `states` are the execution states of all kernels."""
        self.kernels.clear()
        for state in states:
            self.kernels.labels(state=state).inc()
        self.websockets.set(websockets)
        made: bytes = generate_latest(self.registry)
        return made
