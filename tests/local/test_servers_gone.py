"""A kernel whose server has gone is ended; without the right to look, none is."""

from __future__ import annotations

from doubles import ACCESS, FakeHub, eventually, user_model
from local.conftest import MakeSite


def test_a_kernel_whose_server_is_gone_is_ended(make_site: MakeSite, hub: FakeHub) -> None:
    hub.users["service-token"] = user_model(
        "kernelpod", kind="service", scopes=[ACCESS, "read:servers"], servers={}
    )
    hub.servers = {"alice", "bob"}
    site = make_site(hubs=[{"api_url": hub.api_url, "token": "service-token"}], servers={"orphan_seconds": 0.5})
    gone, stays = site.alice.start(), site.bob.start()
    hub.servers = {"bob"}
    eventually(lambda: site.admin.ids() == [stays], what="alice's kernel is ended")
    assert f"kernel {gone} of hub:alice is ended" in site.gateway.log
    site.stop_kernels()


def test_without_the_scope_to_look_no_kernel_is_ended(make_site: MakeSite, hub: FakeHub) -> None:
    hub.users["service-token"] = user_model("kernelpod", kind="service", scopes=[ACCESS], servers={})
    hub.servers = set()
    site = make_site(hubs=[{"api_url": hub.api_url, "token": "service-token"}], servers={"orphan_seconds": 0.2})
    kernel = site.alice.start()
    eventually(lambda: "lacks the scope read:servers" in site.gateway.log, what="the lack is said")
    assert site.admin.ids() == [kernel]
    site.stop_kernels()
