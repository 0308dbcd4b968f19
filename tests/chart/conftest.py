"""What tests of the chart share."""

from __future__ import annotations

from typing import Any

import pytest
from helm import INSTALL, Helm, find


@pytest.fixture(scope="session")
def helm(need: Any) -> Helm:
    """Return Helm; without it the test is skipped, and fails in CI."""
    binary = find()
    need(binary, "helm", INSTALL)
    assert binary
    return Helm(binary)
