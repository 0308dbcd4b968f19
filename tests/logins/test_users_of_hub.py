"""A real hub names its users page by page; `kernelpod homes --of-hub` reads all of them."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from hubs import Hub, cleaned, example
from kernelpod.hub.restapi import Api, RefusedError, user_names

TOKEN = SecretStr("0123456789abcdef" * 4)
NAMES = {"ada", "bob", "carol", "dora", "jo.doe"}


def test_all_pages_are_read_and_only_with_the_scope(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("users")
    lister = {"name": "lister", "api_token": TOKEN.get_secret_value()}
    other = {"name": "other", "api_token": TOKEN.get_secret_value()[::-1]}
    sections = example("dummy", Authenticator__allowed_users=sorted(NAMES))
    sections["JupyterHub"] |= {
        "api_page_default_limit": 2,
        "api_page_max_limit": 2,
        "services": [lister, other],
        "load_roles": [{"name": "listers", "services": ["lister"], "scopes": ["list:users"]}],
    }
    with cleaned(folder), Hub(folder, sections, DEMO_PASSWORD="only for this test") as hub:
        found = user_names(Api("the hub", f"{hub.inner_url}/hub/api", TOKEN))
        assert set(found) >= NAMES
        assert len(found) == len(set(found))
        with pytest.raises(RefusedError, match="list:users"):
            user_names(Api("the hub", f"{hub.inner_url}/hub/api", SecretStr(other["api_token"])))
