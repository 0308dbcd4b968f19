"""Converts when idle servers are ended to the settings, which say it for servers and kernels."""

from __future__ import annotations

import re
from typing import Any

from kernelpod.importers.moves import Values
from kernelpod.settings.culling import MOST_IDLE_SECONDS

# The chart's default of `cull.timeout`.
_CULL_SECONDS = 3600
_SECONDS = re.compile(r"[0-9]{1,9}")


def take_culling(values: Values) -> dict[str, Any]:
    """Return the idle time after which kernels and servers are culled; the generated values have the rest."""
    if not values.section("cull"):
        return {}
    on = not any(values.get(key) is False for key in ("cull.enabled", "cull.enable"))
    seconds = _seconds(values.get("cull.timeout"))
    for key in ("enable", "enabled"):
        values.drop(f"cull.{key}", "it is culling.idle_seconds of the settings now, also for kernels", "changed")
    if seconds and on:
        values.drop("cull.timeout", "it is culling.idle_seconds of the settings now, also for kernels", "changed")
    elif on:
        values.made.note(("cull",), "added", f"culling.idle_seconds is {_CULL_SECONDS}, the chart's default")
    values.drop("cull.timeout", "it is no time that settings take" if on else "culling is off")
    for key in ("every", "concurrency"):
        values.drop(f"cull.{key}", "it is computed from culling.idle_seconds of the settings")
    values.drop("cull.maxAge", "servers would be culled while their kernels are busy")
    return {"culling": {"idle_seconds": (seconds or _CULL_SECONDS) if on else 0}}


def _seconds(given: Any) -> float:
    """Return an idle time as settings take it, also from a text, which the chart takes, too; 0 for others."""
    if isinstance(given, str) and _SECONDS.fullmatch(given):
        given = int(given)
    number = given if type(given) in (int, float) else 0
    return number if 0 < number <= MOST_IDLE_SECONDS else 0
