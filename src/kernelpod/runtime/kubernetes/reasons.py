"""Explains to the user why a kernel's pod does not run, based on the pod's status and events.

All functions are pure functions of a pod (and its events) as the API server returns them. Sources:
k8s.io/api/core/v1 types.go (pod phases, conditions, container states), pkg/kubelet/images/types.go (waiting
reasons), kubelet's events.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from kernelpod.errors import home_missing
from kernelpod.pods.kernel import COMMAND_NOT_FOUND, HOME_CHECK, KERNEL_CONTAINER
from kernelpod.runtime.interface import Ended, exited, out_of_memory
from kernelpod.settings.pods import AddedContainer
from kernelpod.start.plan import KernelPlan

Pod = dict[str, Any]

_SAID = 300
_VOLUME = re.compile(r'for volume "([^"]+)"')
_NO_SUCH_IMAGE = re.compile(
    r"not found|does not exist|denied|unauthorized|manifest unknown|invalid reference", re.I
)
_NO_SUCH_COMMAND = re.compile(r"executable file not found|no such file or directory", re.I)
_IMAGE_TROUBLE = frozenset({"ErrImagePull", "ImagePullBackOff", "RegistryUnavailable"})
_IMAGE_NEVER = frozenset({"InvalidImageName", "ErrImageNeverPull", "ImageInspectError"})
_CONTAINER_NEVER = frozenset(
    {"CreateContainerConfigError", "CreateContainerError", "RunContainerError", "PreStartHookError"}
)
_ON_ITS_WAY = frozenset({"", "ContainerCreating", "PodInitializing"})


@dataclass(frozen=True)
class Obstacle:
    """What keeps a pod from running. `final` means that the failure is permanent."""

    ended: Ended
    final: bool = False


def address(pod: Pod | None) -> str | None:
    """Return the pod's IP address, or None unless its kernel container runs."""
    if pod is None or not _state(pod, KERNEL_CONTAINER).get("running"):
        return None
    return pod["status"].get("podIP") or None


def ended(pod: Pod | None, plan: KernelPlan) -> Ended | None:
    """Return why a kernel no longer runs or can never start, or None while it runs or starts."""
    if pod is None:
        return Ended("The kernel's pod was deleted.", "pod_deleted")
    check = _state(pod, HOME_CHECK, "initContainerStatuses").get("terminated") or {}
    if check.get("exitCode"):
        return _no_home(plan, _said(check.get("message", "")))
    if failed := _before_the_kernel(pod, plan):
        return _taken_away(pod) or failed
    terminated = _state(pod, KERNEL_CONTAINER).get("terminated")
    if not terminated and pod.get("status", {}).get("phase") not in ("Failed", "Succeeded"):
        return None
    if terminated and terminated.get("reason") == "OOMKilled":
        return out_of_memory(plan)
    return _taken_away(pod) or _exited(pod, terminated or {}, plan)


def obstacle(pod: Pod | None, events: Iterable[dict[str, Any]], plan: KernelPlan) -> Obstacle | None:
    """Return what keeps a pod from running, or None if no obstacle is known."""
    if pod is None:
        return None
    for container, place in ((KERNEL_CONTAINER, "containerStatuses"), (HOME_CHECK, "initContainerStatuses")):
        if found := _waiting(_state(pod, container, place).get("waiting") or {}, plan):
            return found
    for one in (*plan.additions.init_containers, *plan.additions.sidecars):
        if found := _site_waits(_state(pod, one.name, "initContainerStatuses").get("waiting") or {}, one):
            return found
    unscheduled = _condition(pod, "PodScheduled")
    if unscheduled.get("status") == "False":
        said = _said(unscheduled.get("message", ""))
        return Obstacle(Ended(f"No node of the cluster can run the kernel: {said}", "unschedulable"))
    return _mount_trouble(events, plan)


def may_hide_a_mount(pod: Pod | None) -> bool:
    """Return whether a pod is scheduled but reports no error yet: only events report that a mount fails."""
    if pod is None or _condition(pod, "PodScheduled").get("status") != "True":
        return False
    return (_state(pod, KERNEL_CONTAINER).get("waiting") or {}).get("reason", "") in _ON_ITS_WAY


def refused(message: str) -> Ended:
    """Return why the API server refused the pod: quota, limit range, Pod Security or an admission policy."""
    said = _said(message)
    if "exceeded quota" in message:
        return Ended(f"The quota for kernels is used up. Stop another kernel first. ({said})", "quota_exceeded")
    return Ended(f"The cluster does not allow the kernel's pod: {said}", "refused_by_cluster", message)


def _no_home(plan: KernelPlan, detail: str) -> Ended:
    said = home_missing(f"home folder {plan.mounts.home.path!r}", makes="kernelpod homes make", detail=detail)
    return Ended(said.message, said.code, said.detail)


def _before_the_kernel(pod: Pod, plan: KernelPlan) -> Ended | None:
    """Return an error if one of the site's init containers failed, since the kernel then never starts."""
    for one in plan.additions.init_containers:
        ended = _state(pod, one.name, "initContainerStatuses").get("terminated") or {}
        if code := ended.get("exitCode"):
            said = ended.get("message", "").strip()
            sentence = f"{_site_container(one)} failed with exit code {code}. Tell an admin."
            return Ended(sentence, "site_container_failed", said)
    return None


def _site_waits(waiting: dict[str, Any], one: AddedContainer) -> Obstacle | None:
    """Return what keeps one of the site's containers from being created. Restarts are not obstacles."""
    if found := _no_image(
        waiting, f"The image {one.image!r} of the container {one.name!r}, which this site adds,"
    ):
        return found
    reason, message = waiting.get("reason", ""), _said(waiting.get("message", ""))
    if reason in _CONTAINER_NEVER:
        sentence = f"{_site_container(one)} cannot be created: {message or reason}"
        return Obstacle(Ended(sentence, "site_container_failed", message), final=True)
    return None


def _site_container(one: AddedContainer) -> str:
    return f"The container {one.name!r}, which this site adds to kernels,"


def _no_image(waiting: dict[str, Any], which: str) -> Obstacle | None:
    reason, message = waiting.get("reason", ""), _said(waiting.get("message", ""))
    if reason not in _IMAGE_TROUBLE and reason not in _IMAGE_NEVER:
        return None
    final = reason in _IMAGE_NEVER or bool(_NO_SUCH_IMAGE.search(message))
    return Obstacle(Ended(f"{which} cannot be pulled: {message or reason}", "image_unavailable", message), final)


def _waiting(waiting: dict[str, Any], plan: KernelPlan) -> Obstacle | None:
    if found := _no_image(waiting, f"The kernel's image {plan.image!r}"):
        return found
    reason, message = waiting.get("reason", ""), _said(waiting.get("message", ""))
    if reason in _CONTAINER_NEVER:
        return Obstacle(_not_created(reason, message, plan), final=True)
    return None


def _mount_trouble(events: Iterable[dict[str, Any]], plan: KernelPlan) -> Obstacle | None:
    messages = [event.get("message", "") for event in events if event.get("reason") == "FailedMount"]
    for message in messages:
        volume = _VOLUME.search(message)
        said = _said(message.rpartition("Output:")[2])
        if volume and volume[1] == plan.mounts.home.name and "No such file or directory" in said:
            return Obstacle(_no_home(plan, message), final=True)
        which = f"The folder {volume[1]!r}" if volume else "A folder"
        return Obstacle(Ended(f"{which} of the kernel cannot be mounted: {said}", "mount_failed", message))
    return None


def _not_created(reason: str, message: str, plan: KernelPlan) -> Ended:
    if _NO_SUCH_COMMAND.search(message) and plan.argv[0] in message:
        return _no_such_command(plan, message)
    return Ended(f"The kernel's container cannot be created: {message or reason}", "container_refused", message)


def _exited(pod: Pod, terminated: dict[str, Any], plan: KernelPlan) -> Ended:
    code, said = terminated.get("exitCode"), terminated.get("message", "").strip()
    if "deletionTimestamp" in pod["metadata"]:
        return Ended("The kernel's pod was deleted.", "pod_deleted")
    if terminated.get("reason") in ("StartError", "ContainerCannotRun"):
        return _not_created(terminated["reason"], _said(said), plan)
    if plan.encrypted and code == COMMAND_NOT_FOUND:
        return _no_such_command(plan, said)
    return exited(code, said)


def _no_such_command(plan: KernelPlan, message: str) -> Ended:
    sentence = f"The command {plan.argv[0]!r} of the kernelspec {plan.address!r} does not exist in its image."
    return Ended(sentence, "command_not_found", message)


def _taken_away(pod: Pod) -> Ended | None:
    """Return why the cluster evicted a pod, or None. Source: pod condition DisruptionTarget."""
    condition, status = _condition(pod, "DisruptionTarget"), pod.get("status", {})
    if condition.get("status") != "True" and not status.get("reason"):
        return None
    said = _said(condition.get("message", "") or status.get("message", "") or status.get("reason", ""))
    return Ended(f"The cluster stopped the kernel: {said}", "evicted")


def _state(pod: Pod, container: str, place: str = "containerStatuses") -> dict[str, Any]:
    for status in pod.get("status", {}).get(place) or []:
        if status["name"] == container:
            state: dict[str, Any] = status.get("state") or {}
            return state
    return {}


def _condition(pod: Pod, kind: str) -> dict[str, Any]:
    conditions = pod.get("status", {}).get("conditions") or []
    found: dict[str, Any] = next((one for one in conditions if one["type"] == kind), {})
    return found


def _said(text: str) -> str:
    """Return a message of the cluster on one line of bounded length."""
    line = " ".join(text.split())
    return line if len(line) <= _SAID else f"{line[:_SAID]}..."
