"""tools/sbom.py: what the SBOMs of images and wheel list, by the rules of CycloneDX."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("cyclonedx", reason="only the gateway's environment has the tools")
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

import sbom
from locks import BadInput, read_lock

TOOL = sbom.ROOT / "tools" / "sbom.py"
NAMES = [f"image-{file.parent.name}.cdx.json" for file in sbom.DOCKERFILES] + ["wheel.cdx.json"]
HASH = "a" * 64


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all SBOMs."""
    folder = tmp_path_factory.mktemp("written") / "new" / "sbom"
    assert [file.name for file in sbom.write(folder)] == NAMES
    return folder


def listed(folder: Path, name: str) -> dict[str, dict[str, Any]]:
    """The components of an SBOM by name and version."""
    made = json.loads((folder / name).read_text())
    return {f"{one['name']} {one['version']}": one for one in made["components"]}


@pytest.mark.parametrize("name", NAMES)
def test_each_is_valid_and_complete_in_itself(written: Path, name: str) -> None:
    text = (written / name).read_text(encoding="utf-8")
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    made = json.loads(text)
    assert {"serialNumber", "timestamp"} & {*made, *made["metadata"]} == set()
    root = made["metadata"]["component"]["bom-ref"]
    (of_root,) = [one["dependsOn"] for one in made["dependencies"] if one["ref"] == root]
    assert sorted(of_root) == sorted(one["bom-ref"] for one in made["components"])


def test_what_is_no_sbom_is_not_valid(written: Path) -> None:
    text = (written / "wheel.cdx.json").read_text(encoding="utf-8").replace('"SHA-256"', '"SHA-257"')
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is not None


@pytest.mark.parametrize("file", sbom.DOCKERFILES, ids=lambda file: file.parent.name)
def test_an_image_lists_what_its_python_gets_of_its_lock(written: Path, file: Path) -> None:
    text = file.read_text()
    found = listed(written, f"image-{file.parent.name}.cdx.json")
    base = "python 3.13-slim-trixie@sha256:"
    assert [one["type"] for name, one in found.items() if name.startswith(base)] == ["container"]
    assert ("kernelpod 0.1.0" in found) == ("COPY src /src" in text)
    locks = [lock for lock in sbom.LOCKS.iterdir() if f"COPY requirements/{lock.name} /tmp/" in text]
    assert len(locks) == text.count("--require-hashes -r /tmp/requirements.txt")
    pins = [pin for lock in locks for pin in read_lock(lock)]
    for pin in pins:
        about = found.pop(f"{pin.name} {pin.version}", None)
        if pin.marker is None:
            assert about is not None, pin
        if about is not None:
            assert about["purl"] == f"pkg:pypi/{pin.name}@{pin.version}"
            assert tuple(one["content"] for one in about["hashes"]) == pin.hashes
    assert {one.partition(" ")[0] for one in found} <= {"python", "kernelpod"}


def test_markers_are_those_of_the_image_and_not_of_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = {
        "always": "",
        "new": "; python_full_version >= '3.13'",
        "old": "; python_full_version < '3.13'",
        "windows": "; sys_platform == 'win32'",
        "linux": "; sys_platform == 'linux' and platform_system == 'Linux' and os_name == 'posix'",
        "pypy": "; implementation_name == 'pypy' or platform_python_implementation == 'PyPy'",
        "arm": "; platform_machine == 'aarch64'",
        "power": "; platform_machine == 'ppc64le'",
    }
    text = "".join(f"{name}==1 {marker} \\\n    --hash=sha256:{HASH}\n" for name, marker in lines.items())
    for lock in ("image.txt", "admin.txt"):
        (tmp_path / lock).write_text(text)
    monkeypatch.setattr(sbom, "LOCKS", tmp_path)
    file = tmp_path / "kernel" / "Dockerfile"
    file.parent.mkdir()
    file.write_text("ARG BASE_IMAGE=registry.example:5000/python:3.13-slim\nCOPY requirements/image.txt /tmp/x\n")
    found = {one["name"] for one in json.loads(sbom.image_bom(file))["components"]}
    assert found == {"always", "new", "linux", "arm", "registry.example:5000/python"}
    found = {one["name"] for one in json.loads(sbom.wheel_bom())["components"]}
    assert found == {"always", "new", "old", "linux", "arm"}


def test_the_same_checkout_gives_the_same_bytes(written: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(TOOL), str(tmp_path / "again")]
    environment = {"PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo", "LANG": "C", "PATH": os.environ["PATH"]}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == [str(tmp_path / "again" / name) for name in NAMES]
    assert [(tmp_path / "again" / name).read_bytes() for name in NAMES] == [
        (written / name).read_bytes() for name in NAMES
    ]


def test_a_base_that_says_no_python_is_refused(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("ARG BASE_IMAGE=debian:13\n")
    with pytest.raises(BadInput, match="does not say which Python"):
        sbom.image_bom(tmp_path / "Dockerfile")


def test_a_lock_that_cannot_be_used_leaves_no_sbom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "admin.txt").write_text("click>=8\n")
    monkeypatch.setattr(sbom, "LOCKS", tmp_path)
    monkeypatch.setattr(sbom, "DOCKERFILES", [])
    monkeypatch.setattr(sys, "argv", ["sbom", str(tmp_path / "sbom")])
    with pytest.raises(SystemExit, match=r"No SBOM was written: .*admin\.txt: 'click>=8' is not pinned"):
        sbom.main()
    assert not (tmp_path / "sbom").exists()
