"""The NetworkPolicies of one kernel with executors: they name its pod, and nothing that another pod may have."""

from __future__ import annotations

from typing import Any

import pytest

from doubles import a_plan, a_spec
from kernelpod.base import names
from kernelpod.pods.executors import driver_policy, executor_policy
from plans import made

KUBERNETES = ("1.28", "1.31", "1.34")
PLAN = a_plan(spec=a_spec(service_account="spark-ml"))
POD = made(PLAN).pod
DRIVER = POD["metadata"]["name"]
POLICIES = [driver_policy(PLAN, DRIVER, "spark-ml"), executor_policy(PLAN, DRIVER, "spark-ml")]
MINE = {"podSelector": {"matchLabels": {names.LABEL_DRIVER: DRIVER}}}
PORTS = [{"protocol": "TCP", "port": 7078, "endPort": 7079}]


def there(namespace: str) -> dict[str, Any]:
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}, **MINE}


def test_a_kernel_with_an_account_has_the_label_and_others_do_not() -> None:
    assert POD["metadata"]["labels"][names.LABEL_DRIVER] == DRIVER
    assert names.LABEL_DRIVER not in made(a_plan()).pod["metadata"]["labels"]


def test_a_kernel_and_its_executors_reach_each_other_only() -> None:
    beside, among = (policy["spec"] for policy in POLICIES)
    assert beside == {
        **MINE,
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"from": [there("spark-ml")], "ports": PORTS}],
        "egress": [{"to": [there("spark-ml")]}],
    }
    assert among == {
        **MINE,
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"from": [MINE, there("kernels")]}],
        "egress": [{"to": [MINE]}, {"to": [there("kernels")], "ports": PORTS}],
    }
    assert [policy["metadata"]["namespace"] for policy in POLICIES] == ["kernels", "spark-ml"]


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize("policy", POLICIES, ids=["driver", "executor"])
def test_a_policy_fits_kubernetes_schema(policy: dict[str, Any], version: str, need_module: Any) -> None:
    need_module("kubernetes_validate").validate(policy, version, strict=True)
