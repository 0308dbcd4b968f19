"""Kernelspecs that are taken over: what stays, what goes, and what has to be said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from kernelpod.cli.main import main
from kernelpod.findings.jsonfile import read_json
from kernelpod.importers.kernelspecs.taking import Given, ImportedKernelspec, import_kernelspec, legal_name
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


def imported(data: dict[str, Any], image: str = "", **given: tuple[str, ...]) -> ImportedKernelspec:
    """Return what is made of a kernel.json that holds this."""
    text = json.dumps(data, indent=2)
    return import_kernelspec(Path("old/kernel.json"), read_json(text), Given("old", image, **given))


def fates(made: ImportedKernelspec) -> dict[str, str]:
    return {note.key: note.change for note in made.fates()}


def why(made: ImportedKernelspec, key: str) -> str:
    return next(note.why for note in made.notes if note.key == key)


def test_a_note_names_the_line_of_the_old_file() -> None:
    made = imported({**LOCAL, "argv": ["/usr/bin/python3", "-f", "{connection_file}"]}, "kernel:1")
    note = next(note for note in made.notes if note.key == "argv.0")
    lines = json.dumps({**LOCAL, "argv": ["/usr/bin/python3"]}, indent=2).splitlines()
    line = next(number for number, text in enumerate(lines, 1) if "/usr/bin/python3" in text)
    assert note.as_text().startswith(f"old/kernel.json:{line}:5: changed: argv.0: /usr/bin/python3 is python now")
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
        ("env.SPARK_OPTS", "left"),
        ("env.KERNEL_CPUS", "changed"),
        ("env.KERNEL_MEMORY_LIMIT", "changed"),
        ("interrupt_mode", "added"),
        ("metadata.process_proxy", "dropped"),
        ("metadata.process_proxy.config.image_name", "changed"),
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
    command = ("almond", "--connection-file", "{connection_file}")
    assert imported({**JEG, "language": "scala"}, command=command).kernel_json["argv"] == list(command)


def test_a_local_kernel_needs_an_image() -> None:
    with pytest.raises(ImportingError, match="--image"):
        imported(LOCAL)
    made = imported(LOCAL, "kernel:1")
    assert made.kernel_json["metadata"] == {
        "supported_encryption": ["curve"],
        "kernelpod": {"image": "kernel:1"},
    }
    assert [note.key for note in made.notes] == ["argv.0", "interrupt_mode", "kernel_protocol_version"]


COMMANDS = [
    ("/usr/bin/python3", "python", "changed", "must have that on PATH"),
    ("/opt/conda/bin/python3.11", "python", "changed", "must have that on PATH"),
    ("/usr/lib/R/bin/R", "R", "changed", "must have that on PATH"),
    (
        PY := "/opt/conda/envs/a/bin/python",
        PY,
        "kept",
        "`RUN conda create --yes --prefix /opt/conda/envs/a ipykernel`",
    ),
    (PY := "/opt/conda/envs/b/bin/python3.11", PY, "kept", "--prefix /opt/conda/envs/b python=3.11 ipykernel`"),
    (
        PY := "/srv/venv/bin/python3",
        PY,
        "kept",
        "python3 -m venv /srv/venv && /srv/venv/bin/pip install ipykernel`",
    ),
    (R := "/opt/conda/envs/r/bin/R", R, "kept", "`RUN conda create --yes --prefix /opt/conda/envs/r r-irkernel`"),
    (RUN := "/srv/kernels/run.sh", RUN, "left", "`COPY run.sh /srv/kernels/run.sh`"),
    (RUN := "/usr/local/bin/run.sh", RUN, "left", "`COPY run.sh /usr/local/bin/run.sh`"),
    ("{resource_dir}/run.sh", "/opt/kernels/old/run.sh", "left", "`COPY run.sh /opt/kernels/old/run.sh`"),
]


@pytest.mark.parametrize(("old", "new", "fate", "said"), COMMANDS)
def test_a_path_stays_or_the_image_must_hold_it(old: str, new: str, fate: str, said: str) -> None:
    made = imported({**LOCAL, "argv": [old, "{connection_file}"]}, "kernel:1")
    assert made.kernel_json["argv"] == [new, "{connection_file}"]
    assert fates(made)["argv.0"] == fate
    assert said in why(made, "argv.0")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("/usr/bin/python3", "python", "must have that on PATH"),
        ("/opt/conda/envs/a/bin/python", "/opt/conda/envs/a/bin/python", "`RUN conda create --yes"),
    ],
)
def test_a_program_that_a_script_starts_is_one_too(old: str, new: str, said: str) -> None:
    made = imported({**LOCAL, "argv": ["env", old, "{connection_file}"]}, "kernel:1")
    assert made.kernel_json["argv"] == ["env", new, "{connection_file}"]
    assert said in why(made, "argv.1")


def test_files_in_later_words_must_be_in_the_image() -> None:
    argv = ["java", "-jar", "{resource_dir}/k.jar", "--log=/srv/log.xml", "{connection_file}", "2>/dev/null"]
    made = imported({**LOCAL, "argv": argv}, "kernel:1")
    assert made.kernel_json["argv"][2:4] == ["/opt/kernels/old/k.jar", "--log=/srv/log.xml"]
    assert [fates(made)[f"argv.{number}"] for number in range(6)] == [
        "kept",
        "kept",
        "left",
        "left",
        "kept",
        "kept",
    ]
    assert "`COPY log.xml /srv/log.xml`" in why(made, "argv.3")


VARIABLES = [
    ("/opt/g/bin:$PATH", None, "left", "`ENV X=...`"),
    ("${HOME}/lib", None, "left", "nothing replaces $HOME"),
    ("a$$b", "a$b", "changed", "it is $ now"),
    ("^a(b|c)$", "^a(b|c)$", "kept", ""),
]


@pytest.mark.parametrize(("old", "new", "fate", "said"), VARIABLES)
def test_a_variable_that_jupyter_filled_in_is_left(old: str, new: str | None, fate: str, said: str) -> None:
    made = imported({**LOCAL, "env": {"X": old}}, "kernel:1")
    assert made.kernel_json.get("env", {}).get("X") == new
    assert fates(made)["env.X"] == fate
    assert said in " ".join(note.why for note in made.notes if note.key == "env.X")
    assert old not in " ".join(note.why for note in made.notes)  # it may be a secret


PROVISIONED = {
    **JEG,
    "argv": ["python", "{resource_dir}/scripts/launch.py", "--kernel-id", "{kernel_id}"],
    "metadata": {"kernel_provisioner": {"provisioner_name": "docker-provisioner", "config": PROXY["config"]}},
}


def test_a_kernel_of_gateway_provisioners() -> None:
    made = imported(PROVISIONED)
    assert made.kernel_json["argv"][:2] == ["python", "-m"]
    assert made.kernel_json["metadata"]["kernelpod"]["image"] == "elyra/kernel-py:3.2.3"
    assert "kernel_provisioner" not in made.kernel_json["metadata"]
    local = {**LOCAL, "metadata": {"kernel_provisioner": {"provisioner_name": "local-provisioner"}}}
    assert imported(local, "kernel:1").kernel_json["argv"] == LOCAL["argv"]


def test_the_image_of_the_environment_counts_as_in_a_stock_gateway() -> None:
    made = imported({**JEG, "env": {"KERNEL_IMAGE": "mine:1"}})
    assert made.kernel_json["metadata"]["kernelpod"]["image"] == "mine:1"
    assert fates(made)["metadata.process_proxy.config.image_name"] == "dropped"


@pytest.mark.parametrize("runner", ["process_proxy", "kernel_provisioner"])
@pytest.mark.parametrize("key", ["authorized_users", "unauthorized_users"])
def test_a_kernelspec_of_some_users_becomes_no_one_of_everybody(runner: str, key: str) -> None:
    config = {"image_name": "kernel:1", key: "carol,dave"}
    old = {**LOCAL, "metadata": {runner: {"config": config}}}
    made = imported(old)
    assert [question.code for question in made.questions] == ["everybody"]
    assert "--group" in made.questions[0].note.why
    assert fates(made)[f"metadata.{runner}.config.{key}"] == "dropped"
    answered = imported(old, groups=("staff",))
    assert answered.kernel_json["metadata"]["kernelpod"]["groups"] == ["staff"]
    assert answered.questions == []
    old["metadata"]["kernelpod"] = {"groups": ["staff"]}
    assert imported(old).questions == []
    assert imported({**LOCAL, "metadata": {runner: {"config": {**config, key: ""}}}}).questions == []


def test_a_repeated_key_is_counted() -> None:
    made = import_kernelspec(
        Path("k.json"), read_json('{"language": "a", "language": "b", "argv": ["x"]}'), Given("k", "i:1")
    )
    assert [(note.key, note.change) for note in made.fates()] == [
        ("language", "kept"),
        ("argv.0", "kept"),
        ("language", "dropped"),
    ]


def test_amounts_that_contradict_each_other_are_dropped() -> None:
    made = imported({**JEG, "env": {"KERNEL_MEMORY": "4Gi", "KERNEL_MEMORY_LIMIT": "2Gi"}})
    assert "resources" not in made.kernel_json["metadata"]["kernelpod"]
    assert {fates(made)["env.KERNEL_MEMORY"], fates(made)["env.KERNEL_MEMORY_LIMIT"]} == {"dropped"}


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
    assert "dropped: scripts: the new argv names no such file" in said
    assert "changed: name: " in said
    assert "21 values: 6 kept, 9 changed, 5 dropped, 1 left" in said
    made = tmp_path / "new" / "python-kubernetes"
    assert sorted(path.name for path in made.iterdir()) == ["kernel.json", "logo-64x64.png"]
    assert json.loads((made / "kernel.json").read_bytes())["language"] == "python"
    lint = CliRunner().invoke(main, ["specs", "lint", "--strict", str(tmp_path / "new")])
    assert lint.exit_code == 0, lint.output
    assert "is there already" in run(old, "--into", tmp_path / "new", status=1)


def test_nothing_is_written_when_asked(tmp_path: Path) -> None:
    old = a_kernel(tmp_path / "old" / "mine", LOCAL)
    about = json.loads(
        run(
            old / "kernel.json", "--into", tmp_path / "new", "--image", "kernel:1", "--dry-run", "--json", status=1
        )
    )
    assert [finding.split(": ")[1] for finding in about.pop("findings")] == ["error machine-path"]
    assert about["values"] == {"read": 11, "kept": 9, "changed": 0, "dropped": 2, "left": 0}
    assert (len(about["fates"]), about["questions"], about["written"]) == (11, [], False)
    assert (about["name"], about["kernel_json"]["display_name"]) == ("mine", "Mine")
    assert not (tmp_path / "new").exists()


def test_faults_that_remain_are_shown(tmp_path: Path) -> None:
    old = a_kernel(tmp_path / "old" / "mine", LOCAL)
    said = run(old, "--into", tmp_path / "new", "--image", "kernel", status=1)
    assert " image-tag: " in said


@pytest.mark.parametrize("options", [["--dry-run"], ["--dry-run", "--json"], []])
def test_a_secret_is_neither_printed_nor_in_the_new_kernelspec(tmp_path: Path, options: list[str]) -> None:
    old = a_kernel(tmp_path / "old" / "mine", {**LOCAL, "env": {"DB_PASSWORD": "hunter2", "A": "b"}})
    said = run(old, "--into", tmp_path / "new", "--image", "kernel:1", *options, status=1)
    written = "".join(path.read_text(encoding="utf-8") for path in (tmp_path / "new").rglob("*.json"))
    assert "hunter2" not in said + written
    assert "env.DB_PASSWORD" in said


def test_what_was_built_for_a_stock_gateway_comes_back(tmp_path: Path) -> None:
    build = CliRunner().invoke(main, ["specs", "build", "--stock", "--into", str(tmp_path / "stock")])
    assert build.exit_code == 0, build.output
    run(tmp_path / "stock" / "python-pod", "--into", tmp_path / "new")
    made = json.loads((tmp_path / "new" / "python-pod" / "kernel.json").read_bytes())
    assert made["argv"] == ["python", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    assert set(made["metadata"]) == {"debugger", "supported_encryption", "kernelpod"}


def test_nothing_is_written_until_the_question_is_answered(tmp_path: Path) -> None:
    config = {**PROXY["config"], "authorized_users": "carol"}
    old = a_kernel(tmp_path / "old" / "staff", {**JEG, "metadata": {"process_proxy": {**PROXY, "config": config}}})
    words = (old, "--into", tmp_path / "new")
    said = run(*words, status=3)
    assert "--accept everybody takes it" in said
    assert "nothing was written" in said
    assert not (tmp_path / "new").exists()
    run(*words, "--group", "staff")
    made = json.loads((tmp_path / "new" / "staff" / "kernel.json").read_bytes())
    assert made["metadata"]["kernelpod"]["groups"] == ["staff"]
    about = json.loads(run(*words, "--name", "all", "--accept", "everybody", "--json"))
    assert [(one["code"], one["accepted"]) for one in about["questions"]] == [("everybody", True)]
    assert (tmp_path / "new" / "all").is_dir()


def test_a_file_that_argv_names_is_left_to_the_admin(tmp_path: Path) -> None:
    old = a_kernel(tmp_path / "mine", {**LOCAL, "argv": ["{resource_dir}/run.sh", "{connection_file}"]})
    (old / "run.sh").touch()
    about = json.loads(run(old, "--image", "kernel:1", "--dry-run", "--json"))
    assert {one["key"]: one["change"] for one in about["fates"]}["run.sh"] == "left"
    assert {one["key"]: one["change"] for one in about["fates"]}["logo-64x64.png"] == "kept"


def test_a_kernelspec_that_is_given_to_the_import_of_hubs_is_sent_on(tmp_path: Path) -> None:
    old = a_kernel(tmp_path / "mine", LOCAL)
    for source in (old, old / "kernel.json"):
        words = ["import", str(source), "--to", str(tmp_path / "new")]
        done = CliRunner().invoke(main, words, catch_exceptions=False)
        assert (done.exit_code, f"`kernelpod specs import {source}`" in done.output) == (1, True), done.output


@pytest.mark.parametrize("text", ["", "[" * 10_000 + "]" * 10_000, "[]", "\xff"])
def test_what_is_no_kernelspec_is_a_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "kernel.json").write_text(text, encoding="latin-1")
    assert run(tmp_path, "--image", "kernel:1", "--dry-run", status=1).startswith("kernelpod: ")
