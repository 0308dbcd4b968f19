"""tools/environment with Pythons and a uv that are shell scripts: what it finds, makes, replaces and says."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

TOOL = Path(__file__).parents[2] / "tools" / "environment"
TEXT = ["awk", "cat", "head", "sha256sum", "sort"]
SYSTEM = [*TEXT, "bash", "sh", "env", "dirname", "cp", "chmod", "mkdir", "rm", "flock", "df", "date"]

PYTHON = """#!/bin/sh
case "$*" in
  *version_info*:2*) echo {version} ;;
  *ensurepip*) exit {lacks_venv} ;;
  *"-m venv"*) mkdir -p .tools/bin && cp "$0" .tools/bin/python ;;
  *"config list"*) cat "$TEST_ROOT/pip.conf" ;;
  *"pip install"*"--require-hashes --requirement requirements/uv.txt") cp "$TEST_ROOT/uv" .tools/bin/uv ;;
esac
"""

UV = """#!/bin/sh
[ "$1" != --version ] || { echo "uv 0.13.8 (test)"; exit; }
echo "$*" >>"$TEST_ROOT/asked"
env >"$TEST_ROOT/environment"
[ ! -e "$TEST_ROOT/broken" ] || { echo "uv: no" >&2; exit 2; }
[ "$1" = venv ] || { case "$*" in *--python\\ .tools*uv.txt*) cp "$TEST_ROOT/uv" .tools/bin/uv ;; esac; exit 0; }
for last; do :; done
mkdir -p "$last/bin"
case "$*" in
  *--allow-existing*) cp "$TEST_ROOT/python-3.13" "$last/bin/python" ;;
  *--python\\ /*) cp "$4" "$last/bin/python" ;;
  *) cp "$TEST_ROOT/python-$4" "$last/bin/python" ;;
esac
"""


class Machine:
    """A checkout, a PATH with what a test puts there, and a pyenv."""

    def __init__(self, root: Path) -> None:
        self.root, self.checkout, self.path = root, root / "check out ü", root / "bin"
        for folder in (self.checkout / "tools", self.checkout / "requirements", self.path, root / "pyenv"):
            folder.mkdir(parents=True)
        shutil.copy(TOOL, self.checkout / "tools")
        for name in ("gateway", "kernels", "admin"):
            (self.checkout / "requirements" / f"{name}.txt").write_text(f"of {name}\n")
        (self.checkout / "requirements" / "uv.txt").write_text("pip==26.3 \\\n    --hash=...\nuv==0.13.8 \\\n")
        (self.checkout / "pyproject.toml").touch()
        (root / "pip.conf").touch()
        for name in SYSTEM:
            (self.path / name).symlink_to(str(shutil.which(name)))
        script(root / "uv", UV)
        for version in ("3.10", "3.13"):
            script(root / f"python-{version}", PYTHON.format(version=version, lacks_venv=0))

    def python(
        self, version: str, *, name: str = "", folder: Path | None = None, lacks_venv: bool = False
    ) -> Path:
        file = (folder or self.path) / (name or f"python{version}")
        script(file, PYTHON.format(version=version, lacks_venv=int(lacks_venv)))
        return file

    def run(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        given = {"PATH": str(self.path), "TEST_ROOT": str(self.root), "PYENV_ROOT": str(self.root / "pyenv")}
        command = [str(self.checkout / "tools" / "environment"), *words]
        environment = given | {"HOME": "/nonexistent", "LANG": "C"} | variables
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)

    def made(self, *words: str, **variables: str) -> str:
        """What it said, having worked."""
        done = self.run(*words, **variables)
        assert done.returncode == 0, done.stderr
        return done.stderr

    def refused(self, *words: str, **variables: str) -> str:
        """What it said, having failed."""
        done = self.run(*words, **variables)
        assert done.returncode == 1, done
        return done.stderr

    def asked(self) -> list[str]:
        """What uv was asked since the last call."""
        file = self.root / "asked"
        lines = file.read_text().splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return lines

    def seen(self) -> dict[str, str]:
        """The variables that uv was given."""
        lines = (self.root / "environment").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)


def script(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(0o755)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_the_newest_supported_python_is_taken_and_named(machine: Machine) -> None:
    for version in ("3.9", "3.10", "3.12", "3.14"):
        machine.python(version)
    assert machine.made("admin") == f".envs/admin: Python 3.12, {machine.path}/python3.12\n"
    assert machine.run("--which").stdout == "3.12\n"


def test_one_of_pyenv_is_found_behind_a_shim_that_fails(machine: Machine) -> None:
    machine.python("3.10")
    script(machine.path / "python3.13", "#!/bin/sh\nexit 127\n")
    there = machine.python("3.13", folder=machine.root / "pyenv/versions/3.13.0/bin")
    assert str(there) in machine.made("admin")


def test_a_python_that_lies_about_its_name_is_passed_over(machine: Machine) -> None:
    machine.python("3.11", name="python3.13")
    machine.python("3.10")
    assert machine.run("--which").stdout == "3.10\n"


def test_one_version_can_be_asked_for(machine: Machine) -> None:
    machine.python("3.13")
    machine.python("3.11")
    assert "Python 3.11" in machine.made("admin", PY_VERSION="3.11")
    assert "Python 3.13" in machine.made("admin")
    assert "PY_VERSION is 3.9: Kernelpod runs on Python" in machine.refused("admin", PY_VERSION="3.9")


@pytest.mark.parametrize("only", ["3.9", "3.15"])
def test_without_a_supported_python_uv_fetches_one(machine: Machine, only: str) -> None:
    machine.python(only, name="python3")
    said = machine.made("admin")
    assert "Python 3.13, which uv fetches: no 3.10 to 3.13 that runs was found here" in said
    assert machine.asked()[0] == "venv --quiet --python 3.13 .envs/admin"
    assert machine.seen()["UV_PYTHON_DOWNLOADS"] == "automatic"


def test_whether_uv_fetches_one_is_the_users_to_say(machine: Machine) -> None:
    machine.python("3.9", name="python3")
    machine.made("admin", UV_PYTHON_DOWNLOADS="never")
    assert machine.seen()["UV_PYTHON_DOWNLOADS"] == "never"


def test_environments_lie_where_they_are_expected(machine: Machine) -> None:
    machine.python("3.13")
    machine.made("gateway", "kernels", "admin=.envs/other")
    found = {str(file.parent.relative_to(machine.checkout)) for file in machine.checkout.rglob(".made")}
    assert found == {".venv", ".envs/kernels", ".envs/other"}
    packages = [line for line in machine.asked() if "--editable" in line]
    assert not any("kernels" in line for line in packages)
    assert len(packages) == 2
    assert "no environment nonsense" in machine.refused("nonsense")


def test_what_is_there_is_left_alone(machine: Machine) -> None:
    machine.python("3.13")
    machine.made("admin")
    machine.asked()
    assert machine.made("admin") == ""
    assert machine.asked() == []


def test_a_changed_lock_changes_the_environment_in_place(machine: Machine) -> None:
    machine.python("3.13")
    machine.made("admin")
    (machine.checkout / "requirements/admin.txt").write_text("more\n")
    machine.asked()
    machine.made("admin")
    asked = machine.asked()
    assert [line.split()[0] for line in asked] == ["pip", "pip"]
    assert "sync --quiet --require-hashes" in asked[0]
    assert "--no-deps --build-constraints requirements/build.txt --editable ." in asked[1]


@pytest.mark.parametrize("fault", ["half made", "other python", "python gone", "moved checkout"])
def test_what_is_not_what_it_should_be_is_replaced(machine: Machine, fault: str) -> None:
    machine.python("3.13")
    machine.made("admin")
    left = machine.checkout / ".envs/admin/left"
    left.touch()
    if fault == "half made":
        (left.parent / ".made").unlink()
    elif fault == "other python":
        (machine.path / "python3.13").unlink()
        machine.python("3.12")
    elif fault == "python gone":
        (left.parent / "bin/python").unlink()
    else:
        machine.checkout = machine.checkout.rename(machine.root / "elsewhere")
        left = machine.checkout / ".envs/admin/left"
    machine.asked()
    machine.made("admin")
    assert machine.asked()[0].startswith("venv")
    assert not left.exists()


def test_an_environment_that_could_not_be_filled_is_made_anew(machine: Machine) -> None:
    machine.python("3.13")
    machine.made("kernels")
    (machine.root / "broken").touch()
    said = machine.refused("admin")
    assert said.startswith(".envs/admin: Python 3.13")
    assert "uv: no\nMaking .envs/admin with Python 3.13 failed, for the reason above." in said
    (machine.root / "broken").unlink()
    assert "Python 3.13" in machine.made("admin")


MANAGERS = {
    "apt-get": "apt-get install python3 python3-venv",
    "dnf": "dnf install python3",
    "zypper": "zypper install python3",
    "apk": "apk add python3",
    "pacman": "pacman -S python",
}


@pytest.mark.parametrize(("manager", "command"), MANAGERS.items())
@pytest.mark.parametrize("there", [True, False])
def test_a_missing_venv_is_named_with_the_command(
    machine: Machine, manager: str, command: str, there: bool
) -> None:
    if there:
        machine.python("3.13", lacks_venv=True)
    script(machine.path / manager, "#!/bin/sh\n")
    assert machine.refused("admin").endswith(f"there is no uv. Install them: {command}\n")


def test_a_uv_on_the_path_makes_do_without_venv(machine: Machine) -> None:
    machine.python("3.13", lacks_venv=True)
    shutil.copy(machine.root / "uv", machine.path)
    machine.made("admin")
    asked = machine.asked()
    assert asked[:2] == [
        "venv --quiet --allow-existing .tools",
        "pip install --quiet --python .tools/bin/python --require-hashes --requirement requirements/uv.txt",
    ]
    assert len(asked) == 5


def test_odd_variables_do_not_reach_uv_but_sources_of_packages_do(machine: Machine) -> None:
    machine.python("3.13")
    odd = {"PYTHONPATH": "/x", "PYTHONHOME": "/x", "PIP_TARGET": "/x", "PIP_USER": "1", "UV_PYTHON": "2.7"}
    odd |= {"UV_SYSTEM_PYTHON": "1", "UV_CONFIG_FILE": "/x", "UV_CONSTRAINT": "/x", "VIRTUAL_ENV": "/x"}
    kept = {"UV_DEFAULT_INDEX": "https://mirror.example/simple", "HTTPS_PROXY": "http://proxy.example"}
    kept |= {
        "SSL_CERT_FILE": "/ca.pem",
        "PIP_CERT": "/pip.pem",
        "UV_INDEX_OURS_PASSWORD": "p",
        "UV_CACHE_DIR": "/c",
    }
    machine.made("admin", **odd, **kept)
    seen = machine.seen()
    assert not odd.keys() & seen.keys()
    assert kept.items() <= seen.items()


def test_a_mirror_that_only_pip_knows_is_uvs_too(machine: Machine) -> None:
    machine.python("3.13")
    (machine.root / "pip.conf").write_text(
        ":env:.index-url='https://env.example/simple?a=b'\nglobal.cert='/ca.pem'\n"
        "global.extra-index-url='\\nhttps://one.example\\nhttps://two.example'\n"
        "global.index-url='https://file.example/simple'\n"
    )
    machine.made("admin")
    seen = machine.seen()
    assert seen["UV_DEFAULT_INDEX"] == "https://env.example/simple?a=b"
    assert seen["UV_INDEX"].split() == ["https://one.example", "https://two.example"]
    assert seen["SSL_CERT_FILE"] == "/ca.pem"
    (machine.checkout / ".envs/admin/.made").unlink()
    machine.made("admin", UV_DEFAULT_INDEX="https://uv.example/simple")
    assert machine.seen()["UV_DEFAULT_INDEX"] == "https://uv.example/simple"


def test_a_checkout_that_cannot_be_written_to(machine: Machine) -> None:
    machine.python("3.13")
    (machine.checkout / ".tools").touch()  # root may write anywhere, but not below a file
    assert "cannot be written to" in machine.refused("admin")


def test_a_full_disk_and_a_wrong_clock_are_named(machine: Machine) -> None:
    machine.python("3.13")
    machine.made("kernels")
    (machine.root / "broken").touch()
    for tool, says, sentence in (
        ("date", "echo 1970", "this machine's clock says 1970"),
        ("df", "echo; echo / 9 6 3 50% /", "only 3 MB are free"),
    ):
        (machine.path / tool).unlink()
        script(machine.path / tool, f"#!/bin/sh\n{says}\n")
        assert sentence in machine.refused("admin")


def test_the_script_is_clean(need: Any) -> None:
    need(shutil.which("shellcheck"), "shellcheck", "apt-get install shellcheck")
    done = subprocess.run(["shellcheck", str(TOOL)], capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout == ""


def test_others_may_run_it() -> None:
    assert os.access(TOOL, os.X_OK)
