"""Pods with what a site adds: the rest of the plan stays, and the added containers reach nothing of the user's."""

from __future__ import annotations

from typing import Any

import pytest

from doubles import a_plan
from kernelpod.pods import additions
from kernelpod.pods.parts import restricted
from kernelpod.settings.pods import PodAdditions
from kernelpod.start.record import KernelRecord, read
from plans import ADDITIONS, HOSTILE, PLANS, made

ADDED = PodAdditions.model_validate(ADDITIONS)


def pods() -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the same kernel's pod with additions and without."""
    plan = PLANS["additions"]()
    return made(plan).pod, made(plan.model_copy(update={"additions": PodAdditions()})).pod


def test_all_that_the_plan_decides_stays_as_it_was() -> None:
    with_them, without = pods()
    spec, plain = dict(with_them["spec"]), dict(without["spec"])
    assert spec.pop("initContainers")[:1] == plain.pop("initContainers")
    assert spec.pop("tolerations") == [*plain.pop("tolerations"), {"key": "site", "operator": "Exists"}]
    assert spec.pop("hostAliases") == [{"ip": "10.1.2.3", "hostnames": ["licences.example.org", "licences"]}]
    assert spec == plain
    for place in ("labels", "annotations"):
        ours = {key: with_them["metadata"][place][key] for key in without["metadata"][place]}
        assert {**ours, "kernelpod.io/record": ""} == {**without["metadata"][place], "kernelpod.io/record": ""}


def test_the_order_is_check_then_what_ends_then_sidecars() -> None:
    containers = pods()[0]["spec"]["initContainers"]
    assert [(one["name"], one.get("restartPolicy")) for one in containers] == [
        ("home-check", None),
        ("wait-for-licences", None),
        ("proxy", "Always"),
    ]


@pytest.mark.parametrize("uid", [1000, 65532, 65531])
def test_added_containers_have_no_volume_no_privilege_and_not_the_users_id(uid: int) -> None:
    for container in additions.init_containers(ADDED, uid):
        context = container["securityContext"]
        assert not {"volumeMounts", "volumeDevices", "envFrom", "ports", "lifecycle"} & set(container)
        assert context.items() >= restricted().items()
        assert context["runAsUser"] == context["runAsGroup"] not in (0, uid)
        assert set(container["resources"]) == {"requests", "limits"}


def test_a_plan_cannot_be_overruled_even_by_additions_that_were_never_checked() -> None:
    keys = {"kernelpod.io/user": "bob", "kernelpod.io/network": "open", "kernelpod.io/record": "{}"}
    forged = PodAdditions.model_construct(labels=keys, annotations=keys)
    plan = a_plan()
    metadata, plain = (made(one).pod["metadata"] for one in (plan.model_copy(update={"additions": forged}), plan))
    assert metadata["labels"]["kernelpod.io/user"] == plain["labels"]["kernelpod.io/user"]
    assert metadata["labels"]["kernelpod.io/network"] == plain["labels"]["kernelpod.io/network"]
    assert metadata["annotations"]["kernelpod.io/record"] != "{}"


def test_a_record_brings_the_additions_of_its_start_back() -> None:
    plan = PLANS["additions"]()
    assert read(KernelRecord(plan=plan).to_json()).plan == plan


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_kubelet_expands_nothing_in_an_added_container(text: str) -> None:
    one = {**ADDITIONS["sidecars"][0], "command": [text], "args": [text], "env": {"A": text}}
    (container,) = additions.init_containers(PodAdditions.model_validate({"sidecars": [one]}), 1000)
    doubled = text.replace("$", "$$")
    assert (container["command"], container["args"]) == ([doubled], [doubled])
    assert container["env"] == [{"name": "A", "value": doubled}]
