"""KernelRecord: what is stored with a kernel, so that a gateway can find and restart it. It holds no secrets."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kernelpod.errors import RecordError
from kernelpod.start.identity import Owner
from kernelpod.start.plan import KernelPlan
from kernelpod.start.session import Session

VERSION = 1

# Converts a record of an older version to the next one. A gateway reads its own version and the one before it, so
# that an upgraded gateway finds the kernels that the old gateway left running.
UPGRADES: Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}


class KernelRecord(BaseModel):
    """A kernel's plan, with its owner. It is stored as long as the kernel runs; any gateway can read it."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    version: int = VERSION
    created: datetime = Field(default_factory=lambda: datetime.now(timezone.utc))
    plan: KernelPlan
    session: Session | None = None
    """What the kernel is for, as its client said. Only its owner is told."""

    @property
    def kernel_id(self) -> str:
        """The kernel's UUID."""
        return self.plan.kernel_id

    @property
    def owner(self) -> Owner:
        """The owner of the kernel."""
        return self.plan.owner

    def to_json(self) -> str:
        """Return the record as one line of JSON."""
        return self.model_dump_json(exclude={"session"} if self.session is None else None)


def read(text: str, upgrades: Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]] = UPGRADES) -> KernelRecord:
    """Return the record in `text`, converted to the current version.

    Raises RecordError if it is damaged, too old or from a newer gateway; its kernel is then left alone.
    """
    try:
        data = json.loads(text)
        version = data["version"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise RecordError("a kernel's record is not JSON with a version") from error
    if version != VERSION:
        upgrade = upgrades.get(version) if isinstance(version, int) else None
        if upgrade is None:
            raise RecordError(
                f"a kernel's record has version {version!r}; this gateway reads {VERSION} and the one before"
            )
        data = upgrade(data)
    try:
        return KernelRecord.model_validate(data)
    except ValidationError as error:
        fields = ", ".join(sorted({".".join(map(str, item["loc"])) for item in error.errors()}))
        raise RecordError(f"a kernel's record does not fit version {VERSION}: {fields}") from error
