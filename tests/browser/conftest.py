"""A person's browser in front of a real hub with courses, its gateway and kernels on this machine."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from demos import COURSES_HUB, at_a_browser, demo_with_courses
from person import Hub, Person

from doubles import eventually

sys.path.insert(0, str(COURSES_HUB.parent))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs a browser."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("browser")
            item.add_marker(pytest.mark.timeout(300))


@pytest.fixture(scope="session")
def running_hub(need: Any) -> Iterator[Hub]:
    """The demo with courses, where hub and servers share an origin."""
    with demo_with_courses(need) as hub:
        yield hub


@pytest.fixture
def hub(running_hub: Hub) -> Iterator[Hub]:
    """The hub, without a theme before and after."""
    yield running_hub
    running_hub.write(running_hub.given)
    eventually(lambda: running_hub.plain, what="the hub's pages have no theme")


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of all screenshots; KERNELPOD_PICTURES keeps them elsewhere."""
    named = os.environ.get("KERNELPOD_PICTURES", "")
    folder = Path(named) if named else tmp_path_factory.mktemp("pictures")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    """Say with a failure where the screenshots are."""
    report = yield
    if report.failed and (folder := getattr(item, "funcargs", {}).get("pictures")):
        report.sections.append(("screenshots", str(folder)))
    return report


@pytest.fixture
def person(hub: Hub, pictures: Path, need: Any, request: pytest.FixtureRequest) -> Iterator[Person]:
    """Somebody at a desktop's browser; what it shows when a test fails is kept, too."""
    with at_a_browser(hub, pictures, need, request.node.name) as somebody:
        yield somebody
