"""Programs that a command needs: which are missing on this machine, and the command that installs them here."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from kernelpod.errors import KernelpodError


class ToolsMissing(KernelpodError):
    """Programs that a command needs are not there; the message names all of them, and what installs them."""

    code = "tools_missing"


@dataclass(frozen=True)
class Tool:
    """Where a program comes from: a package, which some distributions call otherwise or lack, or a page."""

    package: str = ""
    otherwise: Mapping[str, str] = field(default_factory=dict)
    """Names of the package by package manager; empty where the distribution has none."""
    page: str = ""

    def package_of(self, manager: str) -> str:
        """Return the package's name for a package manager; empty if it has none."""
        return self.otherwise.get(manager, self.package)


TOOLS = {
    "bash": Tool("bash"),
    "bwrap": Tool("bubblewrap"),
    "prlimit": Tool("util-linux"),
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
# What ID and ID_LIKE of /etc/os-release say, see os-release(5).
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
    """Return the package manager of this distribution, one of INSTALL; empty if it has none of these."""
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        release = {}
    for name in (release.get("ID", ""), *release.get("ID_LIKE", "").split()):
        if name in _MANAGERS:
            return _MANAGERS[name]
    return next((manager for manager in INSTALL if shutil.which(manager)), "")


def how_to_install(tools: Iterable[str], manager: str) -> str:
    """Return a sentence that says how to get all these programs, those without a package by their pages."""
    named = {tool: TOOLS[tool].package_of(manager) for tool in tools}
    packages = " ".join(dict.fromkeys(filter(None, named.values())))
    said = []
    if packages and manager:
        said.append(f"Install what is missing, as root: {INSTALL[manager]} {packages}.")
    elif packages:
        said.append(f"Install, by this system's package manager: {packages}.")
    said += [f"How to install {tool}: {TOOLS[tool].page}" for tool, package in named.items() if not package]
    return " ".join(said)


def require(*tools: str, wished: tuple[str, ...] = ()) -> None:
    """Return if all `tools` are there. Raises ToolsMissing, which names all that are not, `wished` ones too."""
    if all(map(shutil.which, tools)):
        return
    missing = [tool for tool in (*tools, *wished) if not shutil.which(tool)]
    verb = "is" if len(missing) == 1 else "are"
    raise ToolsMissing(f"{', '.join(missing)} {verb} not on PATH. {how_to_install(missing, package_manager())}")
