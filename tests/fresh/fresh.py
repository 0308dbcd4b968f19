"""The README's first command on a Debian 13 that nobody has worked on: as a newcomer, and as root in a container.

`make test-fresh`, as root: the Debian is debootstrapped once, and a copy of it entered as a root of its own. The
last commit of the checkout is cloned into a deep folder with a space and an umlaut. Only the network is shared.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "cluster"))

from machine import Machine, alone, machine, tree
from rig.layout import RigError

CHECKOUT = Path(__file__).parents[2]
CACHE = CHECKOUT / ".cache" / "fresh"
FOLDER = "Meine Übung/a folder whose path is longer than a kernel's socket may be/and longer/kernelpod"
ROUND_SECONDS = 1800
SHOWN_LINES = 120
# What a container has where nobody asked for more: no CAP_SYS_ADMIN, so no sandbox.
CONTAINER = (
    "chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid,+setpcap,+net_bind_service,+net_raw,+sys_chroot,"
    "+mknod,+audit_write,+setfcap"
)


@dataclass(frozen=True)
class Round:
    """One way to try it: who, with what before, and what the demo must say."""

    name: str
    home: str
    prepare: str
    enter: tuple[str, ...]
    said: str
    ci: bool = False
    """Whether a check that is skipped has failed."""


ROUNDS = (
    Round(
        "root-without-bubblewrap",
        "/root",
        "mv /usr/bin/bwrap /usr/bin/bwrap.away",
        ("setpriv", f"--bounding-set=-all,+{CONTAINER}", "--inh-caps=-all", "--"),
        "2 skipped",
    ),
    Round(
        "root-with-bubblewrap-that-cannot",
        "/root",
        "[ ! -e /usr/bin/bwrap.away ] || mv /usr/bin/bwrap.away /usr/bin/bwrap",
        ("setpriv", f"--bounding-set=-all,+{CONTAINER}", "--inh-caps=-all", "--"),
        "2 skipped",
    ),
    Round(
        "user-with-bubblewrap",
        "/home/newcomer",
        "useradd --create-home newcomer && chown -R newcomer: /home/newcomer",
        ("setpriv", "--reuid=newcomer", "--regid=newcomer", "--init-groups", "--inh-caps=-all", "--"),
        "all checks passed",
        ci=True,
    ),
)


@contextmanager
def step(what: str) -> Iterator[None]:
    """Say the step and its seconds when it is done."""
    began = time.monotonic()
    yield
    print(f"{time.monotonic() - began:6.1f} s  {what}", flush=True)


def try_it(one: Round, host: Machine) -> str:
    """What went wrong; nothing if the demo ran, and said what it must."""
    log = CACHE / f"{one.name}.log"
    log.unlink(missing_ok=True)
    place = f"{one.home}/{FOLDER}"
    if not (host.root / place.lstrip("/")).exists():
        host.clone(CHECKOUT, place)
    environment = {"HOME": one.home, **({"CI": "true"} if one.ci else {})}
    with step(f"{one.name}: prepare"):
        if host.run(["sh", "-c", one.prepare], environment, log, ROUND_SECONDS):
            return "it could not be prepared"
    for target in ("env", "demo-check"):
        with step(f"{one.name}: make {target}"):
            command = [*one.enter, "make", "--no-print-directory", "-C", place, target]
            if status := host.run(command, environment, log, ROUND_SECONDS):
                return f"make {target} ended with {status}"
    last = log.read_text(encoding="utf-8", errors="replace").splitlines()[-2:]
    print(f"          {'; '.join(last)}", flush=True)
    return "" if one.said in "\n".join(last) else f"the demo did not say {one.said!r}"


def report(one: Round, host: Machine, wrong: str) -> None:
    """Show what was said, and keep the logs of the demo."""
    log = CACHE / f"{one.name}.log"
    kept = CACHE / f"{one.name}-logs"
    for folder in (host.root / "tmp").glob("kernelpod-logs-*"):
        shutil.copytree(folder, kept, dirs_exist_ok=True)
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    print("\n".join(f"  | {line}" for line in lines[-SHOWN_LINES:]))
    print(f"FAIL {one.name}: {wrong}; all of it is in {log}" + (f", logs in {kept}" if kept.exists() else ""))


def main(wanted: list[str]) -> int:
    """The exit status; names of rounds choose some of them."""
    for signum in (signal.SIGINT, signal.SIGTERM):  # a background job of a script starts with SIGINT ignored
        signal.signal(signum, signal.default_int_handler)
    failed = 0
    try:
        if os.geteuid() != 0:
            raise RigError("run as root: the machine needs mounts and namespaces")
        if subprocess.run(["git", "-C", CHECKOUT, "diff", "--quiet", "HEAD"], check=False).returncode:
            print("what is not committed is not tried")
        with alone(CACHE):
            with step("Debian"):
                tree(CACHE)
            with machine(CACHE) as host:
                for one in ROUNDS:
                    if wanted and one.name not in wanted:
                        continue
                    shutil.rmtree(CACHE / f"{one.name}-logs", ignore_errors=True)
                    if wrong := try_it(one, host):
                        report(one, host, wrong)
                        failed = 1
    except RigError as error:
        print(f"fresh: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
