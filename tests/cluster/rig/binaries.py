"""Kubernetes and the tools around it, built from the Go module registry and kept by version and input."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .layout import SOURCES, RigError
from .shell import run

FIRST_BUILD_SECONDS = 3600


@dataclass(frozen=True)
class Module:
    """One Go module of tests/cluster/binaries: what to build and where its version goes."""

    name: str
    requires: str  # the requirement in go.mod whose version names the build
    packages: tuple[str, ...]
    stamps: Mapping[str, str]  # Go variable -> text, in which {version}, {major} and {minor} are filled in
    choice: str = ""  # the environment variable that may name other versions: those of NAME-<value>.mod

    @property
    def folder(self) -> Path:
        """Where go.mod lies."""
        return SOURCES / "binaries" / self.name

    @property
    def modfile(self) -> Path:
        """The file with the versions of all modules; go.mod, unless the environment chooses another one."""
        chosen = os.environ.get(self.choice, "") if self.choice else ""
        file = self.folder / (f"{self.name}-{chosen}.mod" if chosen else "go.mod")
        if not file.is_file():
            known = [path.stem.partition("-")[2] for path in sorted(self.folder.glob(f"{self.name}-*.mod"))]
            raise RigError(f"{self.choice}={chosen}: choose one of {', '.join(known)}, or none")
        return file

    @property
    def version(self) -> str:
        """As that file says: v1.34.4."""
        found = re.search(rf"^\s*(?:require )?{re.escape(self.requires)} (v\S+)", self.modfile.read_text(), re.M)
        if not found:
            raise RigError(f"{self.modfile} does not require {self.requires}")
        return found[1]

    def flags(self) -> list[str]:
        """The flags of `go build`: reproducible, without symbols, stamped with the version."""
        major, minor, _ = self.version.removeprefix("v").split(".", 2)
        facts = {"version": self.version, "major": major, "minor": minor}
        stamps = [f"-X {name}={text.format(**facts)}" for name, text in self.stamps.items()]
        chosen = ["-modfile", self.modfile.name] if self.modfile.name != "go.mod" else []
        return [*chosen, "-trimpath", "-ldflags", " ".join(["-s", "-w", *stamps])]

    def fingerprint(self) -> str:
        """A short hash of everything that decides what is built."""
        digest = hashlib.sha256(" ".join(self.flags()).encode())
        for file in sorted([self.modfile, self.modfile.with_suffix(".sum"), *self.folder.rglob("*.go")]):
            digest.update(b"\0" + str(file.relative_to(self.folder)).encode() + b"\0" + file.read_bytes())
        return digest.hexdigest()[:12]


KUBERNETES_VERSION = "k8s.io/component-base/version."
KUBERNETES = Module(
    "kubernetes",
    "k8s.io/kubernetes",
    ("./node", "./kubectl", "./pause"),
    {
        f"{KUBERNETES_VERSION}gitVersion": "{version}",
        f"{KUBERNETES_VERSION}gitMajor": "{major}",
        f"{KUBERNETES_VERSION}gitMinor": "{minor}",
    },
    "KERNELPOD_KUBERNETES",
)
HELM_VERSION = {"helm.sh/helm/v3/internal/version.version": "{version}"}
HELM = Module("helm", "helm.sh/helm/v3", ("helm.sh/helm/v3/cmd/helm",), HELM_VERSION)
COREDNS = Module("coredns", "github.com/coredns/coredns", (".",), {})
MODULES = (KUBERNETES, HELM, COREDNS)
# Reads NetworkPolicies as Kubernetes does: for the tests of the chart, not for the cluster.
CYCLONUS_MODULE = "github.com/mattfenwick/cyclonus"
CYCLONUS = Module("cyclonus", CYCLONUS_MODULE, (f"{CYCLONUS_MODULE}/cmd/cyclonus",), {})
# A driver of inline volumes, for the tests of mounts.
CSI = Module("csi", "github.com/container-storage-interface/spec", (".",), {})
BUILT = {module.name: module for module in (*MODULES, CYCLONUS, CSI)}


def build(module: Module, cache: Path) -> None:
    """Build the module unless the cache has it."""
    there = folder(module, cache)
    if _is_whole(module, there):
        return
    shutil.rmtree(there, ignore_errors=True)
    if not (go := shutil.which("go")):
        raise RigError("Go 1.26 or newer is needed to build Kubernetes: install it and put `go` on PATH")
    print(f"          building {module.name} {module.version}, once; this takes minutes", file=sys.stderr)
    there.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=there.parent, prefix=".building-") as partial:
        environment = {**os.environ, "CGO_ENABLED": "0"}
        argv = [go, "-C", str(module.folder), "build", *module.flags(), "-o", f"{partial}/out/", *module.packages]
        run(argv, seconds=FIRST_BUILD_SECONDS, environment=environment)
        Path(partial, "out").rename(there)


def _is_whole(module: Module, there: Path) -> bool:
    """Whether all binaries of the module are there."""
    return there.is_dir() and sum(file.stat().st_size > 0 for file in there.iterdir()) >= len(module.packages)


def folder(module: Module, cache: Path) -> Path:
    """Where the module's binaries are, or will be."""
    return cache / "bin" / f"{module.name}-{module.version}-{module.fingerprint()}"
