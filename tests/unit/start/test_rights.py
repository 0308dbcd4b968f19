"""What withdraws a running kernel from its owner, and what does not; a pure function."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from doubles import a_plan, a_spec, an_identity
from kernelpod.errors import Denied, NotFound
from kernelpod.kernelspecs.published import PublishedKernelspecs
from kernelpod.settings.kernels import Kernelspecs
from kernelpod.settings.sections import Settings
from kernelpod.start.identity import Owner
from kernelpod.start.plan import KernelPlan
from kernelpod.start.rights import check_plan

DATA = {
    "name": "data",
    "mount_path": "/srv/data",
    "volume": {"kind": "pvc", "claim": "data"},
    "root": "/srv",
    "read_only": False,
}
STAFF = {**DATA, "groups": ["staff"]}
BASE: dict[str, Any] = {
    "mounts": [DATA],
    "policy": {"rules": [{"groups": ["staff"], "supplemental_groups": [4000], "bounds": {"cpu": 4}}]},
}
ALICE = an_identity(groups=("staff",))


def recorded(**changes: Any) -> KernelPlan:
    return a_plan(identity=ALICE, settings=Settings.model_validate({**BASE, **changes}))


def reason(plan: KernelPlan | None = None, identity: Any = ALICE, spec: Any = None, **changes: Any) -> str:
    """Return the code and the sentence that withdraw the kernel; "" if it is still allowed."""
    settings = Settings.model_validate({**BASE, **changes})
    try:
        check_plan(plan or recorded(), identity, spec or a_spec(), settings)
    except Denied as error:
        return f"{error.code}: {error.message}"
    return ""


def test_nothing_changed_withdraws_nothing() -> None:
    assert reason() == ""


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"mounts": []}, "You may no longer use /srv/data"),
        ({"mounts": [{**DATA, "groups": ["professors"]}]}, "You may no longer use /srv/data"),
        ({"mounts": [{**DATA, "read_only": True}]}, "You may no longer write to /srv/data"),
        ({"mounts": [{**DATA, "volume": {"kind": "pvc", "claim": "other"}}]}, "no longer use /srv/data"),
        ({"homes": {"path_template": "{hub}/{username}"}}, "You may no longer use /home/jovyan"),
        ({"policy": {**BASE["policy"], "uid": 1234}}, "user id or groups"),
        ({"policy": {}}, "user id or groups"),
        ({"policy": {"rules": [{**BASE["policy"]["rules"][0], "bounds": {"cpu": "500m"}}]}}, "1 cpu"),
        (
            {"policy": {"rules": [{**BASE["policy"]["rules"][0], "bounds": {"ephemeral_storage": "1Gi"}}]}},
            "10Gi ephemeral_storage",
        ),
        ({"kernelspecs": {"allowed_images": ["trusted.example/*"]}}, "no longer allowed"),
    ],
)
def test_settings_withdraw_what_they_no_longer_give(changes: dict[str, Any], said: str) -> None:
    assert said in reason(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"mounts": [DATA, {**STAFF, "name": "more", "mount_path": "/srv/more"}]},
        {"mounts": [{**DATA, "mount_path": "/srv/elsewhere", "root": "/srv"}]},
        {"policy": {**BASE["policy"], "max_kernels_per_user": 1}},
        {"policy": {"rules": [{**BASE["policy"]["rules"][0], "supplemental_groups": [4000, 5000]}]}},
        {"start": {"launch_timeout_seconds": 7}},
    ],
)
def test_more_rights_and_other_settings_withdraw_nothing(changes: dict[str, Any]) -> None:
    assert reason(**changes) == ""


def test_a_group_that_was_left_withdraws_mounts_kernelspecs_and_ids() -> None:
    left = an_identity(groups=())
    assert "user id or groups" in reason(identity=left)
    only_mount: dict[str, Any] = {"mounts": [STAFF], "policy": {}}
    plan = recorded(**only_mount)
    assert reason(plan, **only_mount) == ""
    assert "no longer use /srv/data" in reason(plan, left, **only_mount)
    assert reason(plan, left, a_spec(groups=("staff",)), **only_mount).startswith("kernelspec_forbidden: ")


def test_a_writable_kernel_is_withdrawn_when_its_user_may_only_read() -> None:
    mounts = {"mounts": [{**DATA, "read_only": True, "writers": ["staff"]}], "policy": {}}
    plan = recorded(**mounts)
    assert "no longer write" in reason(plan, an_identity(), **mounts)
    assert reason(a_plan(identity=an_identity(), settings=Settings.model_validate(mounts)), ALICE, **mounts) == ""


def test_another_network_withdraws_the_kernel() -> None:
    assert "network is default, but yours is now none" in reason(spec=a_spec(network="none"))


def test_a_service_account_must_still_be_allowed() -> None:
    plan = recorded().model_copy(update={"service_account": "spark"})
    assert "service account" in reason(plan)
    assert reason(plan, kernelspecs={"service_accounts": ["spark"]}) == ""


def publish(folder: Path, name: str, text: str) -> None:
    (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / name / "kernel.json").write_text(text, encoding="utf-8")


def test_a_removed_kernelspec_is_withdrawn_and_a_broken_one_is_not(tmp_path: Path) -> None:
    whole = (
        '{"display_name": "P", "language": "python", "argv": ["p", "{connection_file}"],'
        ' "metadata": {"kernelpod": {"image": "a:1"}}}'
    )
    for name in ("one", "two"):
        publish(tmp_path, name, whole)
    published = PublishedKernelspecs(Kernelspecs(path=str(tmp_path), refresh_seconds=0.001))
    found = published.still("one", "")
    assert found is not None
    assert found.spec == "one"
    with pytest.raises(NotFound):
        published.still("three", "")
    publish(tmp_path, "one", "{")
    published._looked_at = float("-inf")
    assert published.still("one", "") is None
    tmp_path.rename(tmp_path.with_name("away"))
    published._looked_at = float("-inf")
    assert published.still("two", "") is None


NOON = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("owner", "caller", "same"),
    [
        (None, None, True),
        (None, NOON, True),
        (NOON, NOON, True),
        (NOON, NOON + timedelta(microseconds=400), True),
        (NOON, NOON + timedelta(seconds=2), False),
        (NOON, None, False),
    ],
)
def test_a_user_made_again_is_another_owner(owner: Any, caller: Any, *, same: bool) -> None:
    one = Owner(hub="h", kind="user", name="alice", created=owner)
    assert one.is_same_as(Owner(hub="h", kind="user", name="alice", created=caller)) is same
    assert not one.is_same_as(Owner(hub="h", kind="user", name="bob", created=caller))
    assert not one.is_same_as(Owner(hub="h", kind="service", name="alice", created=caller))
    assert not one.is_same_as(Owner(hub="other", kind="user", name="alice", created=caller))
    assert not one.may_be(Owner(hub="other", kind="user", name="alice", created=caller))


def test_who_may_be_the_same_counts_for_the_limits() -> None:
    old, new, unknown = (
        Owner(hub="h", kind="user", name="a", created=one) for one in (NOON, NOON.replace(year=2027), None)
    )
    assert unknown.may_be(old)
    assert old.may_be(unknown)
    assert not old.may_be(new)
