"""What every test may use: a way to say which tool is missing."""

from __future__ import annotations

import importlib.util
import os
import shutil
from typing import Any

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the hub's tests to the hub's environment, unless they were asked for by name."""
    if "hub" in config.getoption("markexpr") or importlib.util.find_spec("kubespawner"):
        return
    ours = [item for item in items if not item.get_closest_marker("hub")]
    config.hook.pytest_deselected(items=[item for item in items if item not in ours])
    items[:] = ours


def missing(tool: str, remedy: str) -> Any:
    """Skip the test on a developer's machine; fail it in CI, where every tool must be there."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{tool} is missing in CI: {remedy}")
    pytest.skip(f"{tool} is missing: {remedy}")


@pytest.fixture(scope="session")
def need_module() -> Any:
    """A function that returns a module, or skips with the command that installs it."""

    def need(name: str) -> Any:
        if importlib.util.find_spec(name) is None:
            missing(name, "make env")
        return importlib.import_module(name)

    return need


@pytest.fixture(scope="session")
def need_sandbox() -> None:
    """Skip where bubblewrap cannot be used."""
    if shutil.which("bwrap") is None:
        missing("bubblewrap", "apt-get install bubblewrap")
