"""Logins at a real hub: what every file here needs."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder logs in at a real hub."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("logins")


@pytest.fixture(scope="session", autouse=True)
def _environment(need: Any) -> None:
    need(importlib.util.find_spec("oauthenticator"), "the logins environment", "make test-logins")
