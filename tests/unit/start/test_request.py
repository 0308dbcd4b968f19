"""A request is believed in nothing: malformed ones are refused, what would choose too much is dropped."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kernelpod.errors import BadRequest
from kernelpod.start.request import MAX_VALUE_LENGTH, KernelRequest, ResourceWish, from_body
from kernelpod.start.session import Session


def ask(**model: Any) -> KernelRequest:
    return from_body(json.dumps(model).encode(), "python-pod")


BAD_BODIES = {
    "not json": (b"{", "bad_json"),
    "not an object": (b"[]", "bad_json"),
    "a string": (b'"python-pod"', "bad_json"),
    "null": (b"null", "bad_json"),
    "not utf-8": (b'{"name": "\xff"}', "bad_json"),
    "utf-16": ('{"name": "a"}'.encode("utf-16"), "bad_json"),
    "deeply nested": (b"[" * 100_000, "bad_json"),
    "name is a number": (b'{"name": 1}', "bad_json"),
    "name is a list": (b'{"name": ["python-pod"]}', "bad_json"),
    "name is long": (b'{"name": "' + b"x" * 129 + b'"}', "bad_json"),
    "env is a list": (b'{"env": []}', "bad_env"),
    "env is a string": (b'{"env": "KERNEL_PATH=/x"}', "bad_env"),
    "a value is a number": (b'{"env": {"KERNEL_PATH": 1}}', "bad_env"),
    "a value is null": (b'{"env": {"KERNEL_PATH": null}}', "bad_env"),
    "a value is an object": (b'{"env": {"KERNEL_PATH": {}}}', "bad_env"),
    "5,000 characters": (b'{"env": {"A": "' + b"x" * 5000 + b'"}}', "value_too_long"),
    "NUL in a value": (b'{"env": {"KERNEL_PATH": "/home/\\u0000"}}', "bad_env"),
    "newline in a value": (b'{"env": {"KERNEL_PATH": "/home\\n"}}', "bad_env"),
    "NUL in a name": (b'{"env": {"A\\u0000": "x"}}', "bad_env"),
    "newline in a dropped value": (b'{"env": {"OTHER": "a\\nb"}}', "bad_env"),
    "a lone surrogate": (b'{"env": {"KERNEL_PATH": "\\ud800"}}', "bad_env"),
    "cpu is words": (b'{"env": {"KERNEL_CPUS": "many"}}', "bad_wish"),
    "cpu is negative": (b'{"env": {"KERNEL_CPUS": "-1"}}', "bad_wish"),
    "memory without sense": (b'{"env": {"KERNEL_MEMORY": "2 GB"}}', "bad_wish"),
    "memory of nothing": (b'{"env": {"KERNEL_MEMORY_LIMIT": "0.1"}}', "bad_wish"),
    "memory with shell": (b'{"env": {"KERNEL_MEMORY": "$(id)"}}', "bad_wish"),
    "gpus are words": (b'{"env": {"KERNEL_GPUS": "all"}}', "bad_wish"),
    "gpus are a part": (b'{"env": {"KERNEL_GPUS_LIMIT": "0.5"}}', "bad_wish"),
    "gpus are negative": (b'{"env": {"KERNEL_GPUS": "-1"}}', "bad_wish"),
    "time-out is words": (b'{"env": {"KERNEL_LAUNCH_TIMEOUT": "soon"}}', "bad_wish"),
    "time-out is zero": (b'{"env": {"KERNEL_LAUNCH_TIMEOUT": "0"}}', "bad_wish"),
    "time-out is nan": (b'{"env": {"KERNEL_LAUNCH_TIMEOUT": "nan"}}', "bad_wish"),
    "time-out is endless": (b'{"env": {"KERNEL_LAUNCH_TIMEOUT": "inf"}}', "bad_wish"),
}


@pytest.mark.parametrize(("body", "code"), BAD_BODIES.values(), ids=BAD_BODIES)
def test_a_bad_body_is_refused_with_its_code(body: bytes, code: str) -> None:
    with pytest.raises(BadRequest) as caught:
        from_body(body, "python-pod")
    assert caught.value.code == code
    assert caught.value.status == 400
    assert len(caught.value.message) < 400


@pytest.mark.parametrize("body", [b"", b"  \n", b"{}", b'{"name": null, "env": null}', b'{"name": ""}'])
def test_an_empty_request_asks_for_the_default_kernelspec(body: bytes) -> None:
    assert from_body(body, "python-pod") == KernelRequest(spec="python-pod")


@pytest.mark.parametrize(
    ("name", "spec", "profile"),
    [
        ("python-pod", "python-pod", ""),
        ("python-pod.large", "python-pod", "large"),
        ("a.b.c", "a", "b.c"),
        ("../../etc/passwd", "", "./../etc/passwd"),
        ("name\n", "name\n", ""),
    ],
)
def test_a_profile_is_addressed_by_a_dot(name: str, spec: str, profile: str) -> None:
    made = ask(name=name)
    assert (made.spec, made.profile) == (spec, profile)


def test_the_wishes_are_read() -> None:
    env = {
        "KERNEL_USERNAME": "alice",
        "KERNEL_PATH": "/home/nfs_share/claim/alice",
        "KERNEL_WORKING_DIR": "/home/jovyan/müller häuser",
        "KERNEL_LAUNCH_TIMEOUT": "12.5",
        "KERNEL_CPUS": "500m",
        "KERNEL_CPUS_LIMIT": "2",
        "KERNEL_MEMORY": "1Gi",
        "KERNEL_MEMORY_LIMIT": "2Gi",
    }
    assert ask(env=env) == KernelRequest(
        spec="python-pod",
        username="alice",
        kernel_path="/home/nfs_share/claim/alice",
        working_dir="/home/jovyan/müller häuser",
        launch_timeout_seconds=12.5,
        resources=ResourceWish(cpu=500, cpu_limit=2000, memory=2**30, memory_limit=2**31),
    )


def test_empty_wishes_say_nothing_but_an_empty_home_is_a_claim() -> None:
    made = ask(env={"KERNEL_CPUS": "", "KERNEL_LAUNCH_TIMEOUT": "", "KERNEL_PATH": ""})
    assert made == KernelRequest(spec="python-pod", kernel_path="")


CHOOSERS = (
    "KERNEL_NAMESPACE",
    "KERNEL_IMAGE",
    "KERNEL_UID",
    "KERNEL_GID",
    "KERNEL_ID",
    "KERNEL_POD_NAME",
    "KERNEL_SERVICE_ACCOUNT_NAME",
    "KERNEL_VOLUMES",
    "KERNEL_VOLUME_MOUNTS",
    "KERNEL_WORKING_DIRECTORY",
    "LD_PRELOAD",
    "PATH",
    "kernel_path",
)


@pytest.mark.parametrize("name", CHOOSERS)
def test_what_would_choose_too_much_is_dropped_and_named_for_the_log(name: str) -> None:
    assert ask(env={name: "root"}) == KernelRequest(spec="python-pod", dropped=(name,))


@pytest.mark.parametrize(
    ("path", "kind", "told"),
    [
        ("folder/Für Elise <b>&.ipynb", "notebook", "notebook"),
        ("console-1", "console", "console"),
        ("a.ipynb", "", "notebook"),
        ("a.ipynb", "<script>", "notebook"),
        ("x" * 1000, "x" * 41, "notebook"),
        ("x" * 1001, "notebook", None),
        ("a\u202egpj.ipynb", "notebook", None),
        ("", "notebook", None),
    ],
)
def test_what_a_kernel_is_for_is_a_short_label_or_nothing(path: str, kind: str, told: str | None) -> None:
    made = ask(env={"KERNEL_SESSION_PATH": path, "KERNEL_SESSION_TYPE": kind})
    assert made.session == (Session(path=path, type=told) if told else None)
    assert made.dropped == ()


def test_the_notebooks_path_is_a_wish() -> None:
    assert ask(env={"JPY_SESSION_NAME": "/home/a.ipynb"}).session_name == "/home/a.ipynb"
    assert ask().session_name == ""


def test_unknown_keys_of_the_body_are_dropped_too() -> None:
    assert ask(kernel_id="x", process_proxy={}, path="a.ipynb").dropped == ("kernel_id", "process_proxy")


@pytest.mark.parametrize(
    "text", ["$(id)", "{{ 7*7 }}", "{% raw %}", "a: [b", "&x *x", "'; rm -rf /", '"', "\\", "\u2028"]
)
def test_hostile_text_is_only_text(text: str) -> None:
    assert ask(env={"KERNEL_WORKING_DIR": text}).working_dir == text


def test_a_value_may_be_as_long_as_the_limit() -> None:
    longest = "/" + "x" * (MAX_VALUE_LENGTH - 1)
    assert ask(env={"KERNEL_PATH": longest}).kernel_path == longest
