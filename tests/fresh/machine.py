"""A Debian that nobody has worked on: its tree of files, made once, and a copy of it to enter."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from rig.images import mirror, package_sources
from rig.layout import RigError
from rig.shell import run, wait

SUITE = "trixie"
# What the README's first command needs; bubblewrap is taken away again where it has to be missing.
PACKAGES = ("python3", "python3-venv", "make", "git", "ca-certificates", "bubblewrap")
BUILD_SECONDS = 1800
ENTER = Path(__file__).with_name("enter")
NAMESPACES = ("--mount", "--pid", "--fork", "--kill-child", "--ipc", "--uts", "--propagation=private")
# How this machine reaches the package indexes, beside pip's own files.
_PASSED_ON = ("PIP_", "UV_INDEX", "UV_DEFAULT_INDEX", "UV_EXTRA_INDEX", "UV_FIND_LINKS", "SSL_CERT_")
_PROXIES = ("http_proxy", "https_proxy", "no_proxy")


def tree(cache: Path) -> Path:
    """The tree of the Debian, from the cache if it has these packages. Raises RigError."""
    made, wanted = cache / SUITE, " ".join(PACKAGES)
    if (made / ".packages").exists() and (made / ".packages").read_text() == wanted:
        return made
    if not shutil.which("debootstrap"):
        run(["apt-get", "update"], seconds=300)
        run(["apt-get", "install", "--yes", "--no-install-recommends", "debootstrap"], seconds=300)
    shutil.rmtree(made, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix=".making-") as work:
        root = Path(work, "root")
        options = ["--variant=minbase", f"--include={','.join(PACKAGES)}"]
        run(["debootstrap", *options, SUITE, root, mirror()], seconds=BUILD_SECONDS)
        shutil.rmtree(root / "var/cache/apt/archives")
        (root / ".packages").write_text(wanted)
        root.rename(made)
    return made


@contextlib.contextmanager
def alone(cache: Path) -> Iterator[None]:
    """Keep others out, and remove what one that was killed has left."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / ".lock").open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RigError(f"{cache} is in use: wait for the other run") from None
        for left in (*cache.glob(".making-*"), *cache.glob("machine-*")):
            shutil.rmtree(left)
        yield


class Machine:
    """One copy of the tree, with this machine's way to the package indexes."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self._shown = package_sources(folder)
        given = os.environ.get("SSL_CERT_FILE", "")
        if given and not Path(given).is_relative_to("/etc/ssl/certs"):
            self._shown[Path(given)] = given
        self._environment = {
            name: value
            for name, value in os.environ.items()
            if name.startswith(_PASSED_ON) or name.lower() in _PROXIES
        }

    def clone(self, checkout: Path, place: str) -> None:
        """Put a clone of a checkout there."""
        run(["git", "clone", "--quiet", "--no-hardlinks", checkout, f"{self.root}{place}"], seconds=300)

    def run(self, command: list[str], environment: Mapping[str, str], log: Path, seconds: float) -> int:
        """The exit status of a command there; what it says goes to a log, and nothing of it is left running."""
        shown = [str(word) for pair in self._shown.items() for word in pair]
        words = ["unshare", *NAMESPACES, str(ENTER), str(self.root), *shown, "--", *command]
        base = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
        with (
            log.open("ab") as output,
            subprocess.Popen(
                words,
                env={**base, **self._environment, **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            ) as process,
        ):
            limit = threading.Timer(seconds, process.kill)
            limit.start()
            try:
                return process.wait()
            finally:
                limit.cancel()
                process.kill()


@contextlib.contextmanager
def machine(cache: Path) -> Iterator[Machine]:
    """A machine of one's own; it is gone afterwards."""
    folder = Path(tempfile.mkdtemp(dir=cache, prefix="machine-"))
    folder.chmod(0o755)
    try:
        run(["cp", "--archive", "--reflink=auto", tree(cache), folder / "root"], seconds=300)
        for name in ("resolv.conf", "hosts"):
            shutil.copy(f"/etc/{name}", folder / "root/etc" / name)
        yield Machine(folder)
    finally:
        # The last process may still be ending.
        if not wait(lambda: _removed(folder), seconds=30):
            raise RigError(f"{folder} cannot be removed")


def _removed(folder: Path) -> bool:
    shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()
