"""Runs Helm on the chart of this checkout."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from kernelpod.base import yamltext
from kernelpod.deploy.withouthelm.chart import rendered
from kernelpod.deploy.withouthelm.template import TemplateError

HERE = Path(__file__).parent
CHART = HERE.parents[1] / "charts" / "kernelpod"
VALUES = {file.stem: yaml.safe_load(file.read_bytes()) for file in sorted((HERE / "values").glob("*.yaml"))}
KUBERNETES = "1.34"
RELEASE, NAMESPACE = "kernelpod", "gateway"
INSTALL = "put helm 3 on PATH, or name it in HELM, or let make cluster-up build it"


def find() -> str | None:
    """Return the path of helm: the one HELM names, one on PATH, or the test cluster's."""
    return os.environ.get("HELM") or shutil.which("helm") or built("helm")


def built(tool: str) -> str | None:
    """Return the path of the newest of this name that the test cluster's rig has built."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    cache = Path(os.environ.get("KERNELPOD_CACHE") or home / "kernelpod")
    found = sorted(cache.glob(f"bin/{tool}-*/{tool}"), key=lambda file: file.stat().st_mtime)
    return str(found[-1]) if found else None


@dataclass(frozen=True)
class Helm:
    """Helm, and what it makes of the chart with given values."""

    binary: str

    def run(self, verb: list[str], values: dict[str, Any] | None) -> subprocess.CompletedProcess[str]:
        """Return what `helm VERB CHART` printed with these values in a file."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "values.yaml")
            file.write_text(yamltext.dump(values or {}), encoding="utf-8")
            home = {"HELM_CONFIG_HOME": folder, "HELM_CACHE_HOME": folder, "HELM_DATA_HOME": folder}
            command = [self.binary, *verb, str(CHART), "--values", str(file), "--kube-version", KUBERNETES]
            return subprocess.run(
                command, env={**os.environ, **home}, capture_output=True, text=True, check=False, timeout=60
            )

    def template(
        self, values: dict[str, Any] | None = None, release: str = RELEASE, namespace: str = NAMESPACE
    ) -> str:
        """Return all manifests as text. Fails with Helm's words."""
        done = self.run(["template", "--namespace", namespace, release], values)
        assert done.returncode == 0, done.stderr
        same_without_helm(done.stdout, values or {}, release, namespace)
        return done.stdout

    def objects(self, values: dict[str, Any] | None = None, release: str = RELEASE) -> list[dict[str, Any]]:
        """Return all manifests as objects."""
        return [document for document in yaml.safe_load_all(self.template(values, release)) if document]

    def refusal(self, values: dict[str, Any], release: str = RELEASE, namespace: str = NAMESPACE) -> str:
        """Return why these values are refused."""
        done = self.run(["template", "--namespace", namespace, release], values)
        assert done.returncode != 0, done.stdout[:1000]
        with pytest.raises(TemplateError) as refused:
            rendered(CHART, values, release, namespace)
        if words := re.search(r"execution error at \([^)]*\): (.*)", done.stderr):
            assert words[1].strip() in refused.value.message
        return done.stderr


def same_without_helm(text: str, values: dict[str, Any], release: str, namespace: str) -> None:
    """Compare what Helm has made of the chart with what is made where there is no Helm."""
    found = [one for one in yaml.safe_load_all(text) if one]
    if any("helm.sh/hook" in one["metadata"].get("annotations", {}) for one in found):
        with pytest.raises(TemplateError, match="Only Helm runs hooks"):
            rendered(CHART, values, release, namespace)
        return
    assert _comparable(rendered(CHART, values, release, namespace, "Helm")) == _comparable(found)


def _comparable(objects: list[dict[str, Any]]) -> dict[tuple[str, ...], Any]:
    """Return objects by their identity. YAML in them is read, since it can be written in several ways."""
    made = {}
    for one in objects:
        metadata = one["metadata"]
        if one["kind"] == "ConfigMap":
            one["data"] = {name: yaml.safe_load(text) for name, text in one["data"].items()}
        if one["kind"] == "Deployment":
            del one["spec"]["template"]["metadata"]["annotations"]["checksum/config"]
        made[one["apiVersion"], one["kind"], metadata.get("namespace", ""), metadata["name"]] = one
    return made


def of_kind(objects: list[dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    """Return the objects of one kind by name."""
    return {found["metadata"]["name"]: found for found in objects if found["kind"] == kind}


def settings_text(objects: list[dict[str, Any]]) -> str:
    """Return the gateway's settings file."""
    (config,) = of_kind(objects, "ConfigMap").values()
    return str(config["data"]["settings.yaml"])
