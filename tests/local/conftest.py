"""A machine with a hub, homes, kernelspecs and gateways on loopback; all of it is gone after the tests."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from client import Callers
from doubles import ACCESS, FakeHub, GatewayProcess, eventually, user_model

CHECKOUT = Path(__file__).parents[2]
KERNELS = CHECKOUT / ".envs" / "kernels"
PYTHON = ["python", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
UID, GID = (1000, 100) if os.getuid() == 0 else (os.getuid(), os.getgid())
USERS: dict[str, dict[str, Any]] = {
    "alice-token": user_model("alice", groups=["staff"]),
    "bob-token": user_model("bob"),
    "admin-token": user_model("carol", scopes=[ACCESS, "custom:kernelpod:admin"], admin=True),
    "metrics-token": user_model("prometheus", kind="service", scopes=[ACCESS, "read:metrics"]),
    "scopeless-token": user_model("dave", scopes=["self"]),
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder starts processes."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("local")


def merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return settings with some changed, section by section."""
    both = {key: merged(base[key], value) for key, value in changes.items() if isinstance(base.get(key), dict)}
    return {**base, **changes, **both}


@dataclass
class Site(Callers):
    """One gateway, with homes and kernelspecs of its own."""

    folder: Path
    hub: FakeHub
    gateway: GatewayProcess

    @property
    def homes(self) -> Path:
        """The folder of all homes."""
        return self.folder / "homes"

    def home(self, name: str) -> Path:
        """Return a user's home, made if need be as the server's side would."""
        path = self.homes / name
        if not path.exists():
            path.mkdir(0o700, parents=True)
            os.chown(path, UID, GID)
        return path

    def spec(self, name: str, *, for_alice: bool = True, **changes: Any) -> str:
        """Publish a kernelspec and return its name, when alice sees it if it is for her."""
        folder = self.folder / "kernelspecs" / name
        folder.mkdir(parents=True, exist_ok=True)
        whole = {
            "display_name": name,
            "language": "python",
            "argv": PYTHON,
            "interrupt_mode": "message",
            "metadata": {"kernelpod": {"image": "registry.example/kernel:1"}},
        }
        (folder / "kernel.json").write_text(json.dumps({**whole, **changes}), encoding="utf-8")
        if self.gateway.url and for_alice:
            eventually(lambda: self._seen(name), what=f"kernelspec {name} is noticed")
        return name

    def _seen(self, name: str) -> bool:
        """Return whether the gateway lists a kernelspec, or has said that it does not."""
        listed = self.alice.ask("GET", "kernelspecs").json()["kernelspecs"]
        return name in listed or f"kernelspec {name} is not listed" in self.gateway.log

    def stop_kernels(self) -> None:
        """End every kernel through the gateway."""
        for kernel_id in self.admin.ids():
            self.admin.ask("DELETE", f"kernels/{kernel_id}")
        # bubblewrap's outer process, which has done its work, ends right after the sandbox.
        eventually(lambda: self.traces() == [], what="nothing is left of kernels")

    def traces(self) -> list[str]:
        """Return what is left of kernels on this machine."""
        return self.gateway.traces()

    def ids(self) -> set[str]:
        """Return the ids of all kernels of this machine, listed or not."""
        return {str(UUID(path.name.partition("-")[0])) for path in self.gateway.state_dir.iterdir()}


MakeSite = Callable[..., Site]


@pytest.fixture(scope="session")
def system_paths(need: Any) -> list[str]:
    """The folders a kernel of the kernels' environment needs to read."""
    need(shutil.which("bwrap"), "bubblewrap", "apt-get install bubblewrap")
    need((KERNELS / "bin" / "python").exists(), "the kernels' environment", "make env")
    python = KERNELS / "bin" / "python"
    base = str(python.resolve().parents[1])
    return [str(KERNELS), *([base] if not base.startswith("/usr") else [])]


@pytest.fixture(scope="session")
def hub() -> Iterator[FakeHub]:
    """The hub of all tests that do not break it."""
    with FakeHub() as running:
        running.users.update(USERS)
        yield running


@pytest.fixture(scope="session")
def make_site(system_paths: list[str], hub: FakeHub) -> Iterator[MakeSite]:
    """A function that starts a gateway with some settings changed; all are removed at the end."""
    sites: list[Site] = []

    def make(asked: FakeHub | None = None, **changes: Any) -> Site:
        # Short, since it is part of the names of sockets.
        folder = Path(tempfile.mkdtemp(prefix="kp-", dir="/tmp"))
        settings = {
            "hubs": [{"api_url": (asked or hub).api_url, "timeout_seconds": 30}],
            "gateway": {"port": 0},
            "identity": {"cache_seconds": 0.2, "negative_cache_seconds": 0.2},
            "kernelspecs": {"path": str(folder / "kernelspecs"), "refresh_seconds": 0.05},
            "start": {"grace_period_seconds": 4},
            "homes": {"root": str(folder / "homes")},
            "runtime": {
                "kind": "local",
                "local": {
                    "state_dir": str(folder / "s"),
                    "search_path": [str(KERNELS / "bin")],
                    "read_only_paths": system_paths,
                },
            },
        }
        site = Site(folder, asked or hub, GatewayProcess(merged(settings, changes), folder))
        sites.append(site)
        site.spec("python-pod")
        for name in ("alice", "bob", "carol"):
            site.home(name)
        site.gateway.start(GATEWAY_SECRET="do-not-leak")
        return site

    yield make
    for site in sites:
        site.gateway.remove()
        shutil.rmtree(site.folder)


@pytest.fixture(scope="session")
def shared_site(make_site: MakeSite) -> Site:
    """The gateway of all tests that need nothing special; see `site`."""
    return make_site()


def remove_flags(site: Site) -> None:
    """Remove the files that alice's cells wait for; a test that has failed may have left some."""
    for flag in ("go", "opened", "away"):
        (site.home("alice") / flag).unlink(missing_ok=True)


@pytest.fixture
def site(shared_site: Site) -> Iterator[Site]:
    """The shared gateway, with no kernel before and none after, and no traceback in its log."""
    remove_flags(shared_site)
    before = len(shared_site.gateway.log)
    yield shared_site
    shared_site.stop_kernels()
    said = shared_site.gateway.log[before:]
    assert "Traceback" not in said, said[-6000:]


@pytest.fixture(scope="session")
def mortal_site(make_site: MakeSite) -> Site:
    """The gateway of all tests that kill it; see `mortal`."""
    return make_site()


@pytest.fixture
def mortal(mortal_site: Site) -> Iterator[Site]:
    """A gateway that may be killed, with no kernel before and none after; it runs again then."""
    remove_flags(mortal_site)
    yield mortal_site
    mortal_site.stop_kernels()
