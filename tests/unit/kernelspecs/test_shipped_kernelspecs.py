"""The shipped kernelspecs: complete, rendered, and honest about what was tested. Lint has them in test_lint.py."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from kernelpod.base import shipped
from kernelpod.cli.main import main

ROOT = Path(__file__).parents[3]
LIBRARY = sorted(folder for folder in shipped.kernelspecs().iterdir() if folder.is_dir())
OURS = re.compile(r"ghcr\.io/kernelpod/(kernel-[a-z]+):")
VALIDATED_ONLY = "validated only"
of_each = pytest.mark.parametrize("folder", LIBRARY, ids=lambda folder: folder.name)


def kernel_json(folder: Path) -> dict[str, Any]:
    """Return a kernel.json."""
    read: dict[str, Any] = json.loads((folder / "kernel.json").read_text(encoding="utf-8"))
    return read


def pod_of(name: str) -> dict[str, Any]:
    """Return the Pod of a kernel, as the command line renders it."""
    words = ["render", "--user", "john.doe", "--spec", name, "--settings", "/dev/null"]
    done = CliRunner().invoke(main, [*words, "--kernelspecs", str(ROOT / "kernelspecs")])
    assert done.exit_code == 0, done.output
    (pod,) = [document for document in yaml.safe_load_all(done.stdout) if document["kind"] == "Pod"]
    return dict(pod)


@of_each
def test_a_folder_holds_what_jupyter_reads_and_a_readme(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "kernel.json", "logo-svg.svg"]


@of_each
def test_an_image_is_built_here_or_the_readme_says_validated_only(folder: Path) -> None:
    ours = OURS.match(kernel_json(folder)["metadata"]["kernelpod"]["image"])
    built = ours is not None and (ROOT / "images" / ours[1] / "Dockerfile").is_file()
    readme = (folder / "README.md").read_text(encoding="utf-8")
    assert built or not ours
    assert (VALIDATED_ONLY in readme) is not built


@of_each
def test_the_table_says_the_same(folder: Path) -> None:
    table = (shipped.kernelspecs() / "README.md").read_text(encoding="utf-8")
    (row,) = re.findall(rf"^\| \[{folder.name}\].*$", table, re.MULTILINE)
    ours = OURS.match(kernel_json(folder)["metadata"]["kernelpod"]["image"])
    assert (VALIDATED_ONLY in row) is not bool(ours)
    assert ("started in tests" in row) is bool(ours)


@of_each
def test_a_kernel_that_is_interrupted_by_signal_says_what_that_means(folder: Path) -> None:
    readme = (folder / "README.md").read_text(encoding="utf-8")
    assert ("exec_signals" in readme) is (kernel_json(folder)["interrupt_mode"] == "signal")


@of_each
def test_it_renders_to_a_pod_without_rights(folder: Path, need_module: Any) -> None:
    pod = pod_of(folder.name)
    need_module("kubernetes_validate").validate(pod, "1.34", strict=True)
    (container,) = pod["spec"]["containers"]
    assert container["image"] == kernel_json(folder)["metadata"]["kernelpod"]["image"]
    assert pod["spec"]["automountServiceAccountToken"] is False


def test_a_gpu_comes_with_its_runtime_class_and_shared_memory() -> None:
    spec = pod_of("python-gpu-pod")["spec"]
    assert spec["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert spec["runtimeClassName"] == "nvidia"
    assert {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "2Gi"}} in spec["volumes"]
    assert {"name": "shm", "mountPath": "/dev/shm"} in spec["containers"][0]["volumeMounts"]


def test_sparks_credentials_are_references() -> None:
    variables = {one["name"]: one for one in pod_of("spark-python-pod")["spec"]["containers"][0]["env"]}
    for name, key in (("AWS_ACCESS_KEY_ID", "access-key"), ("AWS_SECRET_ACCESS_KEY", "secret-key")):
        reference = {"name": "s3a-credentials", "key": key, "optional": True}
        assert variables[name] == {"name": name, "valueFrom": {"secretKeyRef": reference}}


def test_an_exam_has_neither_network_nor_shared_folders() -> None:
    pod = pod_of("exam-python-pod")
    assert pod["metadata"]["labels"]["kernelpod.io/network"] == "none"
    assert [volume["name"] for volume in pod["spec"]["volumes"]] == ["home", "connection", "connection-own"]
