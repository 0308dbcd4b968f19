"""Behaviours, by the sentences that name them, and what is said of each: same, better or worse."""

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


def verdict(local: Any, ours: Any, best: Any = None) -> str:
    """Return "same", "better" or "worse". A side that failed is never the same as anything."""
    if isinstance(ours, str) and ours.startswith(FAILED):
        return "worse"
    if ours == local:
        return "same"
    return "better" if best is not None and ours == best else "worse"
