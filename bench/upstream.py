"""Downloads the content of a stock kernel image when a benchmark runs, and keeps it under .cache/bench.

No stock code is in this repository. Versions and hashes are those of requirements/gateway.txt.
"""

from __future__ import annotations

import os
import subprocess
import tarfile
from pathlib import Path

from bench.processes import BenchError

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / ".cache" / "bench"
PINS = ROOT / "requirements" / "gateway.txt"
KERNEL_PYTHON = ROOT / ".envs" / "kernels" / "bin" / "python"
LAUNCHER = "etc/kernel-launchers/python/scripts/launch_ipykernel.py"
TIMEOUT_SECONDS = 300


def stock_launcher() -> Path:
    """Return the launcher script of the pinned Enterprise Gateway, from its source archive."""
    target = CACHE / "launch_ipykernel.py"
    if not target.exists():
        requirement = pinned("jupyter-enterprise-gateway")
        # pip, not uv: only pip can download a source archive without installing it
        pip = [str(ROOT / ".tools" / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
        which = ["--no-deps", "--no-binary", "jupyter-enterprise-gateway", "--require-hashes"]
        run([*pip, "download", "--quiet", *which, "--dest", str(CACHE), "--requirement", str(requirement)])
        target.write_bytes(member(next(CACHE.glob("jupyter_enterprise_gateway-*.tar.gz")), LAUNCHER))
    return target


def stock_site() -> Path:
    """Return a folder for PYTHONPATH with the package that the stock launcher needs in addition to ipykernel."""
    target = CACHE / "site"
    if not (target / "Cryptodome").exists():
        requirement = pinned("pycryptodomex")
        uv = [str(ROOT / ".tools" / "bin" / "uv"), "pip", "install", "--quiet", "--no-deps"]
        where = ["--python", str(KERNEL_PYTHON), "--target", str(target)]
        run([*uv, "--require-hashes", *where, "--requirement", str(requirement)])
    return target


def pinned(name: str) -> Path:
    """Write a requirements file with a package's version and hashes from the lock, and return its path."""
    lines = PINS.read_text(encoding="utf-8").splitlines()
    start = next((index for index, line in enumerate(lines) if line.startswith(f"{name}==")), None)
    if start is None:
        raise BenchError(f"{PINS} does not pin {name}")
    last = next(index for index in range(start, len(lines)) if not lines[index].endswith("\\"))
    CACHE.mkdir(parents=True, exist_ok=True)
    target = CACHE / f"{name}.txt"
    target.write_text("\n".join(lines[start : last + 1]) + "\n", encoding="utf-8")
    return target


def member(archive: Path, path: str) -> bytes:
    """Return one file of a source archive, by its path below the archive's top folder."""
    with tarfile.open(archive) as opened:
        for entry in opened:
            if entry.name.partition("/")[2] == path:
                content = opened.extractfile(entry)
                if content is not None:
                    return content.read()
    raise BenchError(f"{archive.name} does not contain {path}")


def run(command: list[str]) -> None:
    """Run an installer with the caller's index settings. Raises BenchError with the installer's message."""
    environment = {"UV_CACHE_DIR": str(ROOT / ".cache" / "uv"), "UV_NO_CONFIG": "1"} | os.environ
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
    )
    if done.returncode:
        raise BenchError(f"{' '.join(command[:4])} failed:\n{done.stderr.strip()[-2000:]}")
