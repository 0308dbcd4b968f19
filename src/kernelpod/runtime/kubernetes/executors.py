"""Finds the namespaces of Spark's executors, and the objects there that belong to one kernel."""

from __future__ import annotations

from typing import Any

from kernelpod.base import names
from kernelpod.pods.executors import driver_policy, executor_policy
from kernelpod.runtime.kubernetes.apiserver import ApiServer
from kernelpod.settings.runtimes import Kubernetes
from kernelpod.start.plan import KernelPlan


class Executors:
    """The namespaces of executors. Each has the name of the service account whose kernels start executors there.

    A kernel's policy there is also the record that executors of it may exist; it is removed last.
    """

    def __init__(self, api: ApiServer, settings: Kubernetes) -> None:
        self._api, self._namespaces = api, settings.executors
        self._selector = names.selector(names.release_labels(settings.release))

    def namespaces(self, plan: KernelPlan | None) -> tuple[str, ...]:
        """Return where a kernel's executors may be: in one namespace at most, or in any if its plan is unknown."""
        if plan is None:
            return self._namespaces
        return tuple(name for name in self._namespaces if name == plan.service_account)

    def policies(self, plan: KernelPlan, driver: str, owner: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
        """Return the policies of the pod `driver`, each with the path to create it at.

        The one beside the pod has the `owner`, with which Kubernetes removes it. An owner cannot be in another
        namespace, so the other one is removed by the gateway.
        """
        made = []
        for namespace in self.namespaces(plan):
            beside = driver_policy(plan, driver, namespace)
            beside["metadata"]["ownerReferences"] = [owner]
            made.append((policies_path(namespace), executor_policy(plan, driver, namespace)))
            made.append((policies_path(plan.namespace), beside))
        return made

    async def drivers(self) -> set[str]:
        """Return the pod names of all kernels that have a policy for executors. Raises the errors of `call`."""
        found = set()
        for namespace in self._namespaces:
            query = {"labelSelector": self._selector}
            listed = await self._api.call("GET", policies_path(namespace), query)
            found |= {policy["metadata"]["name"] for policy in listed["items"]}
        return found


def policies_path(namespace: str) -> str:
    """Return the path of the NetworkPolicies of a namespace."""
    return f"/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies"


def pods_path(namespace: str) -> str:
    """Return the path of the pods of a namespace."""
    return f"/api/v1/namespaces/{namespace}/pods"
