"""Behaviours, by the sentences that name them, and what is said of each: same, better, worse or unknown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.parity.side import Side

    Script = Callable[[Side], Any]

FAILED = "failed: "
_ALL: dict[str, Behaviour] = {}


@dataclass(frozen=True)
class Behaviour:
    """Something that a person notices: a script against one side, which returns what was observed, as JSON."""

    title: str
    script: Script
    best: Any = None
    """What should be observed where a local kernel loses something; None if a local kernel does well."""

    @property
    def subject(self) -> str:
        """The subject, which is the name of the module."""
        return self.script.__module__.rpartition(".")[2]


def behaviour(title: str, *, best: Any = None) -> Callable[[Script], Script]:
    """Register a script under a title."""

    def register(script: Script) -> Script:
        assert title not in _ALL, title
        _ALL[title] = Behaviour(title, script, best)
        return script

    return register


def behaviours() -> list[Behaviour]:
    """Return all that are registered, in the order of their modules."""
    return list(_ALL.values())


def shows(line: str) -> dict[str, Any]:
    """Return what is seen of a cell that has printed a line and ended well."""
    return {"end": "ok", "shown": [f"stdout: {line}\n"]}


def verdict(local: Any, ours: Any, best: Any = None) -> str:
    """Return "same", "better" or "worse"; "unknown" if the local kernel failed and nobody has said what is best.

    A side that failed is never the same as anything.
    """
    if _failed(ours):
        return "worse"
    if ours == local:
        return "same"
    if best is not None:
        return "better" if ours == best else "worse"
    return "unknown" if _failed(local) else "worse"


def _failed(observed: Any) -> bool:
    return isinstance(observed, str) and observed.startswith(FAILED)
