"""Says what the cluster says while helm or kubectl waits, and after they have failed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from kernelpod.base.logs import escaped
from kernelpod.deploy.cluster import SECONDS, Cluster, ClusterError

LOOK_SECONDS = 5.0
# The rest of a longer message is left out.
MOST_CHARACTERS = 300
_MOST_WARNINGS = 5


@contextmanager
def watched(
    cluster: Cluster, space: str, say: Callable[[str], None], seconds: float = LOOK_SECONDS
) -> Iterator[None]:
    """Run a block, and meanwhile say every `seconds` what is new about pods that are not ready."""
    over = threading.Event()

    def look() -> None:
        known: list[str] = []
        while not over.wait(seconds):
            with suppress(ClusterError):
                found = not_ready(cluster, space)
                for line in found:
                    if line not in known and not over.is_set():
                        say(f"           {line}")
                known = found

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(SECONDS)


def said_in(cluster: Cluster, space: str) -> str:
    """Return the pods of a namespace that are not ready, its last warnings, and the command that shows more."""
    try:
        pods, events = not_ready(cluster, space), cluster.items("events", space)
    except ClusterError as error:
        return f"The cluster does not say why: {error.message}"
    latest = sorted(events, key=lambda event: event.get("lastTimestamp") or event.get("eventTime") or "")
    warnings = [_short(event.get("message") or "") for event in latest if event.get("type") == "Warning"]
    parts = {
        f"Pods in the namespace {space} that are not ready:": pods,
        f"Warnings in the namespace {space}:": list(dict.fromkeys(warnings))[-_MOST_WARNINGS:],
    }
    lines = [line for what, said in parts.items() if said for line in (what, *(f"  {one}" for one in said))]
    return "\n".join([*lines, f"For more, run: kubectl -n {space} get pods,events"])


def not_ready(cluster: Cluster, space: str) -> list[str]:
    """Return a line for each pod that is neither ready nor done, with the reason. Raises ClusterError."""
    return [
        f"{pod['metadata']['name']}: {_reason(pod)}"
        for pod in cluster.items("pods", space)
        if pod.get("status", {}).get("phase") != "Succeeded" and _condition(pod, "Ready").get("status") != "True"
    ]


def _reason(pod: dict[str, Any]) -> str:
    status = pod.get("status", {})
    for one in (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())):
        state = one.get("state", {})
        ended = state.get("terminated") or one.get("lastState", {}).get("terminated") or {}
        if ended.get("exitCode"):
            said = ended.get("message") or ended.get("reason") or ""
            return _short(f"{one['name']} ended with {ended['exitCode']}: {said}")
        if waiting := state.get("waiting"):
            said = f": {waiting['message']}" if waiting.get("message") else ""
            return _short(f"{one['name']} is waiting, {waiting.get('reason', 'no reason given')}{said}")
    scheduled = _condition(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        return _short(f"no node: {scheduled.get('message') or scheduled.get('reason') or 'no reason given'}")
    return _short(str(status.get("reason") or status.get("phase") or "Pending"))


def _condition(pod: dict[str, Any], kind: str) -> dict[str, Any]:
    conditions = pod.get("status", {}).get("conditions", ())
    return next((one for one in conditions if one.get("type") == kind), {})


def _short(text: str) -> str:
    return escaped(text.strip())[:MOST_CHARACTERS]
