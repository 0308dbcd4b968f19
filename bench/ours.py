"""Kernelpod's gateway as a peer: the shipped command, kernelspec and sandbox, and a hub that knows one user."""

from __future__ import annotations

import os
import secrets
from typing import Any

import yaml
from tests.doubles import FakeHub, user_model

from bench.peers import VENV, GatewayPeer
from bench.upstream import KERNEL_PYTHON, ROOT

USER = "bench"  # what every peer's client sends as KERNEL_USERNAME, and here the hub's word for its token
SANDBOX_UID, SANDBOX_GID = 1000, 100  # for kernels of a gateway that runs as root; others keep their own
PASSING = 0o711  # the kernel's uid passes through a folder on the way to its own


class OursPeer(GatewayPeer):
    """Kernelpod's gateway with local kernels in their sandboxes: what a user gets, proof of identity included."""

    name = "ours"
    kernel_name = "python-pod"

    def __init__(self) -> None:
        super().__init__()
        self._hub = FakeHub()

    def prepare(self) -> None:
        """A hub, a home, and the settings file that names both."""
        token = secrets.token_hex(32)
        self.headers = {"Authorization": f"token {token}"}
        self._hub.users = {token: user_model(USER)}
        self._hub.start()
        self.folder.chmod(PASSING)
        homes = self.folder / "homes"
        homes.mkdir(mode=PASSING)
        home = homes / USER
        home.mkdir(mode=0o700)
        settings = self.settings()
        os.chown(home, settings["policy"]["uid"], settings["policy"]["gid"])
        (self.folder / "settings.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")

    def settings(self) -> dict[str, Any]:
        """Everything that is not set is left at its default, as users find it."""
        environment, base = KERNEL_PYTHON.parents[1], KERNEL_PYTHON.resolve().parents[1]
        uid, gid = os.getuid(), os.getgid()
        local = {
            "state_dir": str(self.folder / "k"),
            "sandbox": "required",
            "search_path": [str(KERNEL_PYTHON.parent)],
            "read_only_paths": [str(environment), str(base)],
        }
        return {
            "hubs": [{"api_url": self._hub.api_url}],
            "gateway": {"port": self.port, "stop_kernels_on_exit": True},
            "kernelspecs": {"path": str(ROOT / "kernelspecs"), "default": self.kernel_name},
            "policy": {"uid": uid or SANDBOX_UID, "gid": gid if uid else SANDBOX_GID},
            "homes": {"root": str(self.folder / "homes")},
            "runtime": {"kind": "local", "local": local},
        }

    def command(self) -> list[str]:
        """The command an admin runs."""
        return [str(VENV / "kernelpod"), "gateway", "--settings", str(self.folder / "settings.yaml")]

    def stop(self) -> None:
        """End gateway and kernels, then the hub they were proven by."""
        super().stop()
        self._hub.stop()
