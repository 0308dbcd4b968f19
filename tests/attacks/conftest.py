"""Attacks by name, `test_<who>_cannot_<what>`, on what tests/local runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.conftest import hub, make_site, mortal, mortal_site, shared_site, site, system_paths

__all__ = ["hub", "make_site", "mortal", "mortal_site", "shared_site", "site", "system_paths"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder starts processes."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("local")
