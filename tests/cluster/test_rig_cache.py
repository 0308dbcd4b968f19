"""The rig with a cache of another version, or one that is not whole: it builds it again, or says what to do."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from rig import binaries, images
from rig.layout import Layout, RigError
from rig.machines import disk, linux

TAG = "localhost/kernelpod-small:test"


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "state", tmp_path / "cache")


def oci_archive(place: Path, tag: str) -> None:
    """Write an archive of an image, as buildah does, as far as it is read."""
    manifest = {"digest": "sha256:1", "annotations": {"org.opencontainers.image.ref.name": tag}}
    files = {"blobs/sha256/1": bytes(5000), "index.json": json.dumps({"manifests": [manifest]}).encode()}
    with tarfile.open(place, "w") as opened:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            opened.addfile(member, io.BytesIO(content))


class Buildah:
    """Counts what is built, and writes an archive where one is pushed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.built = 0
        monkeypatch.setattr(images, "_buildah", self)

    def __call__(self, layout: Layout, verb: str, *words: str) -> None:
        if verb == "build":
            self.built += 1
        elif verb == "push":
            _, place, tag = words[1].split(":", 2)
            oci_archive(Path(place), tag)


@pytest.fixture
def buildah(monkeypatch: pytest.MonkeyPatch) -> Buildah:
    return Buildah(monkeypatch)


def image_of(layout: Layout, folder: Path, content: str = "1") -> Path:
    """Return the archive of an image with one file."""
    context = folder / "context"
    context.mkdir(exist_ok=True)
    (context / "file").write_text(content)
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY file /\n")
    return images.build_image(layout, folder / "Dockerfile", context, TAG)


def test_an_image_is_built_once_and_again_when_what_goes_into_it_has_changed(
    layout: Layout, buildah: Buildah, tmp_path: Path
) -> None:
    first = image_of(layout, tmp_path)
    assert (image_of(layout, tmp_path), buildah.built) == (first, 1)
    second = image_of(layout, tmp_path, "2")
    assert (second != first, buildah.built, first.exists()) == (True, 2, False)


@pytest.mark.parametrize("harm", ["cut off", "without its end", "empty", "something else", "another image"])
def test_an_archive_that_is_not_the_image_is_built_again(
    layout: Layout, buildah: Buildah, tmp_path: Path, harm: str
) -> None:
    archive = image_of(layout, tmp_path)
    whole = archive.read_bytes()
    if harm == "another image":
        oci_archive(archive, "localhost/kernelpod-other:test")
    else:
        harmed = {"cut off": whole[:3000], "without its end": whole.rstrip(b"\0"), "empty": b""}
        archive.write_bytes(harmed.get(harm, bytes(20480)))
    assert image_of(layout, tmp_path) == archive
    assert (buildah.built, archive.read_bytes() == whole) == (2, True)


@pytest.mark.parametrize("content", [b"", b"x" * 3000, bytes(20480)], ids=["empty", "no tar", "no image"])
def test_an_archive_that_cannot_be_imported_is_named_with_what_to_do(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "image.tar").write_bytes(content)
    with pytest.raises(RigError, match=r"image\.tar is no OCI archive of an image: remove it"):
        images.import_image(tmp_path / "image.tar")


def go_build(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Have binaries made in no time. Return what is built."""
    built: list[str] = []

    def run(argv: list[str], **_: Any) -> str:
        out = Path(argv[argv.index("-o") + 1])
        out.mkdir()
        for package in argv[argv.index("-o") + 2 :]:
            (out / (Path(package).name or "all")).write_text("binary")
        built.append(argv[2])
        return ""

    monkeypatch.setattr(binaries, "run", run)
    monkeypatch.setattr(binaries.shutil, "which", lambda _: "/usr/bin/go")
    return built


@pytest.mark.parametrize(
    "module", [binaries.KUBERNETES, binaries.HELM, binaries.COREDNS], ids=lambda one: one.name
)
@pytest.mark.parametrize("harm", ["a file is missing", "a file is empty"])
def test_binaries_that_are_not_all_there_are_built_again(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, module: binaries.Module, harm: str
) -> None:
    built = go_build(monkeypatch)
    for _ in range(2):
        binaries.build(module, layout.cache)
    assert len(built) == 1
    file = next(binaries.folder(module, layout.cache).iterdir())
    file.unlink()
    if harm == "a file is empty":
        file.touch()
    binaries.build(module, layout.cache)
    assert (len(built), file.read_text()) == (2, "binary")


class Disks:
    """Makes disks in no time, of a containerd of some version, and counts them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.version, self.made = "1.6", 0
        monkeypatch.setattr(disk, "_version", lambda: self.version)
        monkeypatch.setattr(disk, "_import", lambda *_: None)
        monkeypatch.setattr(disk, "run", self.run)

    def run(self, argv: list[str], **_: Any) -> str:
        if argv[0] == "truncate":
            with Path(argv[-1]).open("wb") as made:
                made.truncate(int(argv[2]))
        else:
            assert argv[0] == "mkfs.ext4"
            self.made += 1
            with Path(argv[-1]).open("r+b") as made:
                made.seek(disk.MARK_AT)
                made.write(disk.MARK)
        return ""


@pytest.fixture
def disks(monkeypatch: pytest.MonkeyPatch) -> Disks:
    return Disks(monkeypatch)


def test_a_disk_is_made_once_and_again_for_other_images_or_another_containerd(
    layout: Layout, disks: Disks
) -> None:
    (layout.cache / "images").mkdir(parents=True)
    (layout.cache / "images" / "kernelpod-pause-1-0123456789ab.tar").touch()
    first = disk.of_images(layout)
    assert (disk.of_images(layout), disks.made) == (first, 1)
    disks.version = "1.7"
    second = disk.of_images(layout)
    assert (second != first, disks.made, first.exists()) == (True, 2, False)
    (layout.cache / "images" / "kernelpod-gateway-test-0123456789ab.tar").touch()
    assert disk.of_images(layout) not in (first, second)


@pytest.mark.parametrize("harm", ["cut off", "without a file system", "empty"])
def test_a_disk_that_is_not_whole_is_made_again(layout: Layout, disks: Disks, harm: str) -> None:
    made = disk.of_images(layout)
    with made.open("r+b") as opened:
        opened.truncate(0 if harm == "empty" else disk.SIZE_BYTES - 4096)
        if harm == "without a file system":
            opened.truncate(0)
            opened.truncate(disk.SIZE_BYTES)
    assert disk.of_images(layout) == made
    assert disks.made == 2
    assert made.stat().st_size == disk.SIZE_BYTES


def test_a_machine_keeps_the_disk_that_it_was_started_with(layout: Layout, disks: Disks, tmp_path: Path) -> None:
    """Also when another one takes its place in the cache: what it has written lies over the former one."""
    (tmp_path / "machine").mkdir()
    disk.insert(layout, tmp_path / "machine")
    before = (tmp_path / "machine" / "images").stat()
    disks.version = "1.7"
    disk.of_images(layout)
    after = (tmp_path / "machine" / "images").stat()
    assert (after.st_ino, after.st_size, after.st_mtime_ns) == (before.st_ino, disk.SIZE_BYTES, before.st_mtime_ns)


class Sources:
    """An archive of Debian with one source of Linux."""

    def __init__(self, work: Path) -> None:
        del work

    def sources(self) -> list[str]:
        return ["linux-source-7.3"]

    def fetched(self, package: str) -> Path:
        return Path(package)


@pytest.mark.parametrize(
    ("there", "builds"),
    [
        ("#!/bin/sh\necho 7.3.4\n", False),
        ("#!/bin/sh\necho 7.10.1\n", False),
        ("#!/bin/sh\necho 7.1.9\n", True),
        ("#!/bin/sh\necho 6.12.1\n", True),
        ("#!/bin/sh\nexit 1\n", True),
        ("\x7fELF", True),
        ("", True),
        (None, True),
    ],
    ids=["new enough", "newer", "too old", "much too old", "ends", "cut off", "empty", "missing"],
)
def test_linux_is_built_again_where_it_is_too_old_or_not_whole(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: str | None, builds: bool
) -> None:
    built = tmp_path / "built"
    built.write_text("#!/bin/sh\necho 7.3.4\n")
    monkeypatch.setattr(linux, "Archive", Sources)
    monkeypatch.setattr(linux, "_built", lambda *_: built)
    program = linux.program(layout)
    program.parent.mkdir(parents=True)
    if there is not None:
        program.write_text(there)
        program.chmod(0o755)
    linux.build(layout)
    assert built.exists() is not builds
    assert (program.read_text() == "#!/bin/sh\necho 7.3.4\n") is (builds or "7.3.4" in (there or ""))
