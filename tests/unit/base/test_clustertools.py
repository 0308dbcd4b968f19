"""Which kubectl and helm are used: by what is on PATH, and what is said when they are not there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from kernelpod.base.clustertools import ClusterTools, find_cluster_tools, find_kubectl
from kernelpod.base.missingtools import ToolsMissing
from kernelpod.base.podshell import MountedClaim, pod_shell
from kernelpod.cli.main import main

OWN = ClusterTools(("kubectl",), ("helm",), microk8s=False)
MICROK8S = ClusterTools(("microk8s", "kubectl"), ("microk8s", "helm3"), microk8s=True)
# Logs what it is asked for, and answers with the nodes of a cluster.
PROGRAM = """#!/bin/sh
echo "$@" >>{log}
echo '{nodes}'
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Return the file where the programs say what they were asked for."""
    return tmp_path / "log"


def only(folder: Path, monkeypatch: pytest.MonkeyPatch, *programs: str) -> None:
    """Have these programs on PATH, and no other."""
    (folder / "bin").mkdir()
    nodes = json.dumps({"items": [{"status": {"images": [{"names": ["docker.io/library/kernel:1"]}]}}]})
    for name in programs:
        file = folder / "bin" / name
        file.write_text(PROGRAM.format(log=folder / "log", nodes=nodes), encoding="utf-8")
        file.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder / "bin"))


@pytest.mark.parametrize(
    ("there", "tools", "found"),
    [
        (("kubectl", "helm"), "auto", OWN),
        (("kubectl", "helm", "microk8s"), "auto", OWN),
        (("microk8s",), "auto", MICROK8S),
        (("microk8s", "helm"), "auto", MICROK8S),
        (("kubectl", "helm", "microk8s"), "microk8s", MICROK8S),
        (("kubectl", "helm", "microk8s"), "kubectl", OWN),
    ],
)
def test_the_tools_are_those_that_are_there(
    there: tuple[str, ...], tools: str, found: ClusterTools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only(tmp_path, monkeypatch, *there)
    assert find_cluster_tools(tools=tools) == found  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("there", "tools", "missing"),
    [
        ((), "auto", "kubectl, helm are not on PATH"),
        (("kubectl",), "auto", "helm is not on PATH"),
        (("kubectl", "microk8s"), "auto", "helm is not on PATH"),
        (("microk8s",), "kubectl", "kubectl, helm are not on PATH"),
        (("kubectl", "helm"), "microk8s", "microk8s is not on PATH"),
    ],
)
def test_all_that_is_missing_is_named(
    there: tuple[str, ...], tools: str, missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only(tmp_path, monkeypatch, *there)
    with pytest.raises(ToolsMissing, match=missing):
        find_cluster_tools(tools=tools)  # type: ignore[arg-type]


def test_the_context_is_told_to_each_tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    only(tmp_path, monkeypatch, "kubectl", "helm", "microk8s")
    own, microk8s = find_cluster_tools("there"), find_cluster_tools("there", "microk8s")
    assert (own.kubectl, own.helm) == (("kubectl", "--context", "there"), ("helm", "--kube-context", "there"))
    assert microk8s.kubectl == ("microk8s", "kubectl", "--context", "there")


def test_kubectl_alone_needs_no_helm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    only(tmp_path, monkeypatch, "kubectl")
    assert find_kubectl("there") == ("kubectl", "--context", "there")


def test_without_kubectl_its_page_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    only(tmp_path, monkeypatch)
    with pytest.raises(ToolsMissing, match=r"^kubectl is not on PATH\. .*kubectl"):
        find_kubectl()


def test_nodes_are_asked_for_images_by_microk8s(
    tmp_path: Path, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only(tmp_path, monkeypatch, "microk8s")
    folder = tmp_path / "source" / "python-pod"
    folder.mkdir(parents=True)
    spec = {"argv": ["x", "{connection_file}"], "display_name": "P", "language": "python"}
    about = {"metadata": {"kernelpod": {"image": "kernel:1"}}}
    (folder / "kernel.json").write_text(json.dumps({**spec, **about}), encoding="utf-8")
    done = CliRunner().invoke(main, ["specs", "check-images", "--nodes", str(folder.parent)])
    assert done.exit_code == 0, done.output
    assert "on 1 of 1 nodes" in done.output
    assert log.read_text().startswith("kubectl get nodes -o json")


def test_a_claim_is_mounted_by_microk8s(tmp_path: Path, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    only(tmp_path, monkeypatch, "microk8s")
    with pod_shell(MountedClaim("specs", "gateway")):
        pass
    asked = log.read_text().splitlines()
    assert all(line.startswith("kubectl --namespace gateway ") for line in asked)
    assert [line.split()[3] for line in asked] == ["delete", "delete", "create", "wait", "delete"]
