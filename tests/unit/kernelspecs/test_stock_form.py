"""Kernelspecs for a stock gateway: built whole, checked as what they were, and published."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from kernelpod.base import shipped
from kernelpod.cli.main import main
from kernelpod.kernelspecs.linting.lint import lint
from kernelpod.kernelspecs.model import SPEC_NAME
from kernelpod.kernelspecs.stock.build import StockError, build
from kernelpod.kernelspecs.stock.form import SCRIPTS, SETTINGS, read_any
from kernelpod.settings.kernels import Kernelspecs
from kernelpod.settings.sections import Settings

SPEC: dict[str, Any] = {
    "display_name": "Python",
    "language": "python",
    "argv": ["python", "-f", "{connection_file}"],
    "env": {"LANG": "C.UTF-8"},
    "interrupt_mode": "message",
    "metadata": {
        "debugger": True,
        "kernelpod": {
            "image": "kernel:1",
            "groups": ["g"],
            "resources": {"limits": {"cpu": 2, "memory": "2Gi"}, "bounds": {"cpu": 4, "memory": "4Gi"}},
            "profiles": {"large": {"display_name": "Large", "image": "kernel:2", "network": "open"}},
        },
    },
}
NFS = {"root": "/srv/homes", "volume": {"kind": "nfs", "server": "nfs.example.org"}}
SETTINGS_DATA = {
    "hubs": [{"api_url": "http://hub:8081/hub/api"}],
    "homes": NFS,
    "runtime": {"kind": "kubernetes", "kubernetes": {"namespace": "kernels-1"}},
}


def a_source(folder: Path, name: str = "a-pod", **changes: Any) -> Path:
    """Write a kernelspec and return the folder above it."""
    (folder / name).mkdir(parents=True)
    (folder / name / "kernel.json").write_text(json.dumps({**SPEC, **changes}), encoding="utf-8")
    (folder / name / "logo-svg.svg").write_text("<svg/>", encoding="utf-8")
    return folder


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return a folder with one kernelspec and a profile."""
    return a_source(tmp_path / "source")


@pytest.fixture
def settings() -> Settings:
    """Return the settings of a site."""
    return Settings.model_validate(SETTINGS_DATA)


def run(*words: object, status: int = 0) -> str:
    """Return what `kernelpod specs ...` printed."""
    done = CliRunner().invoke(main, ["specs", *map(str, words)], catch_exceptions=False)
    assert done.exit_code == status, done.output
    return done.output


@pytest.fixture
def built(source: Path, tmp_path: Path) -> Path:
    """Return what the command wrote."""
    (tmp_path / "settings.yaml").write_text(json.dumps(SETTINGS_DATA), encoding="utf-8")
    run(
        "build",
        "--stock",
        "--source",
        source,
        "--into",
        tmp_path / "stock",
        "--settings",
        tmp_path / "settings.yaml",
    )
    return tmp_path / "stock"


def test_each_folder_is_complete_and_says_where_kernels_run(built: Path) -> None:
    assert sorted(path.name for path in built.iterdir()) == ["a-pod", "a-pod-large"]
    for folder in built.iterdir():
        there = {path.name for path in (folder / "scripts").iterdir()}
        assert there == {*SCRIPTS, SETTINGS}
        for name in SCRIPTS:
            assert not (folder / "scripts" / name).is_symlink()
        assert (folder / "logo-svg.svg").is_file()
    spec = json.loads((built / "a-pod-large" / "kernel.json").read_bytes())
    assert spec["display_name"] == "Large"
    assert spec["argv"][1] == "{resource_dir}/scripts/launch_kubernetes.py"
    assert spec["env"] == {"KERNEL_NAMESPACE": "kernels-1"}
    assert spec["metadata"]["debugger"] is True
    assert spec["metadata"]["process_proxy"]["config"] == {"image_name": "kernel:2"}
    assert spec["metadata"]["kernelpod"] == {
        "argv": SPEC["argv"],
        "env": SPEC["env"],
        "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"cpu": "2", "memory": "2Gi"}},
    }
    site = json.loads((built / "a-pod" / "scripts" / SETTINGS).read_bytes())
    assert site["homes"] == {"root": "/srv/homes", "mount_path": "/home/jovyan", "volume": NFS["volume"]}
    assert site["grace_period_seconds"] == 10


def test_the_launcher_makes_a_pod_of_what_lies_beside_it(built: Path) -> None:
    folder = built / "a-pod"
    names = ("launch_kubernetes", "claim")
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.syspath_prepend(str(folder / "scripts"))
            launch: Any = importlib.import_module("launch_kubernetes")
            start = launch.Start(folder, "8bb1d4c1-6a3f-4a24-a8a1-0d6a1b3ad4cf", "10.0.0.1:8877", "key")
            claim = launch.SignedIdentity("alice", "", "/srv/homes/alice", 1000, 100, 2**31)
            spec, site = launch.read_json(folder / "kernel.json"), launch.read_json(launch.HERE / SETTINGS)
            pod = launch.kernel_pod(start, spec, site, claim, {})
    finally:
        for name in names:
            sys.modules.pop(name, None)
    [container] = pod["spec"]["containers"]
    assert (pod["metadata"]["namespace"], container["image"]) == ("kernels-1", "kernel:1")
    assert container["resources"]["limits"] == {"cpu": "2", "memory": "2Gi"}
    assert {"name": "LANG", "value": "C.UTF-8"} in container["env"]
    assert pod["spec"]["volumes"] == [
        {"name": "home", "nfs": {"server": "nfs.example.org", "path": "/srv/homes/alice"}}
    ]


def test_what_a_stock_gateway_cannot_keep_is_named(source: Path, settings: Settings, tmp_path: Path) -> None:
    dropped = {(one.spec, one.key) for one in build(source, settings).dropped}
    assert dropped == {("a-pod", "groups"), ("a-pod", "resources.bounds"), ("a-pod.large", "network")}
    said = run("build", "--stock", "--source", source, "--into", tmp_path / "x")
    assert "a-pod: groups is dropped: a stock gateway shows every kernelspec to everybody" in said
    assert "a-pod, a-pod-large; add them to the chart's kernel.allowedKernels" in said


def test_folders_of_profiles_have_legal_names_of_their_own(tmp_path: Path, settings: Settings) -> None:
    a_source(tmp_path)
    a_source(tmp_path, "a-pod-large", display_name="B")
    profiles = {"a-profile-of-a-name": {"display_name": "Long"}}
    stanza = {"kernelpod": {"image": "kernel:1", "profiles": profiles}}
    a_source(tmp_path, "a-very-long-name-of-a-kernelspec-pod", metadata=stanza)
    names = build(tmp_path, settings).tree.specs
    assert len(names) == 6
    assert all(SPEC_NAME.match(name) for name in names)
    assert names == build(tmp_path, settings).tree.specs


def test_the_shipped_kernelspecs_can_be_built_and_have_no_error(tmp_path: Path) -> None:
    run("build", "--stock", "--into", tmp_path / "stock")
    assert len(list((tmp_path / "stock").iterdir())) >= len(list(shipped.kernelspecs().glob("*/kernel.json")))
    assert [finding.as_text() for finding in lint(tmp_path / "stock", Kernelspecs())] == []


def test_what_is_built_is_published_listed_and_gone_back_from(built: Path, tmp_path: Path) -> None:
    run("sync", "--source", built, "--target", tmp_path / "nfs", "--images", "skip")
    assert run("diff", "--source", built, "--target", tmp_path / "nfs") == ""
    assert "a-pod-large  Large" in run("list", "--target", tmp_path / "nfs")
    assert run("images", built) == "kernel:1\nkernel:2\n"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda spec: spec["metadata"]["process_proxy"]["config"].pop("image_name"), "missing-key"),
        (lambda spec: spec["metadata"]["process_proxy"].update(config=3), "missing-key"),
        (lambda spec: spec["metadata"]["process_proxy"]["config"].update(image_name="kernel"), "image-tag"),
        (lambda spec: spec["metadata"]["kernelpod"].pop("argv"), "value"),
        (lambda spec: spec["metadata"]["kernelpod"].update(argv=["python"]), "connection-file"),
        (
            lambda spec: spec["metadata"]["kernelpod"].update(argv=["/home/me/x", "{connection_file}"]),
            "machine-path",
        ),
        (lambda spec: spec["metadata"]["kernelpod"].update(env={"DB_PASSWORD": "hunter2"}), "secret"),
        (lambda spec: spec["env"].update(DB_PASSWORD="hunter2"), "secret"),
        (lambda spec: spec["env"].update(KERNEL_VOLUMES="[]"), "kernel-variable"),
        (lambda spec: spec["env"].pop("KERNEL_NAMESPACE"), "missing-key"),
        (lambda spec: spec.update(env=3), "missing-key"),
        (lambda spec: spec["metadata"].update(kernelpod=3), "value"),
    ],
)
def test_the_stock_form_is_looked_at_as_closely(built: Path, change: Any, code: str) -> None:
    file = built / "a-pod" / "kernel.json"
    spec = json.loads(file.read_bytes())
    change(spec)
    file.write_text(json.dumps(spec), encoding="utf-8")
    assert code in {finding.code for finding in lint(built, Kernelspecs())}


def test_faults_of_the_stock_form_are_where_they_are(built: Path) -> None:
    file = built / "a-pod" / "kernel.json"
    file.write_text(file.read_text(encoding="utf-8").replace("kernel:1", "kernel:latest"), encoding="utf-8")
    [finding] = lint(built, Kernelspecs())
    line = file.read_text(encoding="utf-8").splitlines()[finding.place.line - 1]
    assert (finding.code, "kernel:latest" in line) == ("image-tag", True)


def test_a_missing_or_changed_script_is_named(built: Path) -> None:
    (built / "a-pod" / "scripts" / "signed_identity.py").unlink()
    (built / "a-pod" / "scripts" / "launch_kubernetes.py").write_text("", encoding="utf-8")
    assert [(finding.code, str(finding.file)) for finding in lint(built, Kernelspecs())] == [
        ("launcher-drift", "a-pod/scripts/launch_kubernetes.py"),
        ("launcher-missing", "a-pod/scripts/signed_identity.py"),
    ]


def test_what_was_built_is_replaced_and_nothing_else(built: Path, source: Path, tmp_path: Path) -> None:
    (source / "a-pod").rename(source / "b-pod")
    run("build", "--stock", "--source", source, "--into", built)
    assert sorted(path.name for path in built.iterdir()) == ["b-pod", "b-pod-large"]
    assert "holds b-pod, which an earlier build did not write" in run(
        "build", "--stock", "--source", source, "--into", source, status=1
    )
    assert (source / "b-pod" / "logo-svg.svg").is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["settings.yaml", "source", "stock"]


def test_what_cannot_be_used_is_not_built(tmp_path: Path, settings: Settings) -> None:
    a_source(tmp_path, argv=[])
    with pytest.raises(StockError, match="a-pod: "):
        build(tmp_path, settings)


def test_a_stock_kernelspec_that_cannot_be_used_is_said_in_a_sentence(built: Path) -> None:
    (built / "a-pod" / "kernel.json").write_text(
        (built / "a-pod" / "kernel.json").read_text(encoding="utf-8").replace('"2Gi"', '"lots"'), encoding="utf-8"
    )
    with pytest.raises(ValueError, match=r"^kernel.json: .*limits.memory: this is not an amount of memory"):
        read_any(built / "a-pod")
