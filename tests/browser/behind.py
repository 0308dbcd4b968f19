"""What runs behind a page of Lab: the processes of hub, server, gateway and kernel, as the machine tells them."""

from __future__ import annotations

import contextlib
import html
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from kernelpod.demo.processes import descendants

HOME = "/home/jovyan"
# What a process is, by a word of its command line.
ROLES = {
    "ipykernel_launcher": "{user}'s kernel",
    "jupyterhub-singleuser": "{user}'s server",
    "gateway": "the gateway",
    "jupyterhub": "the hub",
}
ORDER = ("the hub", "server", "the gateway", "kernel")


@dataclass(frozen=True)
class Behind:
    """One process: what it is, its pid, and the folder that it has as its home."""

    role: str
    pid: int
    home: str


def behind(pid: int, user: str) -> list[Behind]:
    """Return hub, gateway, and a user's server and kernel, of all processes below one."""
    found: dict[str, Behind] = {}
    for one in descendants(pid):
        with contextlib.suppress(OSError):
            for word in _roles(one, user):
                found.setdefault(word, Behind(word, one, _home(one)))
    return sorted(found.values(), key=lambda one: next(n for n, word in enumerate(ORDER) if word in one.role))


def _roles(pid: int, user: str) -> Iterator[str]:
    words = [Path(word).name for word in _zeros(pid, "cmdline")]
    environment = dict(pair.split("=", 1) for pair in _zeros(pid, "environ") if "=" in pair)
    whose = environment.get("KERNEL_USERNAME") or environment.get("JUPYTERHUB_USER")
    role = next((text for word, text in ROLES.items() if word in words), "")
    if role and words[0] != "bwrap" and ("{user}" not in role or whose == user):
        yield role.format(user=user)


def _zeros(pid: int, name: str) -> list[str]:
    return Path(f"/proc/{pid}/{name}").read_text(encoding="utf-8", errors="replace").split("\0")


def _home(pid: int) -> str:
    """Return the folder that is mounted at the home; empty in a process that sees the machine's files."""
    lines = Path(f"/proc/{pid}/mountinfo").read_text(encoding="utf-8").splitlines()
    mounts = {fields[4]: fields[3] for fields in map(str.split, lines)}
    return "/".join(["…", *mounts[HOME].split("/")[-2:]]) if HOME in mounts else ""


def page(rows: list[Behind]) -> str:
    """Return the address of a page that shows them."""
    cards = "".join(
        f"<section><h2>{html.escape(row.role)}</h2><p>process {row.pid}</p>"
        + (f"<p class=home>{HOME} is<br><b>{html.escape(row.home)}</b></p>" if row.home else "")
        + "</section>"
        for row in rows
    )
    style = (
        "body{margin:0;padding:14px;font:15px sans-serif;background:#f4f6fa;color:#1b2a4a}"
        "section{background:#fff;border:1px solid #3b5b92;border-radius:8px;padding:12px 16px;margin:0 0 28px}"
        "h1{font-size:17px;margin:6px 0 18px}h2{font-size:17px;margin:0 0 6px}p{margin:2px 0;color:#3c4657}"
        ".home{color:#14532d;margin-top:8px}section:not(:last-child){position:relative}"
        "section:not(:last-child):after{content:'↓';position:absolute;left:50%;bottom:-25px;font-size:18px}"
    )
    return "data:text/html;charset=utf-8," + quote(
        f"<style>{style}</style><h1>What runs behind this page</h1>{cards}"
    )
