"""kubectl and Helm for the benchmark: namespaces, pods, and the number of API requests of an account."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import subprocess
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.processes import BenchError

if TYPE_CHECKING:
    from collections.abc import Iterator

TIMEOUT_SECONDS = 300
COUNTER = "apiserver_flowcontrol_dispatched_requests_total"


def kubectl(*words: str, given: object = None) -> str:
    """Return kubectl's output; `given` is its input as JSON. Raises BenchError with kubectl's message."""
    return run(["kubectl", *words], None if given is None else json.dumps(given))


def helm(release: str, chart: Path, namespace: str, values: dict[str, Any]) -> None:
    """Install a chart and return once all its objects are ready."""
    command = ["helm", "install", release, str(chart), "--namespace", namespace, "--values", "-"]
    run([*command, "--wait", "--timeout", "120s"], json.dumps(values))


def helm_uninstall(release: str, namespace: str) -> None:
    """Remove a release, if there is one."""
    run(["helm", "uninstall", release, "--namespace", namespace, "--ignore-not-found", "--wait"])


def run(command: list[str], text: str | None = None) -> str:
    """Return a command's output. Raises BenchError with the command's message."""
    done = subprocess.run(
        command, input=text, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
    )
    if done.returncode:
        raise BenchError(f"{' '.join(command[:4])} failed: {done.stderr.strip()[-2000:]}")
    return done.stdout


@contextlib.contextmanager
def namespace(prefix: str) -> Iterator[str]:
    """Create a namespace with a random name, and remove it with its content afterwards."""
    name = f"{prefix}-{uuid.uuid4().hex[:6]}"
    kubectl("create", "namespace", name)
    try:
        yield name
    finally:
        kubectl("delete", "namespace", name, "--timeout=200s", "--ignore-not-found")


def pod_uids(namespace_name: str) -> list[str]:
    """Return the uids of the pods in a namespace."""
    return kubectl("get", "pods", "-n", namespace_name, "-o", "jsonpath={.items[*].metadata.uid}").split()


def only_pod(namespace_name: str, selector: str) -> dict[str, Any]:
    """Return the only running pod that a selector matches. Raises BenchError if there are others or none."""
    text = kubectl("get", "pods", "-n", namespace_name, "-l", selector, "-o", "json")
    pods: list[dict[str, Any]] = json.loads(text)["items"]
    if len(pods) != 1:
        raise BenchError(f"{len(pods)} pods in {namespace_name} are labelled {selector}")
    return pods[0]


def node_address() -> str:
    """Return the address of the only node."""
    path = "jsonpath={.items[0].status.addresses[?(@.type=='InternalIP')].address}"
    return kubectl("get", "nodes", "-o", path).strip()


@contextlib.contextmanager
def counted(account: str, namespace_name: str) -> Iterator[str]:
    """Create a flow schema with which the API server counts a service account's requests; for `requests`.

    Only with a separate FlowSchema does the API server count an account's requests separately. Its priority level
    is the default of service accounts.
    """
    name = f"bench-{uuid.uuid4().hex[:6]}"
    rule = {
        "subjects": [{"kind": "ServiceAccount", "serviceAccount": {"name": account, "namespace": namespace_name}}],
        "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"]}],
    }
    spec = {"priorityLevelConfiguration": {"name": "workload-low"}, "matchingPrecedence": 900, "rules": [rule]}
    schema = {"apiVersion": "flowcontrol.apiserver.k8s.io/v1", "kind": "FlowSchema", "spec": spec}
    kubectl("create", "-f", "-", given={**schema, "metadata": {"name": name}})
    try:
        yield name
    finally:
        kubectl("delete", "flowschema", name, "--ignore-not-found")


def requests(schema: str) -> int:
    """Return how many requests of a schema the API server has executed."""
    metrics = kubectl("get", "--raw", "/metrics")
    figures = re.findall(rf'^{COUNTER}{{.*flow_schema="{schema}".*}} (\S+)$', metrics, re.MULTILINE)
    return int(sum(map(float, figures)))


@contextlib.contextmanager
def proxy() -> Iterator[int]:
    """Provide a loopback port where the API server accepts plain HTTP with admin permissions."""
    command = ["kubectl", "proxy", "--port=0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline().rpartition(":")[2])
    finally:
        process.kill()
        process.wait(5)


def pods_running(port: int, pods: list[dict[str, Any]]) -> list[float]:
    """Create pods at once, each with a separate client. Return the seconds until each was seen running."""
    where = f"/api/v1/namespaces/{pods[0]['metadata']['namespace']}/pods"

    def ask(method: str, path: str, body: str | None = None) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
        connection.request(method, path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        if answer.status >= 300:
            raise BenchError(f"{method} of a bare pod: {answer.status} {answer.read()[:300]!r}")
        return answer

    seen: dict[str, float] = {}
    events = ask("GET", f"{where}?watch=true&resourceVersion=0")
    begin = time.perf_counter()
    with ThreadPoolExecutor(len(pods)) as pool:
        list(pool.map(lambda pod: ask("POST", where, json.dumps(pod)).read(), pods))
    for line in events:
        event = json.loads(line)
        pod = event["object"]
        if event["type"] == "ERROR":
            raise BenchError(f"the watch of bare pods ended: {pod.get('message')}")
        if pod["status"].get("phase") == "Running":
            seen.setdefault(pod["metadata"]["name"], time.perf_counter() - begin)
        if len(seen) == len(pods):
            return list(seen.values())
    raise BenchError(f"only {len(seen)} of {len(pods)} pods ran before the watch ended")
