"""Reads what a hub answers about a user. An answer that cannot be used is the fault of that user's data alone."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from kernelpod.errors import HubUnavailable
from kernelpod.settings.hubs import Hub
from kernelpod.start.identity import Identity, Owner

log = logging.getLogger(__name__)

# The choices of a user that the gateway reads, and how much of each is kept.
CHOICES = ("profile", "semester")
MAX_CHOICE_LENGTH = 200


@dataclass(frozen=True)
class HubAnswer:
    """The hub's response to an API request."""

    status: int
    body: bytes


class HubSilentError(Exception):
    """The hub could not be reached or did not answer in time."""


def parse_answer(hub: Hub, answer: HubAnswer) -> Identity:
    """Return the identity in a hub's answer with status 200.

    Raises HubUnavailable: `hub_unavailable` for any other status and for a body that is not a user model, such as
    a proxy's page, `hub_answer_invalid` for a body that no honest user has.
    """
    if answer.status != 200:
        log.warning("hub %s answered status %d", hub.name, answer.status)
        raise hub_unavailable()
    try:
        model = parsed(answer.body)
        kind, name = model["kind"], model["name"]
        groups, scopes = model.get("groups") or [], model.get("scopes") or []
        servers = model.get("servers") or {}
        fits = all(isinstance(text, str) for text in [kind, name, *groups, *scopes]) and isinstance(servers, dict)
    except RecursionError as error:
        raise answer_invalid(hub, "it is nested too deep") from error
    except (ValueError, KeyError, TypeError, AttributeError):
        fits = False
    if not fits or kind not in ("user", "service") or not name:
        log.warning("hub %s answered something that is not a user model", hub.name)
        raise hub_unavailable()
    # The answer for a server's token lists only that server. Other tokens may list several; then no server is
    # taken.
    server, options = next(iter(servers.items())) if len(servers) == 1 else (None, {})
    return Identity(
        owner=Owner(hub=hub.name, kind=kind, name=name, created=_created(model.get("created"))),
        groups=tuple(sorted(groups)),
        server=server,
        scopes=frozenset(scopes),
        user_options=_choices(options.get("user_options")) if isinstance(options, dict) else {},
    )


def parsed(body: bytes) -> Any:
    """Return the JSON of a hub's answer.

    Raises ValueError for what is none, or says one key twice, and RecursionError for what is nested too deep.
    """
    return json.loads(body, object_pairs_hook=_without_duplicates)


def hub_unavailable() -> HubUnavailable:
    """Return the error for a token that cannot be checked, because the hub does not answer."""
    return HubUnavailable(
        "hub_unavailable",
        "The hub does not answer, so your token cannot be checked. Try again in a few seconds.",
    )


def answer_invalid(hub: Hub, why: str) -> HubUnavailable:
    """Return the error for a token whose owner's own data make the hub's answer useless."""
    log.warning("hub %s gave an answer for one user that cannot be used: %s", hub.name, why)
    return HubUnavailable(
        "hub_answer_invalid",
        "The hub's answer about you cannot be used, perhaps because of the options of your server. Stop your "
        "servers at the hub and start one anew; if that does not help, ask an admin.",
        detail=why,
    )


def _choices(options: Any) -> dict[str, str]:
    """Return what the user chose. Other options may be of any size, and identities are cached."""
    if not isinstance(options, dict):
        return {}
    return {name: str(options[name])[:MAX_CHOICE_LENGTH] for name in CHOICES if options.get(name)}


def _without_duplicates(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object. Raises ValueError if a name occurs twice: readers may take different ones."""
    made = dict(members)
    if len(made) < len(members):
        raise ValueError("a name occurs twice")
    return made


def _created(text: Any) -> datetime | None:
    """Return the time in a user model, which JupyterHub writes in UTC with "Z"; None if it is not one."""
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except (AttributeError, ValueError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
