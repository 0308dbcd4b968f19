"""Stock Enterprise Gateway's remote path without Kubernetes: local processes replace pods.

Everything but the cluster is real: response socket, RSA and AES, poll interval, launcher. The real proxy also
makes Kubernetes API calls, so stock is faster here than on a cluster.
"""

from __future__ import annotations

import contextlib
import os
import signal

from enterprise_gateway.services.processproxies.container import ContainerProcessProxy

RUNNING = "running"


class FakePodProxy(ContainerProcessProxy):  # type: ignore[misc]  # upstream has no types
    """A ContainerProcessProxy whose container is a local process."""

    assigned_host: str

    def get_initial_states(self) -> set[str]:
        """Return the states in which the kernel counts as alive."""
        return {RUNNING}

    def get_error_states(self) -> set[str]:
        """Return no states, because a process that has ended has none, like a deleted pod."""
        return set()

    def get_container_status(self, iteration: int | None) -> str:  # noqa: ARG002  # upstream's signature
        """Return `running` while the launcher's process runs, else ""; the first call assigns the address."""
        if self.local_proc is None or self.local_proc.poll() is not None:
            return ""
        if not self.assigned_host:
            self.assigned_ip = "127.0.0.1"
            self.assigned_host = self.container_name = f"process-{self.local_proc.pid}"
        return RUNNING

    def terminate_container_resources(self) -> None:
        """End the launcher and its session's processes, as deleting a pod would."""
        if self.local_proc is not None and self.local_proc.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.local_proc.pid, signal.SIGKILL)
            self.local_proc.wait(5)
        self.container_name = ""
