"""Databases of a real hub: what every file here needs."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder starts a real hub, most of it a database server as well."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("databases")


@pytest.fixture(scope="session", autouse=True)
def _environment(need: Any) -> None:
    need(importlib.util.find_spec("pymysql"), "the logins environment", "make test-databases")
