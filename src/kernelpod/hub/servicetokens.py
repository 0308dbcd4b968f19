"""Ends the former tokens of the hub's services when they get new ones.

JupyterHub adds the tokens of its configuration to its database and removes none, so a service's former token would
stay valid for ever.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import Any

from jupyterhub.orm import APIToken, Service
from sqlalchemy import event
from sqlalchemy.orm import configure_mappers, object_session

# The notes of tokens from the configuration, and of those that the hub makes for services that it runs.
NOTES = ("from config", "generated at startup")


def end_former_tokens(services: Collection[str]) -> None:
    """From now on, let the token that the hub gives one of these services end the service's former ones."""
    configure_mappers()
    event.listen(APIToken.service, "set", partial(_end_former, frozenset(services)))


def _end_former(services: Collection[str], token: APIToken, service: Service | None, *_: Any) -> None:
    if service is None or service.name not in services or token.note not in NOTES:
        return
    session = object_session(service)
    # The new token does not belong to the service yet.
    former = session.query(APIToken).filter(APIToken.service_id == service.id, APIToken.note.in_(NOTES))
    with session.no_autoflush:
        former.delete(synchronize_session="fetch")
