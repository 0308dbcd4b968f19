"""Kernelpod's gateway as a peer: the shipped command, kernelspec and sandbox, and a hub with one user."""

from __future__ import annotations

import os
import secrets
from typing import Any

import yaml
from tests.doubles import FakeHub, user_model

from bench.peers import VENV, GatewayPeer
from bench.upstream import KERNEL_PYTHON, ROOT

USER = "bench"  # the KERNEL_USERNAME of every peer's client; here also the token's user at the hub
SANDBOX_UID, SANDBOX_GID = 1000, 100  # for kernels of a gateway that runs as root; otherwise its own ids are used
UNLIMITED = {"iopub_msg_rate_limit": 0, "iopub_data_rate_limit": 0}  # as the stock gateway
PASSING = 0o711  # lets the kernel's uid pass through parent folders


class OursPeer(GatewayPeer):
    """Kernelpod's gateway with local kernels in their sandboxes, as for users, including authentication."""

    name = "ours"
    kernel_name = "python-pod"

    def __init__(self) -> None:
        super().__init__()
        self._hub = FakeHub()

    def prepare(self) -> None:
        """Create a hub, a home, and the settings file for both."""
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
        """Return the settings. All other settings have their defaults."""
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
            "gateway": {"port": self.port, "stop_kernels_on_exit": True, **UNLIMITED},
            "kernelspecs": {"path": str(ROOT / "kernelspecs"), "default": self.kernel_name},
            "policy": {
                "uid": uid or SANDBOX_UID,
                "gid": gid if uid else SANDBOX_GID,
                "max_kernels_per_user": None,
            },
            "homes": {"root": str(self.folder / "homes")},
            "runtime": {"kind": "local", "local": local},
        }

    def command(self) -> list[str]:
        """Return the command that an admin runs."""
        return [str(VENV / "kernelpod"), "gateway", "--settings", str(self.folder / "settings.yaml")]

    def stop(self) -> None:
        """End the gateway and the kernels, then the hub."""
        super().stop()
        self._hub.stop()
