"""Builds stock Enterprise Gateway for a cluster: its chart and two images, from its source archive on PyPI.

`python -m bench.stock_cluster` builds and imports all images of the benchmark and of tests/cluster/test_stock.py.
Run it as root, outside of the cluster's network. No stock code is in this repository; the archive is kept in the
cache folder.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tarfile
import tempfile
from pathlib import Path

from bench.processes import BenchError
from bench.upstream import PINS, ROOT, pinned, run

GATEWAY_IMAGE = "localhost/kernelpod-stock-gateway:test"
KERNEL_IMAGE = "localhost/kernelpod-stock-kernel:test"
IPYKERNEL6_IMAGE = "localhost/kernelpod-ipykernel6:test"
KERNEL_NAME = "python_kubernetes"
OUR_IMAGES = ("gateway", "kernel-python", "kernel-bash")
BENCH = ROOT / "bench"
CLUSTER = ROOT / "tests" / "cluster" / "cluster"
REQUIREMENTS = PINS.parent
NAME = "jupyter-enterprise-gateway"


def cache() -> Path:
    """Return the folder for stock's files, in the test cluster's cache folder."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("KERNELPOD_CACHE") or home / "kernelpod").absolute() / "stock"


def source() -> Path:
    """Return the folder of the pinned version's source archive, and download it if it is missing."""
    requirement = pinned(NAME)
    version = requirement.read_text(encoding="utf-8").split()[0].partition("==")[2]
    unpacked = cache() / f"jupyter_enterprise_gateway-{version}"
    if not unpacked.exists():
        cache().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache(), prefix=".download-") as work:
            # pip, not uv: only pip can download a source archive without installing it
            pip = [str(ROOT / ".tools" / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
            which = ["--no-deps", "--no-binary", NAME, "--require-hashes", "--requirement", str(requirement)]
            run([*pip, "download", "--quiet", *which, "--dest", work])
            with tarfile.open(next(Path(work).glob("*.tar.gz"))) as archive:
                archive.extractall(work, filter="data")
            (Path(work) / unpacked.name).rename(unpacked)
    return unpacked


def chart() -> Path:
    """Return stock's Helm chart."""
    return source() / "etc" / "kubernetes" / "helm" / "enterprise-gateway"


def build_gateway() -> None:
    """Build and import stock's gateway; only the image in its kernelspec is replaced by the one built here."""
    etc = source() / "etc"
    with tempfile.TemporaryDirectory(prefix="bench-") as work:
        context = Path(work)
        spec = context / "kernels" / KERNEL_NAME
        shutil.copytree(etc / "kernelspecs" / KERNEL_NAME, spec)
        shutil.copytree(etc / "kernel-launchers" / "kubernetes" / "scripts", spec / "scripts")
        kernel = json.loads((spec / "kernel.json").read_bytes())
        kernel["metadata"]["process_proxy"]["config"]["image_name"] = KERNEL_IMAGE
        (spec / "kernel.json").write_text(json.dumps(kernel), encoding="utf-8")
        shutil.copy(etc / "docker" / "enterprise-gateway" / "start-enterprise-gateway.sh", context)
        requirements = (REQUIREMENTS / "image-gateway.txt").read_text(encoding="utf-8")
        requirements += pinned("setuptools").read_text(encoding="utf-8")
        (context / "requirements.txt").write_text(requirements, encoding="utf-8")
        image(BENCH / "stock_cluster_gateway.Dockerfile", context, GATEWAY_IMAGE)


def build_kernel() -> None:
    """Build and import a kernel image for stock: the kernel of our image with stock's launcher."""
    launchers = source() / "etc" / "kernel-launchers"
    requirements = (REQUIREMENTS / "image-kernel-python.txt").read_text(encoding="utf-8")
    requirements += pinned("pycryptodomex").read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory(prefix="bench-") as work:
        context = Path(work)
        shutil.copytree(launchers / "python", context / "kernel-launchers" / "python")
        shutil.copy(launchers / "bootstrap" / "bootstrap-kernel.sh", context)
        (context / "requirements.txt").write_text(requirements, encoding="utf-8")
        image(BENCH / "stock_cluster_kernel.Dockerfile", context, KERNEL_IMAGE)


def build_ipykernel6() -> None:
    """Build and import our kernel image with the last ipykernel 6, for tests/cluster/test_stock.py."""
    with tempfile.TemporaryDirectory(prefix="bench-") as work:
        requirements = Path(work) / "requirements"
        requirements.mkdir()
        shutil.copy(BENCH / "stock_cluster_ipykernel6.txt", requirements / "image-kernel-python.txt")
        image(ROOT / "images" / "kernel-python" / "Dockerfile", Path(work), IPYKERNEL6_IMAGE)


def image(dockerfile: Path, context: Path, tag: str) -> None:
    """Build an image, or take it from the cache if nothing has changed, and import it into the test cluster."""
    run([str(CLUSTER), "image", str(dockerfile), str(context), tag])


def main() -> int:
    """Return 0 when all images are in the cluster."""
    try:
        build_gateway()
        build_kernel()
        build_ipykernel6()
        run([str(ROOT / "images" / "build"), "--import", *OUR_IMAGES])
    except (BenchError, OSError) as error:
        print(f"bench.stock_cluster: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
