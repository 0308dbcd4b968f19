"""Checks whether this machine can run a plan, and maps paths in the kernel to paths on this machine."""

from __future__ import annotations

import os
from pathlib import Path

from kernelpod.errors import StartFailed, home_missing
from kernelpod.start.plan import KernelPlan


def check_places(plan: KernelPlan) -> tuple[str, tuple[str, ...]]:
    """Return the working directory to use, and a note if the requested one does not exist.

    Raises StartFailed (home_missing, home_escapes). Creates nothing.
    """
    for mount in plan.mounts.all():
        root = mount.path.removesuffix(mount.sub_path) if mount.sub_path else mount.path
        if os.path.realpath(mount.path) != os.path.normpath(Path(os.path.realpath(root)) / mount.sub_path):
            raise StartFailed(
                "home_escapes",
                f"Your folder {mount.path!r} is a symbolic link. Ask an admin to replace it.",
            )
        if not Path(mount.path).is_dir():
            what = "home folder" if mount is plan.mounts.home else "folder"
            raise home_missing(f"{what} {mount.path!r}")
    home = plan.mounts.home.mount_path
    if plan.working_dir != home and not Path(on_disk(plan, plan.working_dir)).is_dir():
        return home, (f"The folder {plan.working_dir!r} does not exist, so the kernel started in {home!r}.",)
    return plan.working_dir, ()


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
