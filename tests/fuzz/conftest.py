"""How much is tried: KERNELPOD_FUZZ examples of each parser, the same in every run, or others by `make fuzz`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

EXAMPLES = int(os.environ.get("KERNELPOD_FUZZ", "150"))
# An example takes milliseconds, but not on a machine that does other things.
LEAST_SECONDS, EXAMPLE_SECONDS = 300, 2

settings.register_profile(
    "fuzz",
    max_examples=EXAMPLES,
    database=None,
    deadline=None,
    derandomize="KERNELPOD_FUZZ_ANEW" not in os.environ,
    print_blob=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("fuzz")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give tests as much time as their examples may need."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(max(LEAST_SECONDS, EXAMPLES * EXAMPLE_SECONDS)))
