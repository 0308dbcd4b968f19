"""Maps paths in a kernel to paths on this machine, and refuses plans that this machine cannot run."""

from __future__ import annotations

from kernelpod.errors import StartFailed
from kernelpod.start.plan import KernelPlan

# Enters the folder $0, says on the line at its standard input whether it could, waits until that is closed at the
# other end, and becomes the command.
_ENTER = (
    'if cd -- "$0" 2>/dev/null; then printf + >&0; else printf - >&0; fi; '
    'read -r kernelpod_line; exec "$@" </dev/null'
)
NOT_ENTERED = b"-"
# The only egress profile with a way out; what others allow is known to a cluster only.
OPEN_NETWORK = "default"


def enter(folder: str, argv: list[str]) -> list[str]:
    """Return the command that runs `argv` in a folder, or where it is started if it cannot enter the folder.

    It says so by NOT_ENTERED, and otherwise another byte, on the line that is its standard input. It begins when
    the line is closed. The gateway must not look itself: it would follow users' links with its own rights.
    """
    return ["/bin/sh", "-c", _ENTER, folder, *argv]


def on_disk(plan: KernelPlan, place: str) -> str:
    """Return the path on this machine of a path in the kernel."""
    inner_first = sorted(plan.mounts.all(), key=lambda mount: len(mount.mount_path), reverse=True)
    for mount in inner_first:
        if place == mount.mount_path or place.startswith(mount.mount_path + "/"):
            return mount.path + place[len(mount.mount_path) :]
    return place


def refuse_what_needs_a_pod(plan: KernelPlan) -> None:
    """Raise StartFailed if the kernelspec needs GPUs, a service account or Secrets, which only a cluster has."""
    missing = ["GPUs"] if plan.resources.gpus else []
    missing += ["a service account"] if plan.service_account else []
    missing += [f"the Secret of {name}" for name, key in plan.secret_env.items() if not key.optional]
    if missing:
        raise StartFailed(
            "needs_a_pod",
            f"The kernelspec {plan.address!r} needs {missing[0]}, which only a cluster has. Choose another.",
        )


def refuse_without_network(plan: KernelPlan) -> None:
    """Raise StartFailed if a kernel must not have a way out but cannot be reached in a network of its own."""
    if plan.transport == "tcp" and plan.network != OPEN_NETWORK:
        raise StartFailed(
            "needs_a_pod",
            f"The kernelspec {plan.address!r} has the transport tcp and the network {plan.network!r}, and only a "
            "cluster has both. Choose another.",
        )
