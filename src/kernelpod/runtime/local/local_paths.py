"""Maps paths in a kernel to paths on this machine, and refuses plans that this machine cannot run."""

from __future__ import annotations

from kernelpod.errors import StartFailed
from kernelpod.start.plan import KernelPlan

# Enters the folder $0, says by a byte on stdin whether it could, and becomes the command.
_ENTER = 'if cd -- "$0" 2>/dev/null; then printf + >&0; else printf - >&0; fi; exec "$@" </dev/null'
NOT_ENTERED = b"-"


def enter(folder: str, argv: list[str]) -> list[str]:
    """Return the command that runs `argv` in a folder, or where it is started if it cannot enter the folder.

    If it cannot, it writes NOT_ENTERED to its standard input. The gateway must not look itself: it would follow
    the user's links with its own rights.
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
