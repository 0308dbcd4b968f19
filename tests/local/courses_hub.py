"""Runs the demo with courses until its standard input ends; the first line it writes is JSON: where it is.

Each line that it reads kills the gateway and starts another, and is answered by a line. With KERNELPOD_SUBDOMAINS,
each server has a host of its own.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

from kernelpod.demo import config
from kernelpod.demo import stack as demo

CHECKOUT = Path(__file__).parents[2]
ADMIN = "the password of admins, longer than the other"


def courses(storage: Path) -> dict[str, Any]:
    """Return the courses of the demo's hub."""
    ml = {
        "title": "Machine Learning",
        "folder": {"path": "folders/{course}", "mount_path": "/srv/course"},
        "exchange": {"path": "exchange/{course}"},
        "students": ["alice", "mallory"],
        "graders": ["bob"],
    }
    return {
        "hub": "demo",
        "storage": {"root": str(storage)},
        "block": ["mallory"],
        "admins": ["carol", "root2"],
        "defaults": {"image": "lab:1"},
        "courses": {"ml": ml, "stats": {"title": "Statistics", "students": ["alice", "dora"]}},
    }


def servers() -> list[str]:
    """Return the lines that start users' servers from the environment that KERNELPOD_SERVERS names."""
    name = os.environ.get("KERNELPOD_SERVERS", "")
    if not name:
        return []
    environment = CHECKOUT / ".envs" / name
    base = (environment / "bin" / "python").resolve().parents[1]
    paths = ":".join(map(str, (environment, base, CHECKOUT / "src")))
    path = f"{environment / 'bin'}:{os.environ['PATH']}"
    return [f"c.SandboxSpawner.server_paths = {paths!r}", f"c.Spawner.environment.update({{'PATH': {path!r}}})"]


def run(folder: Path) -> None:
    """Run the demo with its files of courses in a folder."""
    folder.chmod(0o755)
    slides = folder / "courses" / "folders" / "ml"
    slides.mkdir(parents=True)
    if os.getuid() == 0:  # servers then have the demo's ids
        os.chown(slides, 1000, 100)
    file = folder / "courses.yaml"
    file.write_text(yaml.safe_dump(courses(folder / "courses")), encoding="utf-8")
    settings, hub_config = config.settings, config.hub_config

    def with_courses(stack: demo.Stack) -> dict[str, Any]:
        made = settings(stack)
        made["hubs"][0]["courses"] = str(file)
        return made

    def with_an_admin(stack: demo.Stack) -> str:
        lines = [hub_config(stack), "c.Authenticator.admin_users = {'root2'}", *servers()]
        return "\n".join([*lines, f"c.SharedPasswordAuthenticator.admin_password = {ADMIN!r}"])

    config.settings, config.hub_config = with_courses, with_an_admin
    hosts = bool(os.environ.get("KERNELPOD_SUBDOMAINS"))
    with demo.running_stack(CHECKOUT, None, lambda text: print(text, file=sys.stderr), subdomains=hosts) as stack:
        print(json.dumps({"url": stack.url, "password": stack.password, "courses": str(file)}), flush=True)
        for _ in sys.stdin:
            stack.kill_gateway()
            stack.start_gateway()
            print("another gateway runs", flush=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="kp-", dir="/tmp") as made_folder:
        run(Path(made_folder))
