"""Asking a real registry: Google's go-containerregistry, built from its Go module."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

import bases
from doubles import eventually
from kernelpod.kernelspecs.registries.registry import ask
from locks import BadInput
from ports import free_port

pytestmark = [pytest.mark.local, pytest.mark.timeout(400)]

MODULE = "github.com/google/go-containerregistry/cmd/registry@v0.20.3"
GO = shutil.which("go", path=f"{os.environ['PATH']}:/usr/local/go/bin")
BUILD_SECONDS = 300
# `make clean` removes it.
CACHE = Path(__file__).parents[2] / ".cache"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"


@pytest.fixture(scope="module")
def registry(need: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A registry on loopback; returns its name in names of images."""
    need(GO, "go", "install Go 1.26 or newer: https://go.dev/dl")
    folder = tmp_path_factory.mktemp("registry")
    places = {"GOBIN": str(folder), "GOPATH": str(CACHE / "go"), "GOCACHE": str(CACHE / "go-build")}
    environment = {**os.environ, **places, "GOFLAGS": "-modcacherw"}
    subprocess.run([str(GO), "install", MODULE], env=environment, check=True, timeout=BUILD_SECONDS)
    port = free_port()
    process = subprocess.Popen([str(folder / "registry"), "-port", str(port)], stderr=subprocess.DEVNULL)
    try:
        eventually(lambda: answers(f"http://127.0.0.1:{port}/v2/"), what="the registry answers")
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def answers(url: str) -> bool:
    """Return whether something is there."""
    try:
        return requests.get(url, timeout=5).ok
    except OSError:
        return False


def push(registry: str, name: str, tag: str, label: str = "") -> str:
    """Make an image without layers and return its digest."""
    config = json.dumps({"label": label}).encode()
    blob = f"sha256:{hashlib.sha256(config).hexdigest()}"
    base = f"http://{registry}/v2/{name}"
    begun = requests.post(f"{base}/blobs/uploads/", timeout=10)
    requests.put(
        f"http://{registry}{begun.headers['Location']}?digest={blob}", data=config, timeout=10
    ).raise_for_status()
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": CONFIG, "digest": blob, "size": len(config)},
            "layers": [],
        }
    ).encode()
    headers = {"Content-Type": MANIFEST}
    requests.put(f"{base}/manifests/{tag}", data=manifest, headers=headers, timeout=10).raise_for_status()
    return f"sha256:{hashlib.sha256(manifest).hexdigest()}"


def test_a_real_registry_says_what_it_has(registry: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    digest = push(registry, "team/kernel", "1.0")
    absent = "sha256:" + "0" * 64
    images = [
        "team/kernel:1.0",
        f"team/kernel@{digest}",
        "team/kernel:2.0",
        "team/other:1.0",
        f"team/kernel@{absent}",
    ]
    answers = ask([f"{registry}/{image}" for image in images], Path("/dev/null"))
    assert [answer.state for answer in answers] == ["found", "found", "missing", "missing", "missing"], answers
    assert [answer.digest for answer in answers] == [digest, digest, "", "", ""]


def test_base_images_are_pinned_by_what_a_real_registry_has(
    registry: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    file = tmp_path / "Dockerfile"
    file.write_text(f"# A comment.\nARG BASE_IMAGE={registry}/team/base:3\nFROM ${{BASE_IMAGE}}\n")
    for label in ("one", "two"):  # the tag moves on, and the digest follows
        digest = push(registry, "team/base", "3", label)
        assert bases.pin([file], Path("/dev/null")) == {f"{registry}/team/base:3": digest}
        assert bases.read(file) == bases.Base(f"{registry}/team/base:3", digest)
        pinned = f"ARG BASE_IMAGE={registry}/team/base:3@{digest}"
        assert file.read_text() == f"# A comment.\n{pinned}\nFROM ${{BASE_IMAGE}}\n"
    before = file.read_text().replace(":3@", ":4@")
    file.write_text(before)
    with pytest.raises(BadInput, match=r"team/base:4: .* does not have it"):
        bases.pin([file], Path("/dev/null"))
    assert file.read_text() == before
