"""Another user's kernel does not exist: on every route and the websocket, with the same text."""

from __future__ import annotations

from typing import Any

import pytest
import websocket

from client import NO_KERNEL

ACTIONS = [("GET", ""), ("DELETE", ""), ("POST", "/interrupt"), ("POST", "/restart")]


@pytest.mark.parametrize(("method", "action"), ACTIONS)
def test_a_foreign_kernel_answers_like_a_missing_one(site: Any, method: str, action: str) -> None:
    kernel_id = site.alice.start()
    foreign, missing = (site.bob.ask(method, f"kernels/{one}{action}") for one in (kernel_id, NO_KERNEL))
    assert foreign.status_code == missing.status_code == 404
    assert foreign.text.replace(kernel_id, "ID") == missing.text.replace(NO_KERNEL, "ID")
    assert set(foreign.headers) == set(missing.headers)
    assert site.alice.run(kernel_id, "print(1)") == "1\n"


def test_a_foreign_websocket_answers_like_a_missing_one(site: Any) -> None:
    kernel_id, said = site.alice.start(), []
    for one in (kernel_id, NO_KERNEL):
        with pytest.raises(websocket.WebSocketBadStatusException) as caught, site.bob.channels(one):
            pass
        said.append((caught.value.status_code, (caught.value.resp_body or b"").decode().replace(one, "ID")))
    assert said[0] == said[1]
    assert said[0][0] == 404


def test_each_sees_her_own_kernels_and_the_admin_all(site: Any) -> None:
    hers, his = site.alice.start(), site.bob.start()
    assert (site.alice.ids(), site.bob.ids()) == ([hers], [his])
    assert set(site.admin.ids()) == {hers, his}
    assert site.by("metrics-token").ids() == []


def test_the_admin_can_stop_and_interrupt_by_scope_and_not_by_name(site: Any) -> None:
    kernel_id = site.alice.start()
    assert site.admin.ask("POST", f"kernels/{kernel_id}/interrupt").status_code == 204
    assert site.admin.ask("DELETE", f"kernels/{kernel_id}").status_code == 204
    assert site.alice.ids() == []


def test_a_kernelspec_for_a_group_is_neither_listed_nor_started_by_others(site: Any) -> None:
    stanza = {"image": "i", "groups": ["staff"], "profiles": {"open": {"display_name": "Open", "groups": []}}}
    site.spec("staff-pod", metadata={"kernelpod": stanza})
    listed = [set(who.ask("GET", "kernelspecs").json()["kernelspecs"]) for who in (site.alice, site.bob)]
    assert listed[0] - listed[1] == {"staff-pod"}
    assert site.bob.ask("GET", "kernelspecs/staff-pod").status_code == 404
    assert site.bob.post("staff-pod").json()["code"] == "kernelspec_forbidden"
    site.bob.start("staff-pod.open")
    site.alice.start("staff-pod")


def test_a_listing_shows_no_environment_of_the_kernelspec(site: Any) -> None:
    site.spec("secret-pod", env={"API_KEY": "hunter2"})
    assert "hunter2" not in site.alice.ask("GET", "kernelspecs").text
