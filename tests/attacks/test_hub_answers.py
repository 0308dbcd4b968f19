"""Users choose what the hub answers about them: their server's options."""

from __future__ import annotations

from typing import Any

import pytest

from doubles import ACCESS, eventually, user_model

MEGABYTE = 1024 * 1024


def options(content: Any) -> dict[str, Any]:
    """Return the `servers` of a user model whose server was started with these options."""
    return {"": {"name": "", "ready": True, "url": "/user/mallory/", "user_options": content}}


def nested(depth: int) -> Any:
    made: Any = {}
    for _ in range(depth):
        made = {"a": made}
    return made


@pytest.mark.parametrize("size", [2 * MEGABYTE, 40 * MEGABYTE])
def test_a_user_cannot_silence_the_hub_by_long_options(hub: Any, site: Any, size: int) -> None:
    hub.users["mallory-token"] = user_model("mallory", servers=options({"profile": "x" * size}))
    hub.users["newcomer-token"] = user_model("newcomer")
    refused = site.by("mallory-token").ask("GET", "kernels")
    assert (refused.status_code, refused.json()["code"]) == (503, "hub_answer_invalid")
    assert site.by("newcomer-token").ask("GET", "kernels").status_code == 200
    assert site.by(None).ask("GET", "/readyz").json()["hub"] == "reachable"


def test_a_user_cannot_fill_the_gateways_memory_by_options(hub: Any, site: Any) -> None:
    """The answers for tokens are kept, ten thousand of them, but not what a user put into them."""
    before = site.gateway.memory_bytes()
    for number in range(60):
        filled = {"filler": "x" * 900_000, "profile": "ml"}
        hub.users[f"mallory-{number}"] = user_model("mallory", servers=options(filled))
        assert site.by(f"mallory-{number}").ask("GET", "kernels").status_code == 200
        del hub.users[f"mallory-{number}"]
    assert site.gateway.memory_bytes() - before < 30 * MEGABYTE


def test_a_user_cannot_keep_the_kernels_of_others_by_long_options(hub: Any, make_site: Any) -> None:
    """Whose servers run is asked for user by user; bob's answer is too long to be read."""
    hub.users["service-token"] = user_model("k", kind="service", scopes=[ACCESS, "read:servers"], servers={})
    hub.servers, hub.options = {"alice", "bob"}, {"bob": {"filler": "x" * 2 * MEGABYTE}}
    site = make_site(hubs=[{"api_url": hub.api_url, "token": "service-token"}], servers={"orphan_seconds": 0.5})
    gone, stays = site.alice.start(), site.bob.start()
    hub.servers = {"bob"}
    eventually(lambda: site.admin.ids() == [stays], what="alice's kernel is ended")
    assert f"kernel {gone} of hub:alice is ended" in site.gateway.log
    site.stop_kernels()
    hub.options = {}
