"""What the gateway says in pages in the kernel's name, of what is refused or lost. Limits are in bytes."""

from __future__ import annotations

TOO_MUCH = "Too much waits for the kernel, which is busy. Run this cell again later."
LOCKED_OUT = (
    "Another gateway was connected to the kernel: the kernel did not hear this request, or its answer is lost. "
    "Run it again."
)
UNANSWERED = "The kernel ended this request without an answer, as when it was interrupted just then. Run it again."
MAY_BE_LOST = "\n[Output of this cell may be lost on its way from the kernel.]\n"


def cut_off(limit: int) -> str:
    """Return what the pages read in cells that ran while the kernel was cut off."""
    return f"\n[Output is lost: the kernel was cut off, as after a message of more than {limit / 1e6:.0f} MB.]\n"


def answer_lost(limit: int) -> str:
    """Return the error of a request that the kernel has read and will not answer."""
    return f"The kernel's answer is lost. It may have had more than {limit / 1e6:.0f} MB."


def not_shown(lost_bytes: int) -> str:
    """Return what a page reads in the place of output that it was too slow for."""
    return f"\n[{lost_bytes / 1e6:.1f} MB of output were not shown: too much for this page's connection.]\n"
