"""Lint: every planted finding is found at its place, and nothing else."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from kernelpod.base import shipped
from kernelpod.cli.main import main
from kernelpod.findings.finding import Finding
from kernelpod.findings.jsonfile import BadJson, read_json
from kernelpod.kernelspecs.linting.kinds import KINDS
from kernelpod.kernelspecs.linting.lint import lint
from kernelpod.settings.culling import Culling
from kernelpod.settings.kernels import Kernelspecs

BAD = Path(__file__).parents[2] / "specs" / "bad"
# By kernelspec: code, line and column of each finding.
PLANTED: dict[str, list[tuple[str, int, int]]] = {
    "bad-json": [("bad-json", 4, 3)],
    "bom": [("bom", 1, 1)],
    "crlf": [("line-endings", 1, 1)],
    "empty-file": [("bad-json", 1, 1)],
    "host-path": [("host-path", 19, 11), ("privileged", 25, 9)],
    "interrupt": [("interrupt-mode", 11, 3)],
    "interrupt-lost": [("interrupt-lost", 12, 3)],
    "language": [("language", 3, 3)],
    "latest": [("image-tag", 14, 7), ("image-tag", 18, 11)],
    "latin1": [("encoding", 1, 1)],
    "launcher": [("launcher-drift", 1, 1)],
    "logo-size": [("logo-size", 1, 1)],
    "machine-path": [("machine-path", 5, 5)],
    "no-argv": [("missing-key", 1, 1)],
    "no-connection-file": [("connection-file", 4, 3)],
    "no-logo": [("logo-missing", 1, 1)],
    "no-tag": [("image-tag", 14, 7)],
    "not-encrypted": [("not-encrypted", 12, 3)],
    "over-bounds": [("over-bounds", 15, 7)],
    "process-proxy": [("process-proxy", 13, 5)],
    "python": [("name", 1, 1)],
    "resource-dir": [("substitution", 6, 5)],
    "same-name": [("same-name", 2, 3)],
    "secret": [("secret", 18, 5), ("secret", 19, 5)],
    "twice": [("duplicate-key", 4, 3)],
    "unknown-key": [("unknown-key", 14, 7)],
    "volumes": [("kernel-variable", 18, 5)],
}


def findings_of(folder: Path, name: str, **settings: Any) -> list[Finding]:
    """Return the findings of one kernelspec in a folder."""
    found = lint(folder, Kernelspecs(**settings))
    return [finding for finding in found if finding.file.parts[0] == name]


@pytest.fixture(scope="module")
def bad() -> list[Finding]:
    """Return the findings of all planted kernelspecs."""
    return lint(BAD, Kernelspecs())


@pytest.mark.parametrize("name", sorted(path.name for path in BAD.iterdir()))
def test_the_planted_faults_are_found_and_no_others(name: str, bad: list[Finding]) -> None:
    found = [(finding.code, *finding.place) for finding in bad if finding.file.parts[0] == name]
    assert found == PLANTED[name]


def test_the_shipped_kernelspecs_have_no_fault() -> None:
    assert [finding.as_text() for finding in lint(shipped.kernelspecs(), Kernelspecs())] == []


def a_spec(folder: Path, name: str = "a-pod", **changes: Any) -> Path:
    """Write a good kernelspec and return its kernel.json."""
    whole = {
        "display_name": name,
        "language": "python",
        "argv": ["python", "-f", "{connection_file}"],
        "interrupt_mode": "message",
        "metadata": {"supported_encryption": ["curve"], "kernelpod": {"image": "kernel:1"}},
        **changes,
    }
    file = folder / name / "kernel.json"
    file.parent.mkdir()
    file.write_text(json.dumps(whole), encoding="utf-8")
    (folder / name / "logo-svg.svg").write_text("<svg/>", encoding="utf-8")
    for path in (folder / name).iterdir():
        path.chmod(0o644)
    return file


@pytest.mark.parametrize(
    ("harm", "code"),
    [
        (lambda file: file.chmod(0o600), "file-mode"),
        (lambda file: file.chmod(0o666), "writable"),
        (lambda file: file.parent.chmod(0o700), "file-mode"),
        (lambda file: (file.parent / "link").symlink_to("/etc/passwd"), "symlink"),
        (lambda file: (file.parent / "loop").symlink_to("."), "symlink"),
        (lambda file: os.mkfifo(file.parent / "pipe", 0o644), "special-file"),
        (lambda file: (file.parent / "logo-64x64.png").write_bytes(b"\0" * (5 * 2**20)), "large-file"),
        (lambda file: (file.parent / "a\nb").touch(0o644), "file-name"),
        (lambda file: file.unlink(), "unreadable"),
        (lambda file: file.write_text("[" * 10_000 + "]" * 10_000), "bad-json"),
        (lambda file: file.write_text("[]"), "value"),
        (lambda file: file.write_text('"text"'), "value"),
        (lambda file: file.write_text("{}"), "missing-key"),
        (lambda file: file.write_text('{"metadata": 3}'), "value"),
    ],
)
def test_what_is_wrong_with_a_file_is_named(tmp_path: Path, harm: Any, code: str) -> None:
    harm(a_spec(tmp_path))
    assert code in {finding.code for finding in lint(tmp_path, Kernelspecs())}


def test_spaces_and_umlauts_are_fine(tmp_path: Path) -> None:
    (a_spec(tmp_path).parent / "größe 1.txt").touch(0o644)
    assert lint(tmp_path, Kernelspecs()) == []


@pytest.mark.parametrize(
    ("image", "ok"),
    [("registry.example/kernels/r:1", True), ("registry.example/r:1", False), ("docker.io/r:1", False)],
)
def test_images_have_to_be_among_the_allowed(tmp_path: Path, image: str, ok: bool) -> None:
    a_spec(tmp_path, metadata={"kernelpod": {"image": image}})
    findings = findings_of(tmp_path, "a-pod", allowed_images=["registry.example/kernels/*"])
    assert [finding.code for finding in findings] == ([] if ok else ["image-not-allowed"])


@pytest.mark.parametrize(
    ("name", "value", "secret"),
    [
        ("LANG", "C.UTF-8", False),
        ("TOKENIZERS_PARALLELISM", "false", False),
        ("DB_PASSWORD", "", False),
        ("GITHUB_PAT", "made-up", True),
        ("DB_PASSWORD_FILE", "/run/secrets/db", False),
        ("DB_URL", "postgres://app:hunter2@db/x", True),
        ("SPARK_OPTS", "--conf spark.executor.memoryOverheadFactor=0.1", False),
        ("X", "AKIAIOSFODNN7EXAMPLE", True),
        ("X", "0123456789abcdef0123456789abcdef", False),
        ("PYTHONPATH", "/opt/lib:/opt/Some1Long2Path3With4Mixed5Case6Names7", False),
    ],
)
def test_what_looks_like_a_secret(tmp_path: Path, name: str, value: str, secret: bool) -> None:
    a_spec(tmp_path, env={name: value})
    assert [finding.code for finding in lint(tmp_path, Kernelspecs())] == (["secret"] if secret else [])


NOT_REPLACED = [
    ("PATH", "/opt/g/bin:$PATH", "$PATH"),
    ("LIB", "${CONDA_PREFIX}/lib", "$CONDA_PREFIX"),
    ("SPARK_OPTS", "--name ${kernel_id} $$$X1", "$kernel_id"),
    ("A", "$$PATH", ""),
    ("A", r"\$PATH", ""),
    ("A", "^(a|b)$", ""),
    ("A", "^a$|^b$", ""),
    ("A", "$1 ${} $ $(PATH) $Path $x", ""),
    ("A", "$6$SALT$HASH", ""),
    ("PS1", "$PWD> ", ""),
    ("PROMPT_COMMAND", "echo $PWD", ""),
]


@pytest.mark.parametrize(("name", "value", "found"), NOT_REPLACED)
def test_a_variable_that_nothing_replaces(tmp_path: Path, name: str, value: str, found: str) -> None:
    a_spec(tmp_path, env={name: value})
    said = [(finding.code, finding.level, finding.text.split()[-1]) for finding in lint(tmp_path, Kernelspecs())]
    assert said == ([("not-replaced", "warning", found)] if found else [])


def test_a_provisioner_is_of_another_gateway(tmp_path: Path) -> None:
    a_spec(tmp_path, metadata={"kernelpod": {"image": "a:1"}, "kernel_provisioner": {}})
    assert [finding.code for finding in lint(tmp_path, Kernelspecs())] == ["process-proxy"]


@pytest.mark.parametrize(
    ("text", "path", "place"),
    [
        ('{"a": {"b": [1, 2]}}', ("a", "b", 1), (1, 17)),
        ('{\n\t"a":\t1}', ("a",), (2, 2)),
        ('{"\\ud83d\\ude00": 1}', ("😀",), (1, 2)),
        ('{"a": 1}', ("b", "c"), (1, 1)),
    ],
)
def test_places(text: str, path: tuple[str | int, ...], place: tuple[int, int]) -> None:
    assert read_json(text).place(path) == place


def test_text_that_is_not_json_has_a_place() -> None:
    with pytest.raises(BadJson, match="Expecting") as caught:
        read_json('{"a": 1,\n "b": }')
    assert caught.value.place == (2, 7)


def run(*words: str) -> Any:
    """Return what `kernelpod specs lint` said."""
    return CliRunner().invoke(main, ["specs", "lint", *words], catch_exceptions=False)


def test_the_command_names_every_planted_fault_and_fails() -> None:
    done = run(str(BAD))
    assert done.exit_code == 1
    for name, findings in PLANTED.items():
        for code, line, column in findings:
            assert any(
                said.startswith(f"{BAD / name}") and f":{line}:{column}: " in said and f" {code}: " in said
                for said in done.output.splitlines()
            ), (name, code)


def test_warnings_fail_only_when_asked(tmp_path: Path) -> None:
    a_spec(tmp_path, interrupt_mode="signal")
    assert run(str(tmp_path)).exit_code == 0
    assert run(str(tmp_path), "--strict").exit_code == 1


def test_forms_for_scripts_and_code_hosts(tmp_path: Path) -> None:
    a_spec(tmp_path, language="pyhton", metadata={"kernelpod": {"image": "kernel"}})
    (first, second) = json.loads(run(str(tmp_path), "--format", "json").output)
    assert (first["code"], second["code"], second["level"]) == ("language", "image-tag", "error")
    github = run(str(tmp_path), "--format", "github").output.splitlines()
    assert github[1].startswith(f"::error file={tmp_path}/a-pod/kernel.json,line=1,col=")
    sarif = json.loads(run(str(tmp_path), "--format", "sarif").output)
    (made,) = sarif["runs"]
    assert [result["ruleId"] for result in made["results"]] == ["language", "image-tag"]
    assert {rule["id"] for rule in made["tool"]["driver"]["rules"]} == {"language", "image-tag"}


@pytest.mark.parametrize(
    ("resources", "found"),
    [
        ({"limits": {"cpu": 4, "memory": "1Gi"}}, []),
        ({"limits": {"cpu": 1, "memory": "2Gi"}}, ["over-house-bounds"]),
        ({"limits": {"cpu": 1}, "bounds": {"cpu": 5}}, ["over-house-bounds"]),
        ({"gpus": {"count": 1}}, ["over-house-bounds"]),
        ({"gpus": {"count": 1}, "limits": {"cpu": 9, "memory": "9Gi"}}, ["over-house-bounds"] * 3),
    ],
)
def test_resources_have_to_be_within_the_houses_bounds(
    tmp_path: Path, resources: dict[str, Any], found: list[str]
) -> None:
    a_spec(tmp_path, metadata={"kernelpod": {"image": "registry.example/kernel:1", "resources": resources}})
    bounds = {"cpu": 4, "memory": "1Gi", "gpus": 0}
    assert [finding.code for finding in findings_of(tmp_path, "a-pod", bounds=bounds)] == found


IPYTHON = ["python", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
IR = ["R", "--slave", "-e", "IRkernel::main()", "--args", "{connection_file}"]


@pytest.mark.parametrize(
    ("argv", "mode", "found"),
    [
        (IPYTHON, "message", []),
        (IPYTHON, "signal", ["interrupt-mode"]),
        (IR, "message", ["interrupt-lost"]),
        (IR, "signal", []),
        (["other", "{connection_file}"], "message", []),
        (["other", "{connection_file}"], "signal", ["interrupt-mode"]),
    ],
)
def test_the_interrupt_mode_has_to_fit_the_kernel(
    tmp_path: Path, argv: list[str], mode: str, found: list[str]
) -> None:
    a_spec(tmp_path, argv=argv, interrupt_mode=mode)
    assert [finding.code for finding in findings_of(tmp_path, "a-pod")] == found


def test_a_service_account_has_to_be_among_those_of_the_settings(tmp_path: Path) -> None:
    profiles = {"b": {"display_name": "B", "service_account": "admin"}, "c": {"display_name": "C"}}
    stanza = {"image": "registry.example/kernel:1", "service_account": "spark-ml", "profiles": profiles}
    a_spec(tmp_path, metadata={"kernelpod": stanza})
    found = findings_of(tmp_path, "a-pod", service_accounts=["spark-ml"])
    meaning = KINDS["service-account"].meaning
    assert [(finding.code, finding.text) for finding in found] == [("service-account", f"{meaning} admin")]
    assert {finding.text for finding in findings_of(tmp_path, "a-pod")} == {
        f"{meaning} admin",
        f"{meaning} spark-ml",
    }


def test_a_profile_over_the_houses_bounds_is_shown_where_it_says_so(tmp_path: Path) -> None:
    profiles = {"b": {"display_name": "B", "resources": {"limits": {"cpu": 8}}}, "c": {"display_name": "C"}}
    a_spec(tmp_path, metadata={"kernelpod": {"image": "registry.example/kernel:1", "profiles": profiles}})
    (one,) = findings_of(tmp_path, "a-pod", bounds={"cpu": 4})
    assert "8 cpu; the bound is 4" in one.as_text()


@pytest.mark.parametrize(
    ("idle_seconds", "own", "found"),
    [(0, 0, []), (0, 7200, []), (1800, 1800, []), (1800, 7200, ["culled-late"]), (1800, 0, ["culled-late"])],
)
def test_idle_kernels_must_not_outlive_their_servers(
    tmp_path: Path, idle_seconds: float, own: float, found: list[str]
) -> None:
    """Be it the kernelspec that says so, or a profile of it; each is named once, where it stands."""
    image, culling = {"image": "registry.example/kernel:1"}, Culling(idle_seconds=idle_seconds)
    profiles = {"b": {"display_name": "B", "cull_idle_seconds": 60}, "c": {"display_name": "C"}}
    a_spec(tmp_path, metadata={"kernelpod": {**image, "cull_idle_seconds": own, "profiles": profiles}})
    late = {"b": {**profiles["b"], "cull_idle_seconds": own}}
    a_spec(tmp_path, "b-pod", metadata={"kernelpod": {**image, "profiles": late}}, display_name="Other")
    findings = lint(tmp_path, Kernelspecs(), culling)
    for name in ("a-pod", "b-pod"):
        codes = [one.code for one in findings if one.file.parts[0].startswith(name)]
        assert [code for code in codes if code == "culled-late"] == found
