"""What tests of the chart share."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from helm import CHART, INSTALL, RELEASE, Helm, find
from installed import SECONDS, Answer, Installed, Site, kubectl, succeeded


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give tests on a cluster time for more than one command of Helm or kubectl that waits."""
    for item in items:
        if Path(__file__).parent in item.path.parents and item.get_closest_marker("cluster"):
            item.add_marker(pytest.mark.timeout(3 * SECONDS))


@pytest.fixture(scope="session")
def helm(need: Any) -> Helm:
    """Return Helm; without it the test is skipped, and fails in CI."""
    binary = find()
    need(binary, "helm", INSTALL)
    assert binary
    return Helm(binary)


@pytest.fixture(scope="module")
def new_site(need: Any) -> Iterator[Callable[[], Site]]:
    """Return a function that makes a site; all are removed with what they hold, which nobody waits for."""
    need(
        shutil.which("kubectl") and os.environ.get("KUBECONFIG"), "a cluster", "make cluster-up, make test-cluster"
    )
    sites: list[Site] = []

    def make() -> Site:
        mark = secrets.token_hex(3)
        sites.append(Site(f"chart-{mark}-gateway", f"chart-{mark}-kernels"))
        succeeded(kubectl("create", "namespace", sites[-1].gateway))
        return sites[-1]

    try:
        yield make
    finally:
        names = [name for site in sites for name in (site.gateway, site.kernels)]
        kubectl("delete", "namespace", "--ignore-not-found", "--wait=false", *names)


@pytest.fixture(scope="module")
def helm_install(helm: Helm, tmp_path_factory: Any) -> Iterator[Callable[..., Answer]]:
    """Return a function of a site, values and further words that installs the chart there; all are uninstalled."""
    sites: list[Site] = []

    def run(site: Site, *words: str) -> Answer:
        command = [helm.binary, *words, "--namespace", site.gateway]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)

    def install(site: Site, values: dict[str, Any], *words: str) -> Answer:
        file = Path(tmp_path_factory.mktemp("values"), "values.yaml")
        file.write_text(yaml.safe_dump(values), encoding="utf-8")
        sites.append(site)
        return run(site, "install", RELEASE, str(CHART), "--values", str(file), *words)

    try:
        yield install
    finally:
        for site in sites:
            run(site, "uninstall", RELEASE, "--ignore-not-found")


@pytest.fixture(scope="module")
def install(helm_install: Callable[..., Answer], new_site: Callable[[], Site]) -> Callable[[str], Installed]:
    """Return a function of a set of values that installs it and returns its site and Helm's notes."""
    made: dict[str, Installed] = {}

    def once(name: str) -> Installed:
        if name not in made:
            site = new_site()
            made[name] = site, succeeded(helm_install(site, site.values(name)))
        return made[name]

    return once
