"""How soon `kernelpod users revoke` has ended what a user has at the gateway: pages, kernels, and starts.

The user's kernels compute, and their pages are open. The command is the one that an admin types.
"""

from __future__ import annotations

import json
import secrets
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import yaml
from tests.doubles import ACCESS, user_model

from bench.ours import USER, OursPeer
from bench.peers import VENV
from bench.processes import BenchError
from bench.road import ours
from bench.turns import say, wait_quiet

if TYPE_CHECKING:
    from bench.client import Channel
    from bench.table import Measure

BUSY = "import time\nprint('on', flush=True)\nwhile True: time.sleep(0.01)"
SCOPES = (ACCESS, "custom:kernelpod:admin", "delete:servers", "read:servers", "tokens")
PATIENCE_SECONDS = 60
MOST_SECONDS = 5


@dataclass(frozen=True)
class Size:
    """How many kernels the user has, and how many pages each of them."""

    kernels: int = 10
    pages: int = 2


SMALL = Size(2, 1)


class RevokedPeer(OursPeer):
    """Kernelpod's gateway, and an admin of its hub."""

    def prepare(self) -> None:
        """Create the hub with its admin, and the settings file of the command."""
        super().prepare()
        self.admin_token = secrets.token_hex(32)
        self._hub.users[self.admin_token] = user_model("admin", scopes=list(SCOPES), admin=True)
        self._hub.servers.add(USER)
        hub = {"hubs": [{"api_url": self._hub.api_url}]}
        (self.folder / "hub.yaml").write_text(yaml.safe_dump(hub), encoding="utf-8")

    def revoke(self) -> None:
        """Revoke the user. Raises BenchError if the command fails."""
        command = [str(VENV / "kernelpod"), "users", "revoke", USER, "--settings", str(self.folder / "hub.yaml")]
        command += ["--gateway-url", f"http://127.0.0.1:{self.port}"]
        environment = {**self.environment(), "KERNELPOD_ADMIN_TOKEN": self.admin_token}
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
        )
        if done.returncode:
            raise BenchError(f"`kernelpod users revoke` failed: {done.stdout}{done.stderr}")

    def left(self) -> int:
        """Return how many kernels an admin sees."""
        self.headers = {"Authorization": f"token {self.admin_token}"}
        status, body = self.request("GET", "/api/kernels")
        if status != 200:
            raise BenchError(f"the gateway answers {status} to an admin")
        return len(json.loads(body))


def measure(peer: RevokedPeer, size: Size) -> list[Measure]:
    """Return the rows of one gateway, which is started here and which the caller stops."""
    say(f"a user is revoked: starting a gateway with {size.kernels} kernels")
    peer.start()
    pages = [page for _ in range(size.kernels) for page in busy_pages(peer, size.pages)]
    wait_quiet()
    began = time.monotonic()
    peer.revoke()
    for page in pages:
        wait_closed(page)
    closed = time.monotonic() - began
    if left := peer.left():
        raise BenchError(f"the command has ended, and {left} of the user's kernels are left")
    note = (
        f"{size.kernels} kernels that compute, {size.pages} pages each, from the command to the last page closed"
    )
    return [ours("a user is revoked: everything of theirs has ended", "s", [closed], MOST_SECONDS, note)]


def busy_pages(peer: RevokedPeer, count: int) -> list[Channel]:
    """Return the open pages of a new kernel that computes."""
    address = peer.address(peer.start_kernel())
    pages: list[Channel] = [address.open() for _ in range(count)]
    asked = pages[0].submit(BUSY)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (message := pages[0].receive(deadline)).kind != "stream" or message.parent != asked:
        pass
    return pages


def wait_closed(page: Channel) -> None:
    """Return when the gateway has closed a page. Raises BenchError if it does not."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    try:
        while True:
            page.receive(deadline)
    except BenchError as error:
        if time.monotonic() > deadline:
            raise BenchError("the page of a revoked user stays open") from error
