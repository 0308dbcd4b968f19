"""What a kernel computes, by its own word: the requests that it has begun and not ended, one for each subshell."""

from __future__ import annotations

from kernelpod.gateway.channels import wire

# Requests that a kernel answers on the control channel beside what it computes: their states say nothing of that.
ASIDE = frozenset(
    f"{name}_request"
    for name in (
        *("debug", "usage", "interrupt", "shutdown", "kernel_info"),
        *("create_subshell", "delete_subshell", "list_subshell"),
    )
)
MOST_COMPUTING = 100


class Computing:
    """The running requests of one kernel. At most 100 are remembered, the newest."""

    def __init__(self) -> None:
        self._running: dict[str | None, tuple[str, bytes]] = {}

    def __bool__(self) -> bool:
        """Return whether the kernel computes."""
        return bool(self._running)

    def clear(self) -> None:
        """Forget everything, because the kernel has started anew."""
        self._running.clear()

    def running(self) -> list[tuple[str, bytes]]:
        """Return the msg_id and the header in JSON of each running request."""
        return list(self._running.values())

    def end(self, msg_id: str) -> None:
        """Note that a request has ended, without the kernel's word."""
        self._running = {key: one for key, one in self._running.items() if one[0] != msg_id}

    def forget_subshells(self) -> None:
        """Forget what subshells compute, because one was deleted; the others say so with their next cell."""
        self._running = {key: one for key, one in self._running.items() if key is None}

    def hear(self, message: wire.FromKernel) -> str:
        """Return the kernel's state after a status message; "" if the message changes nothing.

        A kernel is busy while any of its subshells computes, whatever the control channel answers meanwhile.
        Raises NotAMessageError.
        """
        parent, told = message.parent(), message.content().get("execution_state")
        if told == "starting":
            self.clear()
            return "idle"
        if told not in ("busy", "idle") or parent.get("msg_type") in ASIDE:
            return ""
        subshell = parent.get("subshell_id")
        key = subshell if isinstance(subshell, str) else None
        self._running.pop(key, None)
        if told == "busy":
            self._running[key] = parent.get("msg_id", ""), message.parts[wire.PARENT]
            if len(self._running) > MOST_COMPUTING:
                del self._running[next(iter(self._running))]
        return "busy" if self._running else "idle"
