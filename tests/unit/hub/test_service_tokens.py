"""A service's new token ends its former one: in the hub's own database, by the hub's own start."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.hub

FIRST, SECOND = "a1" * 32, "b2" * 32


@pytest.fixture
def loaded(tmp_path: Path) -> Iterator[Any]:
    """A function that starts a hub, up to its tokens, with one of the gateway's, and returns its database."""
    from jupyterhub import orm
    from jupyterhub.app import JupyterHub
    from traitlets.config import Config

    from kernelpod.hub.config import configure
    from kernelpod.settings.sections import Settings

    (tmp_path / "cookie").write_text("c" * 64, encoding="utf-8")
    (tmp_path / "cookie").chmod(0o600)
    hubs: list[Any] = []

    async def load(token: str) -> Any:
        config = Config()
        configure(config, Settings.model_validate({"hubs": [{"token": token}], "culling": {"idle_seconds": 600}}))
        config.JupyterHub.services.append({"name": "other", "api_token": token[::-1]})
        config.JupyterHub.db_url = f"sqlite:///{tmp_path}/hub.sqlite"
        config.JupyterHub.cookie_secret_file = str(tmp_path / "cookie")
        config.JupyterHub.authenticator_class = "dummy"
        config.Authenticator.allow_all = True
        JupyterHub.clear_instance()
        hub = JupyterHub.instance(config=config)
        hubs.append(hub)
        hub.init_secrets()
        hub.init_db()
        hub.init_hub()
        hub.init_oauth()
        await hub.init_role_creation()
        await hub.init_users()
        hub.init_services()
        await hub.init_api_tokens()
        return hub.db

    yield lambda token: asyncio.run(load(token)), orm.APIToken
    for hub in hubs:
        engine = hub.db.get_bind()
        hub.db.close()
        engine.dispose()
    JupyterHub.clear_instance()


def test_a_new_token_of_the_gateways_service_ends_the_former(loaded: Any) -> None:
    load, tokens = loaded
    db = load(FIRST)
    assert tokens.find(db, FIRST).service.name == "kernelpod"
    db = load(SECOND)
    assert tokens.find(db, SECOND).service.name == "kernelpod"
    assert tokens.find(db, FIRST) is None


def test_the_tokens_of_other_services_are_left_alone(loaded: Any) -> None:
    load, tokens = loaded
    load(FIRST)
    db = load(SECOND)
    assert {tokens.find(db, one[::-1]).service.name for one in (FIRST, SECOND)} == {"other"}


def test_a_start_with_the_same_token_keeps_it_and_the_culler_has_one(loaded: Any) -> None:
    load, tokens = loaded
    load(FIRST)
    db = load(FIRST)
    assert tokens.find(db, FIRST).service.name == "kernelpod"
    names = [one.service.name for one in db.query(tokens) if one.service]
    assert names.count("jupyterhub-idle-culler") == 1
