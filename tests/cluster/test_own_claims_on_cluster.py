"""Homes that are each user's own claim, where kernels run in the hub's namespace: those of old hubs are found."""

from __future__ import annotations

from collections.abc import Iterator

import kube
import pytest
from cluster_site import MakeSite, Site, claim_on

from kernelpod.base.names import former_user_slug, user_slug

JOHN = "John.Döe"


@pytest.fixture(scope="module")
def claims(make_site: MakeSite) -> Iterator[Site]:
    """A gateway where John has a claim of his name in old hubs, and alice's claim was made for somebody else."""
    site = make_site(sections={"homes": {"root": "/homes", "volume": {"claim": "claim-{username}"}}})
    given = []
    for folder, name, user in (("john", f"claim-{former_user_slug(JOHN)}", JOHN), ("alice", "claim-alice", "bob")):
        site.home(folder)
        given += claim_on(f"{site.export}/{folder}", site.namespace, name=name, user=user)
    kube.kubectl("apply", "-f", "-", given=given)
    yield site
    site.stop_kernels()
    kube.kubectl("delete", "-f", "-", "--wait=false", given=given)


def test_a_kernel_mounts_the_claim_that_an_old_hub_made_for_its_user(claims: Site) -> None:
    kernel = claims.by("john-token").start()
    said = claims.by("john-token").run(kernel, "import os; open('x', 'w').write('John'); print(os.getcwd())")
    assert said == "/home/jovyan\n"
    assert (claims.homes / "john" / "x").read_text(encoding="utf-8") == "John"
    (pod,) = kube.items("pods", claims.namespace, f"kernelpod.io/user={user_slug(JOHN)}")
    (home,) = (one for one in pod["spec"]["volumes"] if one["name"] == "home")
    assert home["persistentVolumeClaim"]["claimName"] == f"claim-{former_user_slug(JOHN)}"


def test_nobody_gets_a_claim_that_was_made_for_another_user(claims: Site) -> None:
    answer = claims.alice.ask("POST", "kernels", json={"name": "python-pod"})
    assert answer.json()["code"] == "home_not_shared", answer.text
    assert "it was made for another user" in answer.json()["message"]
    assert kube.items("pods", claims.namespace, "kernelpod.io/user=alice") == []
