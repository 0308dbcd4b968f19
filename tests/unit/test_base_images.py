"""The Dockerfiles: each says its base image in one way, by tag and digest; tools/bases.py writes the digests."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import bases
from locks import BadInput


def name(file: Path) -> str:
    return str(file.relative_to(bases.ROOT))


@pytest.mark.parametrize("file", bases.DOCKERFILES, ids=name)
def test_each_base_image_is_pinned_by_digest_with_its_tag(file: Path) -> None:
    base = bases.read(file)
    assert base.digest, f"{name(file)}: {base.image} is not pinned; run make pin-images"
    assert [line.split()[1] for line in file.read_text().splitlines() if line.startswith("FROM ")] == [
        "${BASE_IMAGE}"
    ]


@pytest.mark.parametrize("file", bases.DOCKERFILES, ids=name)
def test_what_pip_downloads_for_an_image_is_checked_by_hash(file: Path) -> None:
    """An installation is by a lock, or of what lies there already: a file, or a folder without build isolation."""
    text = re.sub(r"\\\n\s*", "", file.read_text())
    commands = re.findall(r"pip (?:install|wheel) [^&\n]*", text)
    hashed = [one for one in commands if "--require-hashes" in one]
    others = [one for one in commands if one not in hashed and "--no-build-isolation" not in one]
    assert len(hashed) == text.count("--require-hashes")
    assert all(re.search(r"--no-deps /tmp/wheel/\*\.whl ?$", one) for one in others), others


def test_all_images_have_the_same_base() -> None:
    assert len({bases.read(file) for file in bases.DOCKERFILES}) == 1
    assert len(bases.DOCKERFILES) >= 12


@pytest.mark.parametrize(
    "text",
    [
        "FROM python:3",
        "ARG BASE_IMAGE=python",
        "ARG BASE_IMAGE=python@sha256:00",
        "ARG BASE_IMAGE=a:1\nARG BASE_IMAGE=b:1",
    ],
)
def test_a_base_image_without_a_tag_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "Dockerfile").write_text(text)
    with pytest.raises(BadInput, match="needs one line ARG BASE_IMAGE=name:tag"):
        bases.read(tmp_path / "Dockerfile")
