"""Who somebody is: owners of kernels, and callers as the hub describes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pydantic import BaseModel, ConfigDict

# MySQL rounds times to seconds, so a hub tells another time after its restart.
CREATED_PRECISION = timedelta(seconds=1)


class Owner(BaseModel):
    """The owner of a kernel. Equal names of two hubs, or of a user and a service, are different owners."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    hub: str
    kind: str
    name: str
    created: datetime | None = None
    """When the hub made this user, so that a later user of the same name is another owner; None if it did not say.
    """

    def is_same_as(self, caller: Owner) -> bool:
        """Return whether a caller is this owner. A caller whose hub does not tell `created` is not, if this owner
        has one: they might be another user of the same name."""
        if self.created is None:
            return self.named() == caller.named()
        return caller.created is not None and self.may_be(caller)

    def may_be(self, other: Owner) -> bool:
        """Return whether both may be the same user, as far as is known."""
        if self.created is None or other.created is None:
            return self.named() == other.named()
        return self.named() == other.named() and abs(self.created - other.created) <= CREATED_PRECISION

    def named(self) -> Owner:
        """Return the owner without `created`."""
        return self.model_copy(update={"created": None})

    def __str__(self) -> str:
        """Return hub and name, with the kind unless it is a user whose name cannot be taken for another's."""
        plain = self.kind == "user" and ":" not in self.name
        return f"{self.hub}:{self.name}" if plain else f"{self.hub}:{self.kind}:{self.name}"


@dataclass(frozen=True)
class Identity:
    """An authenticated caller, as described by the hub.

    `user_options` is what the user chose of CHOICES when they started their server. It never grants rights.
    """

    owner: Owner
    groups: tuple[str, ...] = ()
    server: str | None = None
    """Name of the server that the token belongs to, "" for the default server; None for other tokens."""
    scopes: frozenset[str] = frozenset()
    user_options: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The user's name as the hub spells it."""
        return self.owner.name
