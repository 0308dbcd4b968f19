"""Kernelspecs that are taken over: what stays, what goes, and what has to be said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from kernelpod.cli.main import main
from kernelpod.findings.jsonfile import read_json
from kernelpod.importers.kernelspecs import ImportedKernelspec, import_kernelspec, legal_name
from kernelpod.importers.report import ImportingError

LAUNCHED = [
    "python",
    "/usr/local/share/jupyter/kernels/x/scripts/launch_kubernetes.py",
    "--RemoteProcessProxy.kernel-id",
]
PROXY = {
    "class_name": "enterprise_gateway.services.processproxies.k8s.KubernetesProcessProxy",
    "config": {"image_name": "elyra/kernel-py:3.2.3", "executor_image_name": "elyra/other:1"},
}
JEG: dict[str, Any] = {
    "language": "python",
    "display_name": "Python on Kubernetes",
    "metadata": {"process_proxy": PROXY, "debugger": True, "supported_encryption": ["curve"]},
    "env": {
        "LAUNCH_OPTS": "",
        "KERNEL_VOLUMES": "[]",
        "SPARK_OPTS": "--name ${KERNEL_ID}",
        "HTTP2_DISABLE": "true",
        "KERNEL_CPUS": "0.5",
        "KERNEL_MEMORY_LIMIT": "2Gi",
    },
    "argv": [*LAUNCHED, "{kernel_id}", "--RemoteProcessProxy.response-address", "{response_address}"],
}
LOCAL: dict[str, Any] = {
    "argv": ["/home/me/venv/bin/python3.11", "-m", "ipykernel_launcher", "-f", "{connection_file}"],
    "display_name": "Mine",
    "language": "python",
    "kernel_protocol_version": "5.5",
    "metadata": {"supported_encryption": ["curve"]},
}


def imported(data: dict[str, Any], image: str = "", command: list[str] | None = None) -> ImportedKernelspec:
    """Return what is made of a kernel.json that holds this."""
    text = json.dumps(data, indent=2)
    return import_kernelspec(Path("old/kernel.json"), read_json(text), image, command)


def test_a_note_names_the_line_of_the_old_file() -> None:
    made = imported({**LOCAL, "argv": ["/opt/python3", "-f", "{connection_file}"]}, "kernel:1")
    note = next(note for note in made.notes if note.key == "argv[0]")
    lines = json.dumps({**LOCAL, "argv": ["/opt/python3"]}, indent=2).splitlines()
    line = next(number for number, text in enumerate(lines, 1) if "/opt/python3" in text)
    assert note.as_text().startswith(f"old/kernel.json:{line}:5: changed: argv[0]: /opt/python3 is a path")
    assert note.as_dict()["line"] == line


def test_a_python_kernel_of_a_stock_gateway() -> None:
    made = imported(JEG)
    assert made.kernel_json == {
        "display_name": "Python on Kubernetes",
        "language": "python",
        "argv": ["python", "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "env": {"HTTP2_DISABLE": "true"},
        "interrupt_mode": "message",
        "metadata": {
            "debugger": True,
            "supported_encryption": ["curve"],
            "kernelpod": {
                "image": "elyra/kernel-py:3.2.3",
                "resources": {"requests": {"cpu": "0.5"}, "limits": {"memory": "2Gi"}},
            },
        },
    }
    assert {(note.key, note.change) for note in made.notes} == {
        ("argv", "changed"),
        ("env.LAUNCH_OPTS", "dropped"),
        ("env.KERNEL_VOLUMES", "dropped"),
        ("env.SPARK_OPTS", "dropped"),
        ("env.KERNEL_CPUS, env.KERNEL_MEMORY_LIMIT", "changed"),
        ("interrupt_mode", "added"),
        ("metadata.process_proxy", "dropped"),
        ("metadata.process_proxy.config.executor_image_name", "dropped"),
    }
    assert all(note.why for note in made.notes)


def test_an_r_kernel_of_a_stock_gateway() -> None:
    made = imported({**JEG, "language": "R", "env": {}})
    assert made.kernel_json["argv"] == ["R", "--slave", "-e", "IRkernel::main()", "--args", "{connection_file}"]
    assert "interrupt_mode" not in made.kernel_json


def test_a_language_that_nobody_knows_needs_its_command() -> None:
    with pytest.raises(ImportingError, match=r"the scala command that it runs is unknown; set .* with --command"):
        imported({**JEG, "language": "scala"})
    command = ["almond", "--connection-file", "{connection_file}"]
    assert imported({**JEG, "language": "scala"}, command=command).kernel_json["argv"] == command


def test_a_local_kernel_needs_an_image_and_loses_its_path() -> None:
    with pytest.raises(ImportingError, match="--image"):
        imported(LOCAL)
    made = imported(LOCAL, "kernel:1")
    assert made.kernel_json["argv"][0] == "python"
    assert made.kernel_json["metadata"] == {
        "supported_encryption": ["curve"],
        "kernelpod": {"image": "kernel:1"},
    }
    assert [note.key for note in made.notes] == ["argv[0]", "interrupt_mode", "kernel_protocol_version"]


def test_amounts_that_contradict_each_other_are_dropped() -> None:
    made = imported({**JEG, "env": {"KERNEL_MEMORY": "4Gi", "KERNEL_MEMORY_LIMIT": "2Gi"}})
    assert "resources" not in made.kernel_json["metadata"]["kernelpod"]
    assert ("env.KERNEL_MEMORY, env.KERNEL_MEMORY_LIMIT", "dropped") in {(n.key, n.change) for n in made.notes}


@pytest.mark.parametrize("data", [{}, {"argv": 3}, {"argv": []}, {"argv": [1]}, {"argv": {}, "metadata": 3}])
def test_what_says_nothing_is_refused(data: dict[str, Any]) -> None:
    with pytest.raises(ImportingError, match="--command"):
        imported(data, "kernel:1")


@pytest.mark.parametrize(
    "changes",
    [
        {"metadata": 3},
        {"env": []},
        {"metadata": {"process_proxy": 3}},
        {"metadata": {"kernelpod": []}},
        {"language": 3},
    ],
)
def test_odd_values_break_nothing(changes: dict[str, Any]) -> None:
    assert imported({**LOCAL, **changes}, "kernel:1").kernel_json["metadata"]["kernelpod"]["image"] == "kernel:1"


@pytest.mark.parametrize(
    ("name", "made"),
    [("python_kubernetes", "python-kubernetes"), ("ir", "ir"), ("Python3", "python-pod"), ("x" * 50, "x" * 40)],
)
def test_names(name: str, made: str) -> None:
    assert legal_name(name)[0] == made
    assert bool(legal_name(name)[1]) == (name != made)


def test_a_name_that_cannot_be_made_legal() -> None:
    with pytest.raises(ImportingError, match="--name"):
        legal_name("3D")


def run(*words: object, status: int = 0) -> str:
    """Return what `kernelpod specs import ...` printed."""
    done = CliRunner().invoke(main, ["specs", "import", *map(str, words)], catch_exceptions=False)
    assert done.exit_code == status, done.output
    return done.output


def a_kernel(folder: Path, data: dict[str, Any]) -> Path:
    """Write a kernelspec of the layout of system 004: kernel.json, scripts, a logo."""
    (folder / "scripts").mkdir(parents=True)
    (folder / "scripts" / "launch_kubernetes.py").touch()
    (folder / "logo-64x64.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(8) + (64).to_bytes(4, "big") * 2)
    (folder / "kernel.json").write_text(json.dumps(data), encoding="utf-8")
    return folder


def test_the_command_writes_what_lint_finds_no_fault_in(tmp_path: Path) -> None:
    old = a_kernel(tmp_path / "old" / "python_kubernetes", JEG)
    said = run(old, "--into", tmp_path / "new")
    assert "dropped: scripts: the gateway makes the pod by itself" in said
    assert "changed: name: " in said
    made = tmp_path / "new" / "python-kubernetes"
    assert sorted(path.name for path in made.iterdir()) == ["kernel.json", "logo-64x64.png"]
    assert json.loads((made / "kernel.json").read_bytes())["language"] == "python"
    lint = CliRunner().invoke(main, ["specs", "lint", "--strict", str(tmp_path / "new")])
    assert lint.exit_code == 0, lint.output
    assert "is there already" in run(old, "--into", tmp_path / "new", status=1)


def test_nothing_is_written_when_asked(tmp_path: Path) -> None:
    old = a_kernel(tmp_path / "old" / "mine", LOCAL)
    about = json.loads(
        run(old / "kernel.json", "--into", tmp_path / "new", "--image", "kernel:1", "--dry-run", "--json")
    )
    assert (about["name"], about["kernel_json"]["display_name"], about["findings"]) == ("mine", "Mine", [])
    assert not (tmp_path / "new").exists()


def test_faults_that_remain_are_shown(tmp_path: Path) -> None:
    old = a_kernel(tmp_path / "old" / "mine", {**LOCAL, "env": {"DB_PASSWORD": "hunter2"}})
    said = run(old, "--into", tmp_path / "new", "--image", "kernel", status=1)
    assert " secret: " in said
    assert " image-tag: " in said
    assert "hunter2" not in said


def test_what_was_built_for_a_stock_gateway_comes_back(tmp_path: Path) -> None:
    build = CliRunner().invoke(main, ["specs", "build", "--stock", "--into", str(tmp_path / "stock")])
    assert build.exit_code == 0, build.output
    run(tmp_path / "stock" / "python-pod", "--into", tmp_path / "new")
    made = json.loads((tmp_path / "new" / "python-pod" / "kernel.json").read_bytes())
    assert made["argv"] == ["python", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    assert set(made["metadata"]) == {"debugger", "supported_encryption", "kernelpod"}


@pytest.mark.parametrize("text", ["", "[" * 10_000 + "]" * 10_000, "[]", "\xff"])
def test_what_is_no_kernelspec_is_a_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "kernel.json").write_text(text, encoding="latin-1")
    assert run(tmp_path, "--image", "kernel:1", "--dry-run", status=1).startswith("kernelpod: ")
