"""A package index, or who stands before it, that hands out other files under the locked names and versions."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from locks import ROOT, read_lock

SECONDS = 120
BACKEND = """
import pathlib
pathlib.Path({ran!r}).touch()
def get_requires_for_build_editable(settings=None):
    return []
def build_editable(folder, settings=None, metadata=None):
    raise SystemExit("it ran")
"""


def wheel(folder: Path, name: str, version: str, files: dict[str, str]) -> None:
    """Make a valid package with these files."""
    about = f"{name}-{version}.dist-info"
    files = {
        **files,
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    lines = []
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        lines.append(f"{path},sha256={digest},{len(text.encode())}\n")
    files[f"{about}/RECORD"] = "".join([*lines, f"{about}/RECORD,,\n"])
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as made:
        for path, text in files.items():
            made.writestr(path, text)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What makes environments, with the real locks of it."""
    folder = tmp_path / "checkout"
    (folder / "requirements").mkdir(parents=True)
    shutil.copytree(ROOT / "tools", folder / "tools")
    for name in ("uv.txt", "build.txt"):
        shutil.copy(ROOT / "requirements" / name, folder / "requirements")
    (folder / "requirements" / "admin.txt").touch()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    return folder


def make(checkout: Path, index: Path) -> str:
    """Make an environment from that index, which must fail; return what was said."""
    sources = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(index), "UV_OFFLINE": "1", "UV_FIND_LINKS": str(index)}
    environment = {
        **os.environ,
        **sources,
        "UV_CACHE_DIR": str(checkout / "cache"),
        "UV_PYTHON_DOWNLOADS": "never",
    }
    command = [str(checkout / "tools" / "environment"), "admin"]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=SECONDS, cwd=checkout
    )
    assert done.returncode == 1, done
    return done.stderr


def test_a_package_index_cannot_hand_out_another_uv(checkout: Path, tmp_path: Path) -> None:
    index = tmp_path / "index"
    index.mkdir()
    for pin in read_lock(ROOT / "requirements" / "uv.txt"):
        wheel(index, pin.name, pin.version, {f"fake_{pin.name}.py": ""})
    said = make(checkout, index)
    assert "DO NOT MATCH THE HASHES" in said
    assert "Installing uv failed" in said
    assert list((checkout / ".tools").rglob("fake_*")) == []


def test_a_package_index_cannot_run_code_when_the_package_is_built(checkout: Path, tmp_path: Path) -> None:
    index, ran = tmp_path / "index", tmp_path / "ran"
    index.mkdir()
    (checkout / ".tools").mkdir()
    (checkout / ".tools" / "bin").symlink_to(ROOT / ".tools" / "bin")
    for pin in read_lock(ROOT / "requirements" / "build.txt"):
        module = pin.name.replace("-", "_")
        files = {f"{module}/build.py": BACKEND.format(ran=str(ran))} if pin.name == "hatchling" else {}
        wheel(index, module, pin.version, {f"{module}/__init__.py": "", **files})
    said = make(checkout, index)
    assert "Hash mismatch for `" in said, said
    assert "Installing Kernelpod in .envs/admin failed" in said
    assert not ran.exists()
