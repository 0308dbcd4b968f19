"""How much is tried: KERNELPOD_FUZZ examples of each parser, the same in every run, or others by `make fuzz`."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

settings.register_profile(
    "fuzz",
    max_examples=int(os.environ.get("KERNELPOD_FUZZ", "150")),
    database=None,
    deadline=None,
    derandomize="KERNELPOD_FUZZ_ANEW" not in os.environ,
    print_blob=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("fuzz")
