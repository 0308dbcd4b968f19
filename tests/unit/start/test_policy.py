"""Policy: who may, how many, how much, and as which user id; a pure function."""

from __future__ import annotations

from typing import Any

import pytest

from doubles import a_plan, a_spec, an_identity
from kernelpod.base.quantities import parse_bytes
from kernelpod.errors import Denied, StartFailed
from kernelpod.kernelspecs.model import GIVEN_VARIABLES
from kernelpod.kernelspecs.resources import Resources
from kernelpod.settings.sections import Settings
from kernelpod.start.policy import Usage, is_offered
from kernelpod.start.request import KernelRequest, ResourceWish
from kernelpod.start.rules import user_bounds

SIZES = Resources.model_validate(
    {
        "requests": {"cpu": "500m", "memory": "1Gi"},
        "limits": {"cpu": 1, "memory": "2Gi"},
        "bounds": {"cpu": 4, "memory": "8Gi"},
    }
)


def wish(**changes: Any) -> KernelRequest:
    return KernelRequest(spec="python-pod", **changes)


def settings(**policy: Any) -> Settings:
    return Settings.model_validate({"policy": policy})


def denied(**parts: Any) -> str:
    with pytest.raises(Denied) as caught:
        a_plan(**parts)
    return caught.value.code


def sized(**wishes: Any) -> tuple[int, int, int, int]:
    made = a_plan(request=wish(resources=ResourceWish(**wishes)), spec=a_spec(resources=SIZES)).resources
    return made.cpu_millicores, made.cpu_limit_millicores, made.memory_bytes >> 30, made.memory_limit_bytes >> 30


@pytest.mark.parametrize(
    ("wishes", "made"),
    [
        ({}, (500, 1000, 1, 2)),
        ({"cpu_limit": 3000, "memory_limit": 4 << 30}, (500, 3000, 1, 4)),
        ({"cpu": 2000, "memory": 4 << 30}, (2000, 2000, 4, 4)),
        ({"cpu_limit": 200, "memory_limit": 1 << 30}, (200, 200, 1, 1)),
        ({"cpu": 3000, "cpu_limit": 2000}, (3000, 3000, 1, 2)),
        ({"cpu": 99_000, "memory": 99 << 30}, (4000, 4000, 8, 8)),
        ({"cpu_limit": 99_000, "memory_limit": 99 << 30}, (500, 4000, 1, 8)),
    ],
)
def test_wishes_are_kept_within_bounds_and_a_guarantee_within_its_limit(
    wishes: dict[str, int], made: tuple[int, ...]
) -> None:
    assert sized(**wishes) == made


def test_what_was_cut_is_said() -> None:
    plan = a_plan(request=wish(resources=ResourceWish(cpu=9000)), spec=a_spec(resources=SIZES))
    assert plan.notes == ("KERNEL_CPUS 9 was cut to your bound of 'python-pod', 4.",)


def test_without_bounds_the_limits_are_the_bounds() -> None:
    tight = SIZES.model_copy(update={"bounds": None})
    made = a_plan(request=wish(resources=ResourceWish(cpu=9000)), spec=a_spec(resources=tight))
    assert made.resources.cpu_limit_millicores == 1000


def test_an_operator_may_refuse_instead_of_cutting() -> None:
    parts = {"request": wish(resources=ResourceWish(memory_limit=9 << 30)), "spec": a_spec(resources=SIZES)}
    assert denied(settings=settings(over_bounds="refuse"), **parts) == "out_of_bounds"
    fits = wish(resources=ResourceWish(memory_limit=8 << 30))
    a_plan(request=fits, spec=a_spec(resources=SIZES), settings=settings(over_bounds="refuse"))


@pytest.mark.parametrize(("own", "passes"), [(0, True), (1, True), (2, False), (3, False)])
def test_a_user_has_so_many_places(own: int, passes: bool) -> None:
    parts: dict[str, Any] = {"settings": settings(max_kernels_per_user=2), "usage": Usage(all=own, own=own)}
    if passes:
        a_plan(**parts)
    else:
        assert denied(**parts) == "too_many_kernels"


def test_everybody_together_has_so_many_places() -> None:
    assert denied(settings=settings(max_kernels=3), usage=Usage(all=3)) == "too_many_kernels"
    assert denied(settings=settings(max_kernels=0)) == "too_many_kernels"
    a_plan(settings=settings(max_kernels=3), usage=Usage(all=2, own=2))


def test_a_rule_gives_some_users_more_or_fewer_places() -> None:
    rules = [{"groups": ["guests"], "max_kernels_per_user": 0}, {"users": ["alice"], "max_kernels_per_user": 9}]
    made = settings(max_kernels_per_user=1, rules=rules)
    a_plan(settings=made, usage=Usage(8, 8))
    assert denied(settings=made, identity=an_identity("bob"), usage=Usage(1, 1)) == "too_many_kernels"
    assert denied(settings=made, identity=an_identity("alice", groups=("guests",))) == "too_many_kernels"


def test_who_has_no_place_is_not_told_to_stop_a_kernel() -> None:
    with pytest.raises(Denied, match="let you start no kernels"):
        a_plan(settings=settings(max_kernels_per_user=0))


RULES = [
    {"users": ["alice"], "uid": 2001},
    {"groups": ["staff"], "uid": 3000, "gid": 3000, "supplemental_groups": [3001, 3002]},
    {"groups": ["ml"], "supplemental_groups": []},
]


@pytest.mark.parametrize(
    ("name", "groups", "ids"),
    [
        ("bob", (), (1000, 100, ())),
        ("alice", (), (2001, 100, ())),
        ("alice", ("staff",), (2001, 3000, (3001, 3002))),
        ("bob", ("ml", "staff"), (3000, 3000, (3001, 3002))),
        ("bob", ("ml",), (1000, 100, ())),
        ("Alice", (), (1000, 100, ())),
    ],
)
def test_the_first_rule_that_sets_an_id_wins(name: str, groups: tuple[str, ...], ids: tuple[Any, ...]) -> None:
    made, who = settings(rules=RULES), an_identity(name, groups=groups)
    plan = a_plan(settings=made, identity=who)
    assert (plan.uid, plan.gid, plan.supplemental_groups) == ids


def test_a_service_called_alice_gets_nothing_from_alices_rule() -> None:
    homes = {"service_path_template": "_services/{username}"}
    with_homes = Settings.model_validate({"policy": {"rules": RULES}, "homes": homes})
    plan = a_plan(settings=with_homes, identity=an_identity(kind="service"))
    assert (plan.uid, plan.mounts.home.sub_path) == (1000, "_services/alice")


def test_a_service_cannot_have_a_home() -> None:
    assert denied(identity=an_identity(kind="service")) == "no_home"


@pytest.mark.parametrize(
    ("groups", "passes"), [((), False), (("other",), False), (("ml",), True), (("x", "ml"), True)]
)
def test_a_kernelspec_may_be_for_groups(groups: tuple[str, ...], passes: bool) -> None:
    parts = {"spec": a_spec(groups=("ml", "staff")), "identity": an_identity(groups=groups)}
    if passes:
        a_plan(**parts)
    else:
        assert denied(**parts) == "kernelspec_forbidden"


@pytest.mark.parametrize("claim", ["bob", "", "Alice", "alice ", "root", "../alice", "x" * 4000])
def test_a_foreign_user_name_is_refused(claim: str) -> None:
    assert denied(request=wish(username=claim)) == "foreign_username"


def test_ones_own_user_name_is_accepted() -> None:
    assert a_plan(request=wish(username="alice")) == a_plan()


def test_a_foreign_home_is_refused() -> None:
    assert denied(request=wish(kernel_path="/home/nfs_share/claim/bob")) == "foreign_home"


def test_a_foreign_claim_is_told_before_how_full_the_gateway_is() -> None:
    assert denied(request=wish(username="bob"), settings=settings(max_kernels=0)) == "foreign_username"


@pytest.mark.parametrize(("wished", "made"), [(None, 60), (5, 5), (3600, 60)])
def test_a_client_may_ask_for_less_patience_only(wished: float | None, made: float) -> None:
    assert a_plan(request=wish(launch_timeout_seconds=wished)).launch_timeout_seconds == made


def test_the_environment_is_an_explicit_list() -> None:
    spec = a_spec(
        env={"HOME": "/root", "KERNEL_ID": "x", "KERNEL_USERNAME": "root", "LANG": "de_DE.UTF-8", "A": "b"}
    )
    assert a_plan(spec=spec).env == {
        "LANG": "de_DE.UTF-8",
        "SHELL": "/bin/bash",
        "HOME": "/home/jovyan",
        "USER": "alice",
        "LOGNAME": "alice",
        "KERNEL_ID": a_plan().kernel_id,
        "KERNEL_USERNAME": "alice",
        "A": "b",
    }


def test_the_plan_says_where_it_differs_from_the_wish() -> None:
    plan = a_plan(request=wish(working_dir="/etc"))
    assert plan.working_dir == "/home/jovyan"
    assert "'/etc' is in none of your mounts" in plan.notes[0]


GPUS = Resources.model_validate({"gpus": {"count": 1, "bound": 2, "resource": "amd.com/gpu"}})


@pytest.mark.parametrize(("wished", "made"), [(None, 1), (0, 0), (2, 2), (5, 2)])
def test_gpus_are_bounded_by_the_kernelspec(wished: int | None, made: int) -> None:
    plan = a_plan(request=wish(resources=ResourceWish(gpus=wished)), spec=a_spec(resources=GPUS))
    assert (plan.resources.gpus, plan.resources.gpu_resource) == (made, "amd.com/gpu")
    assert bool(plan.notes) == (wished == 5)


def test_gpus_of_a_kernelspec_without_any_are_a_wish_only() -> None:
    plan = a_plan(request=wish(resources=ResourceWish(gpus=1)))
    assert (plan.resources.gpus, plan.notes) == (0, ("KERNEL_GPUS 1 was cut to your bound of 'python-pod', 0.",))
    asked = wish(resources=ResourceWish(gpus=1))
    assert denied(settings=settings(over_bounds="refuse"), request=asked) == "out_of_bounds"


BOUNDED = settings(
    rules=[
        {"groups": ["guests"], "bounds": {"cpu": 2, "memory": "4Gi", "gpus": 0, "ephemeral_storage": "20Gi"}},
        {"users": ["alice"], "bounds": {}},
    ]
)
GUEST = an_identity("bob", groups=("guests",))


def test_a_users_own_bounds_cut_what_the_kernelspec_would_allow() -> None:
    parts: dict[str, Any] = {"settings": BOUNDED, "spec": a_spec(resources=SIZES)}
    asked = wish(resources=ResourceWish(cpu_limit=99_000, memory_limit=99 << 30))
    plan = a_plan(request=asked, identity=GUEST, **parts)
    assert (plan.resources.cpu_limit_millicores, plan.resources.memory_limit_bytes) == (2000, 4 << 30)
    assert a_plan(request=asked, **parts).resources.cpu_limit_millicores == 4000


@pytest.mark.parametrize(
    ("sizes", "offered"),
    [
        (SIZES, True),
        (GPUS, False),
        (Resources.model_validate({"limits": {"cpu": 3, "memory": "1Gi"}}), False),
        (Resources.model_validate({"limits": {"cpu": 1, "memory": "5Gi"}}), False),
        (Resources.model_validate({"limits": {"cpu": 2, "memory": "4Gi"}}), True),
        (Resources.model_validate({"ephemeral_storage": "20Gi"}), True),
        (Resources.model_validate({"ephemeral_storage": "21Gi"}), False),
    ],
)
def test_a_kernelspec_over_a_users_bounds_is_neither_offered_nor_started(sizes: Resources, offered: bool) -> None:
    spec = a_spec(resources=sizes)
    assert is_offered(spec, "hub", GUEST.groups, user_bounds(BOUNDED, GUEST), ()) is offered
    assert is_offered(spec, "hub", (), user_bounds(BOUNDED, an_identity("alice")), ())
    if offered:
        a_plan(settings=BOUNDED, identity=GUEST, spec=spec)
    else:
        assert denied(settings=BOUNDED, identity=GUEST, spec=spec) == "out_of_bounds"


@pytest.mark.parametrize(
    ("given", "own", "bound", "made"),
    [
        ({}, None, None, ("128Mi", "10Gi")),
        ({"request": "1Gi", "limit": "2Gi"}, None, None, ("1Gi", "2Gi")),
        ({}, "20Gi", None, ("128Mi", "20Gi")),
        ({"request": "1Gi"}, "512Mi", None, ("512Mi", "512Mi")),
        ({}, None, "4Gi", ("128Mi", "4Gi")),
        ({}, None, "64Mi", ("64Mi", "64Mi")),
        ({}, None, "40Gi", ("128Mi", "10Gi")),
        ({}, "20Gi", "20Gi", ("128Mi", "20Gi")),
    ],
)
def test_a_kernel_cannot_fill_the_nodes_disk(
    given: dict[str, str], own: str | None, bound: str | None, made: tuple[str, str]
) -> None:
    rules = [{"users": ["alice"], "bounds": {"ephemeral_storage": bound}}]
    data = {"runtime": {"kubernetes": {"ephemeral_storage": given}}, "policy": {"rules": rules}}
    spec = a_spec(resources=Resources.model_validate({"ephemeral_storage": own}))
    resources = a_plan(settings=Settings.model_validate(data), spec=spec).resources
    assert (resources.ephemeral_bytes, resources.ephemeral_limit_bytes) == tuple(map(parse_bytes, made))


MOUNTS = {
    "mounts": [{"name": name, "root": f"/srv/{name}", "mount_path": f"/{name}"} for name in ("data", "drop")]
}


@pytest.mark.parametrize(("names", "seen"), [(None, ["data", "drop"]), (("drop",), ["drop"]), ((), [])])
def test_a_kernelspec_may_take_some_mounts_only(names: tuple[str, ...] | None, seen: list[str]) -> None:
    plan = a_plan(settings=Settings.model_validate(MOUNTS), spec=a_spec(mounts=names))
    assert [mount.name for mount in plan.mounts.shared] == seen


def test_a_mount_that_the_user_may_not_have_is_not_had_by_naming_it() -> None:
    some = {"mounts": [{**MOUNTS["mounts"][0], "groups": ["staff"]}]}
    assert a_plan(settings=Settings.model_validate(some), spec=a_spec(mounts=("data",))).mounts.shared == ()


def test_a_mount_that_the_settings_do_not_have_is_the_kernelspecs_fault() -> None:
    with pytest.raises(StartFailed, match="'data', which is not in the settings") as caught:
        a_plan(spec=a_spec(mounts=("data",)))
    assert caught.value.code == "kernelspec_unusable"


def test_what_every_kernel_is_given_is_what_no_kernelspec_may_set_by_a_secret() -> None:
    assert set(a_plan().env) - {"LANG", "SHELL"} == GIVEN_VARIABLES


def test_a_kernel_knows_the_path_of_its_notebook() -> None:
    name = "/home/jovyan/week 1/look.ipynb"
    assert a_plan(request=wish(session_name=name)).env["JPY_SESSION_NAME"] == name
    assert "JPY_SESSION_NAME" not in a_plan().env
