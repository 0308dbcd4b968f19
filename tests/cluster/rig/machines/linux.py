"""Linux as a program: built from Debian's source of the kernel, once for each configuration."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from ..images import SUITE, mirror
from ..layout import Layout, RigError
from ..shell import run

CONFIGURATION = Path(__file__).with_name("kernel.config")
SUITES = (SUITE, f"{SUITE}-backports")
OLDEST = (7, 2)  # older ones end at the first process on processors with AMX
BUILD_SECONDS = 3600


def program(layout: Layout) -> Path:
    """Return where Linux is, or will be."""
    options = sorted(line for line in CONFIGURATION.read_text().splitlines() if line.startswith("CONFIG_"))
    return layout.cache / "linux" / hashlib.sha256("\n".join(options).encode()).hexdigest()[:12] / "linux"


def build(layout: Layout) -> None:
    """Build Linux unless the cache has it. Raises RigError with the versions that were tried."""
    there = program(layout)
    if _runs(there):
        return
    there.parent.mkdir(parents=True, exist_ok=True)
    tried: list[str] = []
    with tempfile.TemporaryDirectory(dir=there.parent, prefix=".building-") as work:
        archive = Archive(Path(work))
        for package in archive.sources():
            print(f"          building Linux of {package}, once; this takes minutes", file=sys.stderr)
            try:
                built = _built(archive.fetched(package), Path(work, package))
            except RigError as error:
                tried.append(f"{package}: {error}")
                continue
            built.rename(there)
            (there.parent / "package").write_text(f"{package}\n")
            return
    listed = "\n".join(tried) or f"no linux-source of {'.'.join(map(str, OLDEST))} or newer in {', '.join(SUITES)}"
    raise RigError(f"Linux cannot be built; tried:\n{listed}")


def _runs(there: Path) -> bool:
    """Return whether Linux is there, whole, and new enough."""
    try:
        said = run([there, "--version"])
    except (RigError, OSError):
        return False
    found = re.match(r"(\d+)\.(\d+)", said)
    return found is not None and (int(found[1]), int(found[2])) >= OLDEST


def newest_first(packages: str) -> list[str]:
    """Return those of the packages that hold a source of Linux that is new enough, the newest first."""
    found = {
        tuple(map(int, version.split("."))): f"linux-source-{version}"
        for version in re.findall(r"^linux-source-(\d+(?:\.\d+)+)$", packages, re.M)
    }
    return [found[version] for version in sorted(found, reverse=True) if version >= OLDEST]


class Archive:
    """Debian's archive for newer suites than the machine's own; nothing of apt's on the machine is changed."""

    def __init__(self, work: Path) -> None:
        self._work = work
        for folder in ("state/lists/partial", "cache/archives/partial"):
            (work / folder).mkdir(parents=True)
        keys = "/usr/share/keyrings/debian-archive-keyring.gpg"
        sources = work / "sources.list"
        sources.write_text("".join(f"deb [signed-by={keys}] {mirror()} {suite} main\n" for suite in SUITES))
        self._options = [
            f"-oDir::State={work}/state",
            f"-oDir::Cache={work}/cache",
            f"-oDir::Etc::sourcelist={sources}",
            "-oDir::Etc::sourceparts=/dev/null",
            "-oAPT::Sandbox::User=root",
        ]
        run(["apt-get", *self._options, "update"], seconds=300)

    def sources(self) -> list[str]:
        """Return the packages of Linux's source that are new enough, the newest first."""
        return newest_first(run(["apt-cache", *self._options, "pkgnames", "linux-source-"]))

    def fetched(self, package: str) -> Path:
        """Return the folder of the unpacked source."""
        target = self._work / package
        target.mkdir()
        argv = ["apt-get", *self._options, "download", package]
        done = subprocess.run(argv, cwd=target, capture_output=True, text=True, timeout=900, check=False)
        packed = next(target.glob("*.deb"), None)
        if packed is None:
            raise RigError(f"it cannot be downloaded: {done.stderr.strip()[-500:]}")
        run(["dpkg-deb", "--extract", packed, target], seconds=300)
        packed.unlink()
        (tree,) = target.glob("usr/src/*.tar.xz")
        run(["tar", "--extract", f"--file={tree}", f"--directory={target}"], seconds=600)
        tree.unlink()
        return target / package


def _built(source: Path, work: Path) -> Path:
    """Return the program, stripped. Raises RigError with the end of what the build said."""
    make = ["make", "-C", str(source), "ARCH=um"]
    run([*make, "allnoconfig"], seconds=300)
    merge = [str(source / "scripts/kconfig/merge_config.sh"), "-m", "-O", str(source), str(source / ".config")]
    run([*merge, str(CONFIGURATION)])
    run([*make, "olddefconfig"], seconds=300)
    run([*make, f"-j{os.cpu_count()}", "linux"], seconds=BUILD_SECONDS)
    run(["strip", source / "linux"])
    run([source / "linux", "--version"])
    shutil.copy2(source / "linux", work / "linux.built")
    return work / "linux.built"
