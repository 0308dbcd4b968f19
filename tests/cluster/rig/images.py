"""Container images without a registry: built by buildah, cached by their inputs, imported into containerd."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path

from . import binaries
from .layout import CONTAINERD_SOCKET, SOURCES, Layout, RigError
from .shell import run

PAUSE = "localhost/kernelpod-pause:1"
COREDNS = "localhost/kernelpod-coredns:1"
BUILD_SECONDS = 3600
TAR_END = bytes(1024)
SUITE = "trixie"  # its python3 is the newest that Kernelpod runs on, as in the public images


def of_binary(layout: Layout, module: binaries.Module, name: str, tag: str) -> Path:
    """The archive of an image that holds one of our static binaries and nothing else."""
    layout.cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=layout.cache, prefix=".context-") as context:
        shutil.copy2(binaries.folder(module, layout.cache) / name, context)
        return build_image(layout, SOURCES / "images" / name / "Dockerfile", Path(context), tag)


def build_image(
    layout: Layout, dockerfile: Path, context: Path, tag: str, build_args: Mapping[str, str] | None = None
) -> Path:
    """The OCI archive of the image, from the cache when nothing that goes into it changed.

    Of a git checkout only what the Dockerfile copies is sent, and of that what git knows or would add, so neither
    environments nor secrets reach the build. BASE_IMAGE is the local base unless it is given.
    """
    if not dockerfile.is_file() or not context.is_dir():
        raise RigError(f"a Dockerfile and a folder are needed: {dockerfile} and {context} are not both there")
    arguments = dict(build_args or {})
    archives = layout.cache / "images"
    archives.mkdir(parents=True, exist_ok=True)
    if "ARG BASE_IMAGE" in dockerfile.read_text():
        arguments.setdefault("BASE_IMAGE", base_image(layout))
    with tempfile.TemporaryDirectory(dir=layout.cache, prefix=".build-") as work:
        sent = Path(work, "context")
        _stage(context, sent, dockerfile)
        key = _fingerprint(sent, dockerfile.read_bytes(), tag, json.dumps(arguments, sort_keys=True))
        name = tag.rpartition("/")[2].replace(":", "-")
        archive = archives / f"{name}-{key}.tar"
        if _is_whole(archive, tag):
            return archive
        named = [f"--build-arg={name}={value}" for name, value in arguments.items()]
        sources = ["--tag", tag, "--file", str(dockerfile.absolute())]
        sources += [f"--volume={source}:{target}:ro" for source, target in package_sources(Path(work)).items()]
        _buildah(layout, "build", "--layers", "--pull=never", *named, *sources, str(sent))
        _buildah(layout, "push", tag, f"oci-archive:{work}/image.tar:{tag}")
        Path(work, "image.tar").rename(archive)
        _drop_former(archives, name, archive)
    return archive


def _is_whole(archive: Path, tag: str) -> bool:
    """Whether an archive is there and holds the image. One that was cut off lacks the zeros at its end."""
    try:
        with archive.open("rb") as opened:
            opened.seek(-len(TAR_END), os.SEEK_END)
            return opened.read() == TAR_END and named(archive)[0] == tag
    except (OSError, RigError):
        return False


def _drop_former(archives: Path, name: str, newest: Path) -> None:
    """Remove what was built of an image before: its layers are in the store, so building it again is quick."""
    length = len(newest.name)
    for former in archives.glob(f"{name}-*.tar"):
        if former != newest and len(former.name) == length:
            former.unlink(missing_ok=True)


def base_image(layout: Layout) -> str:
    """The name of the Debian image with Python that stands in for a public one, built when it is missing."""
    folder = SOURCES / "images/base"
    wanted = SUITE.encode() + (folder / "packages.txt").read_bytes() + (folder / "Dockerfile").read_bytes()
    tag = f"localhost/kernelpod-base:{hashlib.sha256(wanted).hexdigest()[:12]}"
    if _stored(layout, tag):
        return tag
    layout.cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=layout.cache, prefix=".base-") as work:
        packages = ",".join((folder / "packages.txt").read_text().split())
        options = ["--variant=minbase", f"--include={packages}"]
        root = Path(work, "rootfs")
        run(["debootstrap", *options, SUITE, str(root), mirror()], seconds=BUILD_SECONDS)
        for downloads in (root / "var/cache/apt/archives", root / "var/lib/apt/lists"):
            shutil.rmtree(downloads)
            (downloads / "partial").mkdir(parents=True)
        run(["tar", "--numeric-owner", "-C", str(root), "-cf", f"{work}/rootfs.tar", "."], seconds=300)
        shutil.rmtree(root)
        _buildah(layout, "build", "--tag", tag, "--file", str(folder / "Dockerfile"), work)
    return tag


def import_image(archive: Path) -> str:
    """The name of the image, which containerd has now."""
    name, digest = named(archive)
    client = ["ctr", f"--address={CONTAINERD_SOCKET}", "--namespace=k8s.io", "images"]
    if digest not in run([*client, "list", f"name=={name}"]):
        run([*client, "import", str(archive)], seconds=300)
    return name


def named(archive: Path) -> tuple[str, str]:
    """The name and the digest of the image in an archive."""
    try:
        with tarfile.open(archive) as opened:
            index = opened.extractfile("index.json")
            manifest = json.load(index)["manifests"][0] if index else {}
        return manifest["annotations"]["org.opencontainers.image.ref.name"], manifest["digest"]
    except (tarfile.TarError, ValueError, LookupError, TypeError) as error:
        raise RigError(f"{archive} is no OCI archive of an image: remove it, and it is built again") from error


def _stage(context: Path, target: Path, dockerfile: Path) -> None:
    if not (context / ".git").exists():
        shutil.copytree(context, target, symlinks=True)
        return
    lines = [line.split() for line in dockerfile.read_text().splitlines() if line.startswith("COPY ")]
    copied = [word for line in lines for word in line[1:-1] if not word.startswith("--")]
    target.mkdir()
    if not copied:
        return
    listing = ["git", "-C", str(context), "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--"]
    listing += copied
    for name in filter(None, run(listing).split("\0")):
        if (context / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(context / name, target / name, follow_symlinks=False)


def _fingerprint(folder: Path, *texts: bytes | str) -> str:
    digest = hashlib.sha256()
    for text in texts:
        digest.update((text if isinstance(text, bytes) else text.encode()) + b"\0")
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"{file.relative_to(folder)}\0{file.stat().st_mode:o}\0".encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:12]


def _stored(layout: Layout, tag: str) -> bool:
    """Whether buildah has the image."""
    try:
        _buildah(layout, "inspect", "--type", "image", tag)
    except RigError:
        return False
    return True


def _buildah(layout: Layout, *arguments: str) -> None:
    store = layout.cache / "buildah"
    store.mkdir(parents=True, exist_ok=True)
    configuration = store / "containers.conf"  # or buildah would make /etc/cni
    configuration.write_text(f'[network]\nnetwork_config_dir = "{store}/networks"\n')
    settings = {
        "BUILDAH_ISOLATION": "chroot",
        "STORAGE_DRIVER": os.environ.get("STORAGE_DRIVER", "overlay"),
        "CONTAINERS_CONF": str(configuration),
    }
    command = ["buildah", f"--root={store}/storage", f"--runroot={store}/run", *arguments]
    run(command, seconds=BUILD_SECONDS, environment={**os.environ, **settings})


def mirror() -> str:
    """The archive that this machine's apt uses: for the same suite, else for another one of Debian."""
    form = "$(CODENAME)|$(ORIGIN)|$(COMPONENT)|$(SITE)"
    listed = run(["apt-get", "indextargets", "--format", form, "Created-By: Packages"])
    sites = {
        codename: site
        for codename, origin, component, site in (line.split("|") for line in listed.splitlines())
        if origin == "Debian" and component == "main" and "-" not in codename
    }
    if not sites:
        raise RigError("apt knows no archive of Debian: add one to the machine's apt sources")
    return sites.get(SUITE) or next(iter(sites.values()))


def package_sources(work: Path) -> dict[Path, str]:
    """What shows the machine's pip settings and certificates to a build, by the places where it is looked for."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, timeout=60, check=False
    ).stdout
    # A variable (:env:) outweighs a file, so it comes last.
    lines = sorted(listed.splitlines(), key=lambda line: line.startswith(":env:"))
    settings = dict(line.split("=", 1) for line in lines if "=" in line)
    options = {name.rpartition(".")[2]: value.strip("'\"") for name, value in settings.items()}
    configuration = work / "pip.conf"
    configuration.write_text("[global]\n" + "".join(f"{name} = {value}\n" for name, value in options.items()))
    shown = {configuration: "/etc/pip.conf", Path("/etc/ssl/certs"): "/etc/ssl/certs"}
    for place in options.get("find-links", "").split():
        if Path(place).is_dir():
            shown[Path(place)] = place
    return shown
