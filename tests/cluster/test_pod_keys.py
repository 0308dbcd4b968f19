"""What a kernelspec says of its pod alone, on nodes: shared memory, Secrets, nodes, pulling."""

from __future__ import annotations

import json
from typing import Any

import kube
import pytest
from cluster_site import Site

LABEL = "kubernetes.io/os"
LOOKS = """
import os, shutil
print(shutil.disk_usage('/dev/shm').total, os.environ.get('AWS_ACCESS_KEY_ID'), 'AWS_SESSION_TOKEN' in os.environ)
open('/dev/shm/x', 'w').write('y')
"""


def a_secret(namespace: str) -> None:
    kube.kubectl(
        "apply",
        "-n",
        namespace,
        "-f",
        "-",
        given={
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "s3a"},
            "stringData": {"id": "AK$(HOME)"},
        },
    )


def test_a_kernel_gets_shared_memory_and_values_of_secrets_by_reference(site: Site) -> None:
    a_secret(site.namespace)
    keys: dict[str, Any] = {
        "shm": "96Mi",
        "node_selector": {LABEL: "linux"},
        "tolerations": [{"key": "example.org/some", "operator": "Exists"}],
        "secret_env": {
            "AWS_ACCESS_KEY_ID": {"secret": "s3a", "key": "id"},
            "AWS_SESSION_TOKEN": {"secret": "s3a", "key": "absent", "optional": True},
        },
    }
    kernel = site.alice.start(site.spec("spark-pod", keys))
    assert site.alice.run(kernel, LOOKS) == f"{96 << 20} AK$(HOME) False\n"
    (pod,) = kube.items("pods", site.namespace)
    assert "AK$" not in json.dumps(pod)
    assert pod["spec"]["nodeSelector"] == {LABEL: "linux"}
    assert {"key": "example.org/some", "operator": "Exists"} in pod["spec"]["tolerations"]
    assert site.alice.ask("POST", f"kernels/{kernel}/restart").status_code == 200
    assert site.alice.run(kernel, LOOKS).startswith(f"{96 << 20} AK")


CANNOT_START: dict[str, tuple[dict[str, Any], str, str]] = {
    "a Secret that is not there": (
        {"secret_env": {"A": {"secret": "absent", "key": "k"}}},
        "container_refused",
        'secret "absent" not found',
    ),
    "a node that is not there": (
        {"node_selector": {"example.org/no": "such"}},
        "unschedulable",
        "affinity/selector",
    ),
    "a runtime class that is not there": ({"runtime_class": "absent"}, "refused_by_cluster", "absent"),
    "GPUs that no node has": ({"resources": {"gpus": {"count": 1}}}, "unschedulable", "nvidia.com/gpu"),
    "an image that may not be pulled": (
        {"image": "localhost/no-such-image:2", "pull_policy": "Never"},
        "image_unavailable",
        "localhost/no-such-image:2",
    ),
}


@pytest.mark.parametrize(("keys", "code", "said"), CANNOT_START.values(), ids=CANNOT_START)
def test_what_the_cluster_does_not_have_is_told(site: Site, keys: dict[str, Any], code: str, said: str) -> None:
    answer = site.alice.post(site.spec("wishful-pod", keys)).json()
    assert (answer["code"], said in answer["message"]) == (code, True), answer["message"]
