"""The commands and files of docs/hub-without-helm.md, "On one machine"; addresses and the login are others."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from doubles import eventually
from kernelpod.base.freeports import hold_port
from kernelpod.demo.client import Browser
from pages import blocks, read

CHECKOUT = Path(__file__).parents[2]
UID, GID = (1000, 100) if os.getuid() == 0 else (os.getuid(), os.getgid())
PASSWORD = "only for this test"


def commands(folder: Path) -> list[str]:
    """Return the page's commands: what prepares a hub, and what starts it. The environments are there already."""
    page = read("hub-without-helm")
    found = blocks(page.split("\n## ")[1], "bash")
    return [one.text.replace("make env\n", "").replace("/srv/kernelpod", str(folder)) for one in found]


def changed(path: Path, changes: dict[str, Any]) -> None:
    """Change sections of a YAML file."""
    text = path.read_text(encoding="utf-8").replace("/srv/kernelpod", str(path.parent))
    sections: dict[str, Any] = yaml.safe_load(text)
    for section, values in changes.items():
        sections.setdefault(section, {}).update(values)
    path.write_text(yaml.safe_dump(sections), encoding="utf-8")


@contextlib.contextmanager
def started(command: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run the page's commands as a shell does, in a process group; all of it ends afterwards."""
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            ["bash", "-euc", command], cwd=CHECKOUT, stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)
        eventually(lambda: not alive(process.pid), what="hub and gateway have ended")


def alive(group: int) -> bool:
    """Return whether something of a process group is there."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def url(need: Any) -> Iterator[str]:
    """Where the hub of the page is."""
    need((CHECKOUT / ".envs" / "hub" / "bin" / "jupyterhub").exists(), "the hub environment", "make env")
    need(shutil.which("bwrap"), "bubblewrap", "apt-get install bubblewrap")
    with tempfile.TemporaryDirectory(prefix="kernelpod-") as name:
        folder = Path(name)
        prepare, start, *_ = commands(folder)
        subprocess.run(["bash", "-euc", prepare], cwd=CHECKOUT, check=True, timeout=60)
        ports = [hold_port() for _ in range(4)]
        gateway, hub, proxy, inner = (port.number for port in ports)
        settings = {
            "gateway": {"port": gateway, "stop_kernels_on_exit": True},
            "servers": {"gateway_url": f"http://127.0.0.1:{gateway}"},
            "policy": {"uid": UID, "gid": GID},
        }
        changed(folder / "settings.yaml", settings)
        given = yaml.safe_load((folder / "settings.yaml").read_text(encoding="utf-8"))
        given["hubs"][0]["api_url"] = f"http://127.0.0.1:{inner}/hub/api"
        given["runtime"]["local"]["state_dir"] = str(folder / "k")
        (folder / "settings.yaml").write_text(yaml.safe_dump(given), encoding="utf-8")
        own = {"bind_url": f"http://127.0.0.1:{hub}", "hub_bind_url": f"http://127.0.0.1:{inner}"}
        config = {
            "JupyterHub": {**own, "authenticator_class": "shared-password"},
            "ConfigurableHTTPProxy": {"api_url": f"http://127.0.0.1:{proxy}"},
            "SharedPasswordAuthenticator": {"user_password": PASSWORD},
        }
        changed(folder / "config.yaml", config)
        with started(start, folder) as process:
            eventually(lambda: answers(process, own["bind_url"], folder), what="the hub answers")
            yield own["bind_url"]
        for port in ports:
            port.release()


def answers(process: subprocess.Popen[bytes], url: str, folder: Path) -> bool:
    """Return whether the hub answers."""
    assert process.poll() is None, (folder / "log").read_text(encoding="utf-8")[-4000:]
    with contextlib.suppress(requests.ConnectionError):
        return requests.get(f"{url}/hub/health", timeout=60).ok
    return False


def test_the_page_leads_to_a_kernel_in_a_home(url: str) -> None:
    with contextlib.closing(Browser(url, "alice")) as alice:
        alice.login(PASSWORD)
        alice.spawn()
        assert sorted(alice.api("GET", "kernelspecs").json()["kernelspecs"])[:2] == ["bash-pod", "python-pod"]
        with contextlib.closing(alice.start_notebook("a.ipynb", "python-pod")) as kernel:
            assert kernel.run("import os; open('made', 'w').close(); print(os.getcwd())") == "/home/jovyan\n"
        assert "made" in alice.terminal("ls")
        alice.stop_server()
