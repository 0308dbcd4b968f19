"""Stock Enterprise Gateway's remote path without Kubernetes: a pod that is a local process.

Everything but the cluster is the real thing: response socket, RSA and AES, poll interval, launcher.
The Kubernetes API calls of the real proxy cost extra, so stock looks better here than on a cluster.
"""

from __future__ import annotations

import contextlib
import os
import signal

from enterprise_gateway.services.processproxies.container import ContainerProcessProxy

RUNNING = "running"


class FakePodProxy(ContainerProcessProxy):  # type: ignore[misc]  # upstream has no types
    """Answers the questions ContainerProcessProxy asks about a container with those of a process."""

    assigned_host: str

    def get_initial_states(self) -> set[str]:
        """States in which the kernel counts as alive."""
        return {RUNNING}

    def get_error_states(self) -> set[str]:
        """A process that ended has no state (as a deleted pod has none), so there are none."""
        return set()

    def get_container_status(self, iteration: int | None) -> str:  # noqa: ARG002  # upstream's signature
        """`running` while the launcher's process lives, else ""; the first look assigns the address."""
        if self.local_proc is None or self.local_proc.poll() is not None:
            return ""
        if not self.assigned_host:
            self.assigned_ip = "127.0.0.1"
            self.assigned_host = self.container_name = f"process-{self.local_proc.pid}"
        return RUNNING

    def terminate_container_resources(self) -> None:
        """End the launcher and its children (it leads a session), as a deleted pod ends with all it holds."""
        if self.local_proc is not None and self.local_proc.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.local_proc.pid, signal.SIGKILL)
            self.local_proc.wait(5)
        self.container_name = ""
