"""What every test may use: a way to say which tool is missing."""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
from typing import Any

import pytest


def pytest_configure() -> None:
    """Clean up on SIGTERM as on Ctrl-C; by default Python would end at once and leave kernels behind."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(call: pytest.CallInfo[None]) -> Any:
    """Show what the gateways have said last that said something while a test failed."""
    report = yield
    if report.failed and (doubles := sys.modules.get("doubles")):
        for gateway in [one for one in doubles.GatewayProcess.running if one.last_said >= call.start]:
            report.sections.append((f"the end of the log of the gateway at {gateway.url}", gateway.log[-8000:]))
    return report


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the hub's tests to the hub's environment, unless they were asked for by name."""
    if "hub" in config.getoption("markexpr") or importlib.util.find_spec("kubespawner"):
        return
    ours = [item for item in items if not item.get_closest_marker("hub")]
    config.hook.pytest_deselected(items=[item for item in items if item not in ours])
    items[:] = ours


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Repeat the tests of what meets in time as often as KERNELPOD_RACES says; see `make races`."""
    times = int(os.environ.get("KERNELPOD_RACES", "1"))
    if times > 1 and metafunc.definition.get_closest_marker("race"):
        metafunc.fixturenames.append("race_round")
        metafunc.parametrize("race_round", range(times))


@pytest.fixture
def race_round() -> int:
    """How often this test of a race has run before."""
    return 0


@pytest.fixture
def moment(race_round: int) -> float:
    """When the second of two that meet begins, in seconds after the first; another time in each round."""
    return race_round % 25 * 0.02


def _need(there: object, tool: str, remedy: str) -> None:
    if not there and os.environ.get("CI") == "true":
        pytest.fail(f"{tool} is missing in CI: {remedy}")
    if not there:
        pytest.skip(f"{tool} is missing: {remedy}")


@pytest.fixture(scope="session")
def need() -> Any:
    """A function of (is it there, tool, remedy): skips on a developer's machine, fails in CI."""
    return _need


@pytest.fixture(scope="session")
def need_module() -> Any:
    """A function that returns a module, or skips with the command that installs it."""

    def module(name: str) -> Any:
        _need(importlib.util.find_spec(name.partition(".")[0]), name, "make env")
        return importlib.import_module(name)

    return module
