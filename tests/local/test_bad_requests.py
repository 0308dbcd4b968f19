"""Bodies that nobody should send: each gets a sentence and a code, starts nothing, and the gateway goes on."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests


@pytest.fixture(autouse=True)
def nothing_started(site: Any) -> Iterator[None]:
    yield
    assert site.traces() == []
    assert site.alice.ids() == []


BODIES: dict[str, tuple[Any, int, str]] = {
    "not json": (b"{", 400, "bad_json"),
    "yaml": (b"name: python-pod\nenv:\n  A: b", 400, "bad_json"),
    "a list": ([], 400, "bad_json"),
    "null": (b"null", 400, "bad_json"),
    "not utf-8": (b'{"name": "\xff\xfe"}', 400, "bad_json"),
    "very deep": (b"[" * 200_000, 400, "bad_json"),
    "2 MB": (b'{"name": "' + b"x" * 2_000_000 + b'"}', 400, "body_too_large"),
    "10 MB": (b" " * 10_000_000, 400, "body_too_large"),
    "unknown kernelspec": ({"name": "nothing"}, 404, "kernelspec_not_found"),
    "native kernelspec": ({"name": "python3"}, 404, "kernelspec_not_found"),
    "unknown profile": ({"name": "python-pod.huge"}, 404, "kernelspec_not_found"),
    "a path for a name": ({"name": "../../etc"}, 404, "kernelspec_not_found"),
    "a template for a name": ({"name": "{{ 7*7 }}"}, 404, "kernelspec_not_found"),
    "NUL in the name": ({"name": "python-pod\0"}, 404, "kernelspec_not_found"),
    "a number for a name": ({"name": 5}, 400, "bad_json"),
    "env is a list": ({"env": ["KERNEL_PATH=/"]}, 400, "bad_env"),
    "env is a string": ({"env": "A=b"}, 400, "bad_env"),
    "a value is a number": ({"env": {"A": 1}}, 400, "bad_env"),
    "a value is a list": ({"env": {"KERNEL_PATH": ["/"]}}, 400, "bad_env"),
    "5,000 characters": ({"env": {"KERNEL_PATH": "/" + "x" * 5000}}, 400, "value_too_long"),
    "NUL": ({"env": {"KERNEL_WORKING_DIR": "/home/jovyan\0/x"}}, 400, "bad_env"),
    "newline": ({"env": {"KERNEL_WORKING_DIR": "/home/jovyan\n/x"}}, 400, "bad_env"),
    "a lone surrogate": (b'{"env": {"KERNEL_PATH": "\\ud800"}}', 400, "bad_env"),
    "cpu of words": ({"env": {"KERNEL_CPUS": "$(nproc)"}}, 400, "bad_wish"),
    "no patience": ({"env": {"KERNEL_LAUNCH_TIMEOUT": "-1"}}, 400, "bad_wish"),
    "endless patience": ({"env": {"KERNEL_LAUNCH_TIMEOUT": "inf"}}, 400, "bad_wish"),
    "a shell's words": ({"env": {"KERNEL_PATH": "$(id > /tmp/x)"}}, 403, "foreign_home"),
    "template words": ({"env": {"KERNEL_PATH": "{{ lookup('env', 'HOME') }}"}}, 403, "foreign_home"),
    "yaml words": ({"env": {"KERNEL_PATH": "&a {b: *a} # !!python/object"}}, 403, "foreign_home"),
}


@pytest.mark.parametrize(("body", "status", "code"), BODIES.values(), ids=BODIES)
def test_a_bad_body_is_refused_with_a_sentence(site: Any, body: Any, status: int, code: str) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = site.alice.ask("POST", "kernels", data=content)
    said = answer.json()
    assert (answer.status_code, said["code"]) == (status, code)
    assert said["reason"] == said["message"]
    assert len(said["message"]) < 600
    assert "Traceback" not in answer.text


def test_a_body_beyond_reading_is_cut_off(site: Any) -> None:
    with contextlib.suppress(requests.ConnectionError):  # the line may be cut while the body is on its way
        assert site.alice.ask("POST", "kernels", data=b" " * 60_000_000).status_code == 400
    assert site.alice.ask("GET", "kernels").status_code == 200


@pytest.mark.parametrize(
    "text", ["$(touch made)", "{{ 7*7 }}", "a: [b", "'; touch made; '", '"', "\\", "`touch made`"]
)
def test_hostile_words_for_a_folder_are_only_words(site: Any, text: str) -> None:
    kernel_id = site.alice.start(KERNEL_WORKING_DIR=f"/home/jovyan/{text}")
    assert repr(f"/home/jovyan/{text}") in site.alice.model(kernel_id)["reason"]
    assert (
        site.alice.run(kernel_id, "import os; print(os.getcwd(), os.path.exists('made'))")
        == "/home/jovyan False\n"
    )
    site.stop_kernels()


@pytest.mark.parametrize("method", ["PUT", "PATCH", "HEAD", "TRACE", "BREW"])
def test_other_methods_do_nothing(site: Any, method: str) -> None:
    assert 400 <= site.alice.ask(method, "kernels").status_code < 500
