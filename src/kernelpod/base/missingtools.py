"""Finds which programs that a command needs are missing on this machine, and how to install them."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from kernelpod.errors import KernelpodError


class ToolsMissing(KernelpodError):
    """Programs that a command needs are missing; the message lists all of them and how to install them."""

    code = "tools_missing"


@dataclass(frozen=True)
class Tool:
    """How to get a program: from a package, whose name may differ by distribution, or by a page's instructions."""

    package: str = ""
    otherwise: Mapping[str, str] = field(default_factory=dict)
    """Other names of the package, by package manager; empty if there is no package."""
    page: str = ""

    def package_of(self, manager: str) -> str:
        """Return the package's name for a package manager; empty if there is no package."""
        return self.otherwise.get(manager, self.package)


TOOLS = {
    "bash": Tool("bash"),
    "bwrap": Tool("bubblewrap"),
    "prlimit": Tool("util-linux"),
    "slirp4netns": Tool("slirp4netns"),
    "setpriv": Tool("util-linux"),
    "kubectl": Tool(
        otherwise={"apk": "kubectl", "pacman": "kubectl"}, page="https://kubernetes.io/docs/tasks/tools/"
    ),
    "helm": Tool(otherwise={"apk": "helm", "pacman": "helm"}, page="https://helm.sh/docs/intro/install/"),
    "microk8s": Tool(page="https://microk8s.io/docs/getting-started"),
}
INSTALL = {
    "apt-get": "apt-get install",
    "dnf": "dnf install",
    "zypper": "zypper install",
    "apk": "apk add",
    "pacman": "pacman -S",
}
# By ID or ID_LIKE of /etc/os-release, see os-release(5).
_MANAGERS = {
    "debian": "apt-get",
    "ubuntu": "apt-get",
    "fedora": "dnf",
    "rhel": "dnf",
    "centos": "dnf",
    "suse": "zypper",
    "opensuse": "zypper",
    "alpine": "apk",
    "arch": "pacman",
}


def package_manager() -> str:
    """Return this distribution's package manager, a key of INSTALL; empty if it has none of these."""
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        release = {}
    for name in (release.get("ID", ""), *release.get("ID_LIKE", "").split()):
        if name in _MANAGERS:
            return _MANAGERS[name]
    return next((manager for manager in INSTALL if shutil.which(manager)), "")


def how_to_install(tools: Iterable[str], manager: str) -> str:
    """Return how to install these programs, in sentences. Programs without a package are linked to a page."""
    named = {tool: TOOLS[tool].package_of(manager) for tool in tools}
    packages = " ".join(dict.fromkeys(filter(None, named.values())))
    said = []
    if packages and manager:
        said.append(f"Run as root: {INSTALL[manager]} {packages}.")
    elif packages:
        said.append(f"Install with this system's package manager: {packages}.")
    said += [f"How to install {tool}: {TOOLS[tool].page}" for tool, package in named.items() if not package]
    return " ".join(said)


def require(*tools: str, wished: tuple[str, ...] = ()) -> None:
    """Raise ToolsMissing if any of `tools` is not on PATH. The error also lists missing ones of `wished`."""
    if all(map(shutil.which, tools)):
        return
    missing = [tool for tool in (*tools, *wished) if not shutil.which(tool)]
    verb = "is" if len(missing) == 1 else "are"
    raise ToolsMissing(f"{', '.join(missing)} {verb} not on PATH. {how_to_install(missing, package_manager())}")
