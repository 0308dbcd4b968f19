"""Rights that are withdrawn while a kernel runs: pages are closed with the reason, and restarts are refused."""

from __future__ import annotations

from typing import Any

import pytest

from doubles import FakeHub, eventually, user_model

QUICK = {"cache_seconds": 0.1, "negative_cache_seconds": 0.1, "recheck_seconds": 0.2}


@pytest.fixture(scope="module")
def own_hub() -> Any:
    with FakeHub() as running:
        yield running


@pytest.fixture(scope="module")
def rights_site(make_site: Any, own_hub: Any) -> Any:
    users = {"alice-token": user_model("alice", groups=["staff"]), "admin-token": user_model("carol", scopes=[
        *user_model("carol")["scopes"], "custom:kernelpod:admin"])}  # fmt: skip
    own_hub.users.update(users)
    site = make_site(own_hub, identity=QUICK)
    site.spec("staff-only", metadata={"kernelpod": {"image": "registry.example/kernel:1", "groups": ["staff"]}})
    return site


@pytest.fixture
def alice(rights_site: Any, own_hub: Any) -> Any:
    before = own_hub.users["alice-token"]
    eventually(lambda: is_staff(rights_site.alice), what="what the last test withdrew is back")
    yield rights_site.alice
    own_hub.users["alice-token"] = before
    rights_site.stop_kernels()


def is_staff(caller: Any) -> bool:
    """Return whether the gateway knows the user as one of the staff by now."""
    return "staff-only" in caller.ask("GET", "kernelspecs").json()["kernelspecs"]


def refused(caller: Any, kernel_id: str, verb: str = "restart") -> tuple[int, str]:
    answer = caller.ask("POST", f"kernels/{kernel_id}/{verb}")
    return answer.status_code, answer.json().get("code", "") if answer.content else ""


def test_a_user_who_left_the_group_of_a_kernelspec_cannot_go_on(
    alice: Any, rights_site: Any, own_hub: Any
) -> None:
    kernel_id = alice.start("staff-only")
    with alice.channels(kernel_id) as channels:
        channels.run("x = 1")
        own_hub.users["alice-token"] = user_model("alice")
        status, reason = channels.closed_with()
        assert (status, "is not for your groups" in reason) == (1008, True)
    for verb in ("restart", "interrupt"):
        assert refused(alice, kernel_id, verb) == (403, "kernelspec_forbidden")
    with pytest.raises(Exception, match="403"):
        alice.channels(kernel_id).__enter__()
    assert alice.ids() == [kernel_id]  # so that they can stop it
    own_hub.users["alice-token"] = user_model("alice", groups=["staff"])
    eventually(lambda: refused(alice, kernel_id, "interrupt")[0] == 204, what="the right is back")
    assert alice.run(kernel_id, "print(x)") == "1\n"  # a refused restart ends nothing
    own_hub.users["alice-token"] = user_model("alice")
    eventually(lambda: refused(alice, kernel_id, "interrupt")[0] == 403, what="the right is withdrawn again")
    assert alice.ask("DELETE", f"kernels/{kernel_id}").status_code == 204


def test_an_admin_can_use_a_kernel_whose_owner_cannot(alice: Any, rights_site: Any, own_hub: Any) -> None:
    kernel_id = alice.start("staff-only")
    own_hub.users["alice-token"] = user_model("alice")
    eventually(lambda: refused(alice, kernel_id, "interrupt")[0] == 403, what="the right is withdrawn")
    assert rights_site.admin.run(kernel_id, "print(1)") == "1\n"


def test_a_user_made_again_under_the_same_name_gets_no_kernel(alice: Any, rights_site: Any, own_hub: Any) -> None:
    own_hub.users["alice-token"] = user_model("alice", created="2026-01-01T00:00:00.000000Z")
    eventually(lambda: not is_staff(alice), what="the gateway knows the new user")
    kernel_id = alice.start()
    own_hub.users["alice-token"] = user_model("alice", groups=["staff"], created="2026-01-01T00:00:00Z")
    eventually(lambda: is_staff(alice), what="the gateway knows the other form of the time")
    assert alice.run(kernel_id, "print(1)") == "1\n"
    for later in ({"created": "2026-02-01T00:00:00.000000Z"}, {}):
        own_hub.users["alice-token"] = user_model("alice", **later)
        before = own_hub.asked
        eventually(lambda before=before: alice.ids() != [""] and own_hub.asked > before, what="the hub is asked")
        eventually(lambda: alice.ids() == [], what="the kernel is another user's")
        assert refused(alice, kernel_id) == (404, "kernel_not_found")
        assert alice.ask("DELETE", f"kernels/{kernel_id}").status_code == 404
    assert rights_site.admin.ids() == [kernel_id]
