"""What an admin does with `pipx install kernelpod` and no checkout: deploy, lint, check, render."""

from __future__ import annotations

import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

if TYPE_CHECKING:
    from installation import Installed

ROOT = Path(__file__).parents[2]
SHIPPED = [
    "deploy/chart/Chart.yaml",
    "deploy/manifests/kustomization.yaml",
    "hub/pages/templates/page.html",
    "kernelspecs/shipped/python-pod/kernel.json",
    "launchers/kernel-pod.yaml.j2",
]
GATEWAY_AND_HUB = ["enterprise_gateway", "jupyter_client", "jupyterhub", "tornado", "zmq"]


@pytest.mark.parametrize("name", SHIPPED)
def test_the_wheel_holds_what_is_not_code(wheel: Path, name: str) -> None:
    with zipfile.ZipFile(wheel) as archive:
        assert f"kernelpod/{name}" in archive.namelist()


def test_an_admin_gets_no_gateway(installed: Installed) -> None:
    code = f"import importlib.util; print([n for n in {GATEWAY_AND_HUB} if importlib.util.find_spec(n)])"
    command = [str(installed.environment / "bin" / "python"), "-I", "-c", code]
    assert subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout == "[]\n"


def test_every_command_can_be_asked_for_help(installed: Installed) -> None:
    listed = installed.said("--help").partition("Commands:\n")[2]
    names = [line.split()[0] for line in listed.splitlines() if line.startswith("  ") and line[2] != " "]
    assert {"deploy", "specs", "hub", "smoke"} <= set(names)
    for name in names:
        assert "Usage:" in installed.said(name, "--help")


def test_an_example_deploys_as_a_dry_run(installed: Installed, tools: str) -> None:
    shutil.copy(ROOT / "deploy.example.yaml", installed.elsewhere / "deploy.yaml")
    said = installed.said("deploy", "--dry-run", path=tools)
    kinds = {document["kind"] for document in yaml.safe_load_all(said) if document and "kind" in document}
    assert {"Deployment", "NetworkPolicy", "PersistentVolumeClaim"} <= kinds
    assert "# --- values of the gateway's chart" in said


def test_tools_that_are_missing_are_all_named(installed: Installed, tmp_path: Path) -> None:
    shutil.copy(ROOT / "deploy.example.yaml", installed.elsewhere / "deploy.yaml")
    done = installed.run("deploy", "--dry-run", path=str(tmp_path))
    assert done.returncode == 1
    assert "kubectl, helm are not on PATH" in done.stderr
    assert "How to install kubectl: " in done.stderr
    assert "How to install helm: " in done.stderr


def test_the_smoke_test_has_its_clients(installed: Installed) -> None:
    code = "import kernelpod.deploy.smoke"
    command = [str(installed.environment / "bin" / "python"), "-I", "-c", code]
    assert subprocess.run(command, capture_output=True, check=False, timeout=60).returncode == 0


def test_the_shipped_kernelspecs_are_clean(installed: Installed) -> None:
    assert "0 errors" in installed.said("specs", "lint", str(shipped(installed) / "kernelspecs" / "shipped"))


def test_the_shipped_kernelspecs_are_published(installed: Installed, tmp_path: Path) -> None:
    installed.said("specs", "sync", "--target", str(tmp_path))
    assert (tmp_path / "kernelspecs" / "python-pod" / "kernel.json").is_file()


def test_the_example_of_courses_is_checked(installed: Installed) -> None:
    for name in ("courses.example.yaml", "courses.base.yaml"):
        shutil.copy(ROOT / "hub" / name, installed.elsewhere)
    shutil.copytree(ROOT / "hub" / "lists", installed.elsewhere / "lists", dirs_exist_ok=True)
    assert "0 errors" in installed.said("courses", "check", "courses.example.yaml")


def test_a_pod_is_rendered(installed: Installed) -> None:
    said = installed.said("render", "--user", "john.doe", "--spec", "python-pod", "--settings", "/dev/null")
    assert [one["kind"] for one in yaml.safe_load_all(said)] == ["Secret", "Pod"]


@pytest.mark.parametrize("words", [("gateway",), ("hub", "check-config", "courses.example.yaml")])
def test_what_needs_an_extra_names_it(installed: Installed, words: tuple[str, ...]) -> None:
    done = installed.run(*words)
    assert done.returncode > 0
    assert "pip install 'kernelpod[" in done.stderr


def shipped(installed: Installed) -> Path:
    return next(installed.environment.glob("lib/python3*/site-packages/kernelpod"))
