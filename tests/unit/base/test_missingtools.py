"""Missing programs, all at once, with what installs them: by distribution, and where it is none that we know."""

from __future__ import annotations

import platform

import pytest

from kernelpod.base import missingtools
from kernelpod.base.missingtools import INSTALL, TOOLS, ToolsMissing, how_to_install, package_manager, require


def release(monkeypatch: pytest.MonkeyPatch, found: dict[str, str] | None, *there: str) -> None:
    """Be a machine with this /etc/os-release, None for none, and these programs."""

    def read() -> dict[str, str]:
        if found is None:
            raise FileNotFoundError("/etc/os-release")
        return found

    monkeypatch.setattr(platform, "freedesktop_os_release", read)
    monkeypatch.setattr(missingtools.shutil, "which", lambda name: f"/bin/{name}" if name in there else None)


@pytest.mark.parametrize(
    ("found", "there", "manager"),
    [
        ({"ID": "debian"}, (), "apt-get"),
        ({"ID": "linuxmint", "ID_LIKE": "ubuntu debian"}, (), "apt-get"),
        ({"ID": "fedora"}, ("apt-get",), "dnf"),
        ({"ID": "rocky", "ID_LIKE": "rhel centos fedora"}, (), "dnf"),
        ({"ID": "opensuse-leap", "ID_LIKE": "suse opensuse"}, (), "zypper"),
        ({"ID": "alpine"}, (), "apk"),
        ({"ID": "manjaro", "ID_LIKE": "arch"}, (), "pacman"),
        ({"ID": "ours"}, ("dnf",), "dnf"),
        (None, ("pacman",), "pacman"),
        ({}, (), ""),
    ],
)
def test_the_distribution_decides_then_what_is_there(
    monkeypatch: pytest.MonkeyPatch, found: dict[str, str] | None, there: tuple[str, ...], manager: str
) -> None:
    release(monkeypatch, found, *there)
    assert package_manager() == manager


@pytest.mark.parametrize(
    ("manager", "said"),
    [
        ("apt-get", "Run as root: apt-get install bubblewrap util-linux."),
        ("dnf", "Run as root: dnf install bubblewrap util-linux."),
        ("zypper", "Run as root: zypper install bubblewrap util-linux."),
        ("apk", "Run as root: apk add bubblewrap util-linux."),
        ("pacman", "Run as root: pacman -S bubblewrap util-linux."),
        ("", "Install with this system's package manager: bubblewrap util-linux."),
    ],
)
def test_one_command_installs_all_of_them(manager: str, said: str) -> None:
    assert how_to_install(["bwrap", "setpriv", "prlimit"], manager) == said


def test_where_there_is_no_package_a_page_is_named_and_no_command() -> None:
    assert how_to_install(["helm"], "apt-get") == "How to install helm: https://helm.sh/docs/intro/install/"
    assert how_to_install(["helm"], "pacman") == "Run as root: pacman -S helm."


def test_all_that_is_missing_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    release(monkeypatch, {"ID": "debian"}, "bash")
    with pytest.raises(ToolsMissing) as caught:
        require("bash", "prlimit", "setpriv", wished=("bwrap",))
    assert caught.value.message == (
        "prlimit, setpriv, bwrap are not on PATH. Run as root: apt-get install util-linux bubblewrap."
    )
    assert caught.value.code == "tools_missing"


def test_what_is_only_wished_for_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    release(monkeypatch, {"ID": "debian"}, "bash")
    require("bash", wished=("bwrap",))


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("manager", [*INSTALL, ""])
def test_every_tool_has_a_way(tool: str, manager: str) -> None:
    assert how_to_install([tool], manager)
