"""The wheel, built of this checkout and installed as pipx would: alone, with what it depends on and no extra."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from installation import SECONDS, Installed

ROOT = Path(__file__).parents[2]
UV = [str(ROOT / "tools" / "environment"), "--uv"]

# Answers as a cluster with one node and nothing deployed would; `kustomize` shows what of ours it was given.
KUBECTL = """#!/bin/sh
case "$*" in
  "version -o json") echo '{"serverVersion": {"gitVersion": "v1.34.4"}}' ;;
  *"config view"*) echo https://cluster.example ;;
  "kustomize "*) cd "$2/../base" && cat deployment.yaml && for f in [n-z]*.yaml; do echo --- && cat $f; done ;;
esac
"""


def uv(*words: str) -> None:
    done = subprocess.run([*UV, *words], capture_output=True, text=True, check=False, timeout=SECONDS)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built package."""
    folder = tmp_path_factory.mktemp("wheel")
    hashed = ["--require-hashes", "--build-constraints", str(ROOT / "requirements" / "build.txt")]
    uv("build", "--quiet", "--wheel", *hashed, "--out-dir", str(folder), str(ROOT))
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The package in an environment of its own, with the versions of the admin's lock."""
    environment = tmp_path_factory.mktemp("installed") / "environment"
    uv("venv", "--quiet", "--python", sys.executable, str(environment))
    constraint = ["--constraint", str(ROOT / "requirements" / "admin.txt")]
    uv("pip", "install", "--quiet", "--python", str(environment / "bin" / "python"), *constraint, str(wheel))
    return Installed(environment, tmp_path_factory.mktemp("elsewhere"))


@pytest.fixture(scope="session")
def tools(tmp_path_factory: pytest.TempPathFactory, need: Any) -> str:
    """A PATH with helm and a kubectl that stands in for a cluster."""
    cache = Path(os.environ.get("KERNELPOD_CACHE") or Path.home() / ".cache" / "kernelpod")
    built = sorted(cache.glob("bin/helm-*/helm"), key=lambda file: file.stat().st_mtime)
    helm = shutil.which("helm") or (built and built[-1])
    need(helm, "helm", "put helm 3 on PATH, or build it: tests/cluster/cluster build helm")
    folder = tmp_path_factory.mktemp("tools")
    (folder / "helm").symlink_to(str(helm))
    (folder / "kubectl").write_text(KUBECTL, encoding="utf-8")
    (folder / "kubectl").chmod(0o755)
    return f"{folder}:/usr/bin:/bin"
