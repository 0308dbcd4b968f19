"""`kernelpod demo`: runs everything on one machine, without Kubernetes."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import click

from kernelpod.demo.config import ADMIN, USERS
from kernelpod.demo.places import kept_folder
from kernelpod.demo.stack import Stack, running_stack
from kernelpod.runtime.local.network import has_way_out

STOPPING = (signal.SIGINT, signal.SIGTERM)


def _checkout() -> Path:
    return Path(__file__).resolve().parents[3]


@click.command()
@click.option("--check", is_flag=True, help="Run the Alice scenario, report each check, and exit.")
@click.option("--json", "as_json", is_flag=True, help="With --check: print the results as JSON.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for homes and logs. Default: kernelpod/demo in the XDG state folder.",
)
@click.option(
    "--subdomains",
    is_flag=True,
    help="Give each server a host of its own below hub.localhost. Your browser must know such names.",
)
def demo(check: bool, as_json: bool, folder: Path | None, subdomains: bool) -> None:
    """Run hub, Lab, gateway and kernels on this machine, without Kubernetes.

    \b
    Examples:
      kernelpod demo              open the URL that it prints; Ctrl-C stops everything
      kernelpod demo --check      run the checks; exit 1 if one of them fails
      kernelpod demo --subdomains users who do not trust each other
    """
    began = time.monotonic()

    def say(text: str) -> None:
        click.echo(f"{time.monotonic() - began:6.1f} s  {text}", err=True)

    for signum in STOPPING:  # a background job of a script starts with SIGINT ignored
        signal.signal(signum, _stop)
    if check:
        from kernelpod.demo.check import run_check  # noqa: PLC0415 - needs the demo's HTTP clients

        raise SystemExit(run_check(_checkout(), say, as_json=as_json, subdomains=subdomains))
    try:
        with running_stack(_checkout(), folder or kept_folder(), say, subdomains=subdomains) as stack:
            click.echo(table(stack))
            stack.keep_running(say)
    except KeyboardInterrupt:
        say("stopped; homes and logs are kept")


def _stop(*_: object) -> None:
    """Raise KeyboardInterrupt, once: whoever is impatient must not keep the demo from ending its processes."""
    for signum in STOPPING:
        signal.signal(signum, signal.SIG_IGN)
    raise KeyboardInterrupt


def table(stack: Stack) -> str:
    """Return the URL, users, password and folders of a running demo as lines of text."""
    rows = {
        "open": stack.url,
        "users": ", ".join(USERS),
        "password": stack.password,
        "admin": f"{ADMIN}, password {stack.admin_password}",
        "isolation": isolation(stack),
        "homes": str(stack.homes),
        "settings": str(stack.settings_file),
        "logs": str(stack.logs_folder),
        "gateway": stack.gateway_url,
        "stop": "Ctrl-C",
    }
    return "\n".join(["", *(f"  {name:<10} {value}" for name, value in rows.items()), ""])


def isolation(stack: Stack) -> str:
    """Return a sentence that says how the demo's users are isolated from each other."""
    if stack.sandboxed:
        alone = "" if has_way_out() else "; kernels have no network, since slirp4netns is not installed"
        return f"each server and kernel in its own sandbox{alone}"
    account = "root" if os.getuid() == 0 else "you"
    return (
        f"NONE BETWEEN USERS: servers and kernels run as {account}, without a sandbox, and see all homes "
        f"({stack.no_sandbox})"
    )
