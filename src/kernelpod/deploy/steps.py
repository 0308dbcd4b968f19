"""Runs steps one after another, and says what became of each when one fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Literal

from kernelpod.deploy.progress import Progress
from kernelpod.errors import KernelpodError


@dataclass(frozen=True)
class Step:
    """A step, which can be repeated safely."""

    what: str
    run: Callable[[], object]


@dataclass(frozen=True)
class Outcome:
    """What became of a step."""

    step: str
    outcome: Literal["done", "failed", "planned", "left"]
    message: str = ""

    def as_dict(self) -> dict[str, str]:
        """Return the outcome as a dict for JSON."""
        return asdict(self)


def run(steps: list[Step], progress: Progress) -> list[Outcome]:
    """Run the steps up to the first that fails, and return what became of each."""
    done: list[Outcome] = []
    for step in steps:
        try:
            with progress(step.what):
                step.run()
        except (KernelpodError, OSError) as error:
            done.append(Outcome(step.what, "failed", getattr(error, "message", str(error))))
            return [*done, *(Outcome(left.what, "left") for left in steps[len(done) :])]
        done.append(Outcome(step.what, "done"))
    return done
