"""The disks of machines: one with images, which nobody changes, and what each machine has written over it."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..layout import Layout, RigError
from ..shell import run, succeeds, wait

SIZE_BYTES = 16 * 1024**3  # of which only what is written takes room
# Where ext4 has its mark, and what it is.
MARK_AT, MARK = 0x438, b"\x53\xef"
# What kernels and servers on a node are made of, and what looks at homes.
IMAGES = (
    "kernelpod-pause-1",
    "kernelpod-gateway-test",
    "kernelpod-kernel-python-test",
    "kernelpod-singleuser-test",
)
# Alone it would make folders in /opt and /etc.
CONTAINERD = """\
version = 2
root = "{folder}/root"
state = "{folder}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "{folder}/socket"
[plugins."io.containerd.internal.v1.opt"]
  path = "{folder}/opt"
"""


def insert(layout: Layout, folder: Path) -> None:
    """Put the disk of images as it is now into a machine's folder, where it stays also when another is made."""
    disk, place = of_images(layout), folder / "images"
    try:
        place.hardlink_to(disk)
    except OSError:  # the cache is on another file system
        run(["cp", "--sparse=always", "--preserve=timestamps", disk, place], seconds=300)


def arguments(layout: Layout, name: str) -> str:
    """Return Linux's argument: what the machine writes goes to one file, and the other is below it."""
    folder = layout.machine(name)
    return f"ubda={folder}/written,{folder}/images"


def of_images(layout: Layout) -> Path:
    """Return the disk with those images that have been built by now, made when it is missing."""
    built = layout.cache / "images"
    archives = [file for name in IMAGES for file in built.glob(f"{name}-????????????.tar")]
    # What another containerd has stored, or this module once made otherwise, is another disk.
    made_of = [*sorted(file.name for file in archives), str(SIZE_BYTES), CONTAINERD, _version()]
    key = hashlib.sha256("\0".join(made_of).encode()).hexdigest()[:12]
    disks = layout.cache / "disks"
    disk = disks / f"{key}.ext4"
    if not _is_whole(disk):
        disks.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=disks, prefix=".making-") as work:
            _import(archives, Path(work))
            run(["truncate", "-s", str(SIZE_BYTES), f"{work}/disk"])
            run(["mkfs.ext4", "-q", "-J", "size=32", "-d", f"{work}/tree", f"{work}/disk"], seconds=900)
            for former in disks.glob("*.ext4"):
                former.unlink()
            Path(work, "disk").rename(disk)
    return disk


def _version() -> str:
    return run(["containerd", "--version"])


def _is_whole(disk: Path) -> bool:
    """Return whether a disk is there in its full size, with a file system."""
    try:
        with disk.open("rb") as opened:
            opened.seek(MARK_AT)
            return disk.stat().st_size == SIZE_BYTES and opened.read(len(MARK)) == MARK
    except OSError:
        return False


def _import(archives: list[Path], work: Path) -> None:
    """Unpack the images into work/tree/containerd, by a containerd of this machine that ends then."""
    with _containerd(work) as client:
        for archive in archives:
            run([*client, "--namespace=k8s.io", "images", "import", archive], seconds=300)
    tree = work / "tree"
    tree.mkdir()
    (work / "root").rename(tree / "containerd")


@contextmanager
def _containerd(work: Path) -> Iterator[list[str]]:
    (work / "config.toml").write_text(CONTAINERD.format(folder=work))
    with (work / "log").open("wb") as log:
        process = subprocess.Popen(
            ["containerd", f"--config={work}/config.toml"], stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    client = ["ctr", f"--address={work}/socket"]
    try:
        if not wait(lambda: process.poll() is not None or succeeds([*client, "version"]), 30):
            raise RigError(f"containerd does not serve:\n{(work / 'log').read_text(errors='replace')[-1000:]}")
        yield client
    finally:
        process.terminate()
        process.wait(30)
        shutil.rmtree(work / "state", ignore_errors=True)
