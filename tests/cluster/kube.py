"""kubectl for tests: what a cluster holds, as Python values, and what it says when a test fails."""

from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import yaml

from doubles import eventually

# More than any --timeout of kubectl below: its own words say what was waited for.
TIMEOUT_SECONDS = 300


def kubectl(*words: str, given: Any = None, check: bool = True) -> str:
    """Return what kubectl prints. Raises AssertionError with its words if it fails and `check` is set."""
    text = None if given is None else yaml.safe_dump_all(given if isinstance(given, list) else [given])
    done = subprocess.run(
        ["kubectl", *words], input=text, capture_output=True, text=True, check=False, timeout=TIMEOUT_SECONDS
    )
    assert not check or done.returncode == 0, f"kubectl {' '.join(words)}: {done.stderr.strip()}"
    return done.stdout if done.returncode == 0 else done.stderr


def items(kind: str, namespace: str, selector: str = "") -> list[dict[str, Any]]:
    """Return the objects of one kind."""
    chosen = ("-l", selector) if selector else ()
    found: list[dict[str, Any]] = json.loads(kubectl("get", kind, "-n", namespace, "-o", "json", *chosen))["items"]
    return found


def names(kind: str, namespace: str, selector: str = "") -> list[str]:
    """Return the names of the objects of one kind."""
    return [item["metadata"]["name"] for item in items(kind, namespace, selector)]


@contextmanager
def new_namespace(prefix: str, **labels: str) -> Iterator[str]:
    """Make a namespace of a random name; it and all in it is gone afterwards."""
    name = f"{prefix}-{uuid.uuid4().hex[:6]}"
    kubectl(
        "create",
        "-f",
        "-",
        given={"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}},
    )
    try:
        kubectl("wait", "-n", name, "--for=create", "serviceaccount/default", "--timeout=100s")
        yield name
    finally:
        kubectl("delete", "namespace", name, "--wait=true", "--timeout=100s", check=False)


def quota(namespace: str, pods: int, used: int) -> None:
    """Allow a namespace so many pods. Return when those that there are are counted; before, none may be made."""
    made = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "few"}}
    kubectl("apply", "-n", namespace, "-f", "-", given={**made, "spec": {"hard": {"pods": str(pods)}}})
    counted = ("get", "quota", "few", "-n", namespace, "-o=jsonpath={.status.used.pods}")
    eventually(lambda: kubectl(*counted) == str(used), what="the quota counts")


def report(namespace: str) -> str:
    """Return pods, events and the last words of every container of a namespace."""
    parts = [
        kubectl("get", "pods", "-n", namespace, "-o", "wide", check=False),
        kubectl("get", "events", "-n", namespace, "--sort-by=.lastTimestamp", check=False)[-6000:],
    ]
    for name in kubectl("get", "pods", "-n", namespace, "-o", "name", check=False).split():
        said = kubectl("logs", "-n", namespace, name, "--all-containers", "--tail=40", check=False)
        parts.append(f"--- {name}\n{said}")
    return "\n".join(parts)
