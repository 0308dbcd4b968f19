"""What Enterprise Gateway needs at its import is there, and no more than that."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

from kernelpod.gateway.compat import strtobool, supply_distutils

# As in a container without `ip` and `ifconfig` whose name is in no list.
ALONE = """
import socket
def nothing(*_): raise socket.gaierror("no such name")
socket.gethostbyname_ex = nothing
import kernelpod.gateway.app
from enterprise_gateway.services.processproxies import processproxy
print(processproxy.local_ip)
"""


@pytest.fixture
def without_distutils(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if nothing had imported it; the test's end brings back what was there."""
    for name in ["distutils", "distutils.util", *sys.modules]:
        if name.partition(".")[0] == "distutils":
            monkeypatch.setitem(sys.modules, name, sys)
            del sys.modules[name]


@pytest.mark.usefixtures("without_distutils")
def test_the_one_function_is_there() -> None:
    supply_distutils()
    assert importlib.import_module("distutils.util").strtobool is strtobool
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("distutils.core")


@pytest.mark.usefixtures("without_distutils")
def test_a_distutils_that_was_imported_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distutils", pytest)
    supply_distutils()
    assert sys.modules["distutils"] is pytest
    assert "distutils.util" not in sys.modules


@pytest.mark.parametrize("word", ["y", "Yes", "t", "TRUE", "on", "1"])
def test_a_word_for_yes(word: str) -> None:
    assert strtobool(word) == 1


@pytest.mark.parametrize("word", ["n", "No", "f", "FALSE", "off", "0"])
def test_a_word_for_no(word: str) -> None:
    assert strtobool(word) == 0


@pytest.mark.parametrize("word", ["", "maybe", "2"])
def test_a_word_that_is_neither(word: str) -> None:
    with pytest.raises(ValueError, match="invalid truth value"):
        strtobool(word)


def test_the_gateway_loads_no_setuptools() -> None:
    pytest.importorskip("enterprise_gateway", reason="the base package has no gateway")
    code = "import sys, kernelpod.gateway.app as _; print({'setuptools', 'pkg_resources'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout == "set()\n", done.stderr


def test_a_machine_without_an_address_will_do() -> None:
    command = [sys.executable, "-c", ALONE]
    environment = {"PATH": "/nonexistent"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "127.0.0.1\n"), done.stderr
