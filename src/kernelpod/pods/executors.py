"""Builds the NetworkPolicies of one kernel that may start executors of Spark, as plain dicts.

Each such kernel has two of its own, because a NetworkPolicy cannot compare the labels of two pods. They allow what
the chart's policies deny. The chart's admission policy lets a kernel give executors its own name only.
"""

from __future__ import annotations

from typing import Any

from kernelpod.base import names
from kernelpod.pods.kernel import labels
from kernelpod.start.plan import KernelPlan

# `spark.driver.port` and `spark.driver.blockManager.port`.
DRIVER_PORTS = [{"protocol": "TCP", "port": 7078, "endPort": 7079}]


def driver_policy(plan: KernelPlan, driver: str, executors: str) -> dict[str, Any]:
    """Return the policy of the kernel's pod `driver`, whose executors are in the namespace `executors`."""
    peer = _there(executors, driver)
    rules = {"ingress": [{"from": [peer], "ports": DRIVER_PORTS}], "egress": [{"to": [peer]}]}
    return _policy(plan, driver, plan.namespace, rules)


def executor_policy(plan: KernelPlan, driver: str, executors: str) -> dict[str, Any]:
    """Return the policy of the executors of the pod `driver`: they reach it and each other."""
    own, its_driver = _pods(driver), _there(plan.namespace, driver)
    rules = {
        "ingress": [{"from": [own, its_driver]}],
        "egress": [{"to": [own]}, {"to": [its_driver], "ports": DRIVER_PORTS}],
    }
    return _policy(plan, driver, executors, rules)


def _policy(plan: KernelPlan, driver: str, namespace: str, rules: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": driver, "namespace": namespace, "labels": labels(plan)},
        "spec": {**_pods(driver), "policyTypes": ["Ingress", "Egress"], **rules},
    }


def _pods(driver: str) -> dict[str, Any]:
    return {"podSelector": {"matchLabels": {names.LABEL_DRIVER: driver}}}


def _there(namespace: str, driver: str) -> dict[str, Any]:
    return {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        **_pods(driver),
    }
