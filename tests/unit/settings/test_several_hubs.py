"""Who is meant: equal names of several hubs, and of users and services, are different people."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from doubles import an_identity
from kernelpod.homes.mounts import mounts_for
from kernelpod.settings.sections import Settings
from kernelpod.start.rules import first_of_rules

TWO = [{"name": "teaching"}, {"name": "exam"}]
DYNAMIC = {"kind": "dynamic", "server": "10.0.0.5", "claim": "claim-{username}"}
APART = {"path_template": "{hub}/{username}"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "the hubs teaching and exam would share homes"),
        ({"homes": APART}, ""),
        ({"homes": {"shared_homes": True}}, ""),
        ({"homes": {"volume": {"kind": "pvc", "claim": "claim-{username}"}}}, "would share homes"),
        ({"homes": {"volume": {"kind": "pvc", "claim": "claim-{hub}-{username}"}}}, ""),
        ({"homes": {"volume": {**DYNAMIC, "namespace": "hub"}}}, "would share homes"),
        ({"homes": {"volume": {**DYNAMIC, "namespace": "{hub}"}}}, ""),
        ({"homes": APART, "policy": {"rules": [{"users": ["alice"]}]}}, "policy.rules.0.hubs: name the hubs"),
        (
            {"homes": APART, "policy": {"rules": [{"users": ["alice"], "hubs": ["exma"]}]}},
            "there is no hub 'exma'",
        ),
        ({"homes": APART, "policy": {"rules": [{"users": ["alice"], "hubs": ["exam"]}]}}, ""),
        (
            {"homes": APART, "mounts": [{"name": "d", "root": "/d", "mount_path": "/d", "groups": ["staff"]}]},
            "mounts.d.hubs: name the hubs",
        ),
        ({"homes": APART, "mounts": [{"name": "d", "root": "/d", "mount_path": "/d"}]}, ""),
    ],
)
def test_several_hubs_say_whom_they_mean(changes: dict[str, Any], said: str) -> None:
    if said:
        with pytest.raises(ValidationError, match=said):
            Settings.model_validate({"hubs": TWO, **changes})
    else:
        Settings.model_validate({"hubs": TWO, **changes})


def test_staff_of_one_hub_is_not_staff_of_another() -> None:
    mount = {"name": "d", "root": "/d", "mount_path": "/d", "groups": ["staff"], "hubs": ["exam"]}
    rule = {"groups": ["staff"], "hubs": ["exam"], "uid": 2000}
    made = Settings.model_validate({"hubs": TWO, "homes": APART, "mounts": [mount], "policy": {"rules": [rule]}})
    for hub, uid, mounts in (("exam", 2000, ["d"]), ("teaching", 1000, [])):
        identity = an_identity("alice", hub=hub, groups=("staff",))
        assert first_of_rules(made, identity, lambda one: one.uid, made.policy.uid) == uid
        assert [one.name for one in mounts_for(made, hub, "alice", ("staff",)).shared] == mounts


@pytest.mark.parametrize(
    ("template", "passes"),
    [
        ("_services/{username}", True),
        ("Services/{username}", True),
        ("{username}", False),
        ("services/{username}", False),
        ("services-{username}", False),
        ("{hub}/{username}", False),
    ],
)
def test_a_service_never_has_the_home_of_a_user(template: str, passes: bool) -> None:
    if passes:
        made = Settings.model_validate({"homes": {"service_path_template": template}})
        mount = {"name": "d", "root": "/d", "mount_path": "/d", "users": ["alice"]}
        made = made.model_copy(update={"mounts": Settings.model_validate({"mounts": [mount]}).mounts})
        homes = {mounts_for(made, "hub", "alice", (), service=one).home.path for one in (True, False)}
        assert len(homes) == 2
        assert mounts_for(made, "hub", "alice", (), service=True).shared == ()
    else:
        with pytest.raises(ValidationError, match="service_path_template"):
            Settings.model_validate({"homes": {"service_path_template": template}})


def test_users_below_a_folder_leave_room_for_services() -> None:
    homes = {"path_template": "users/{username}", "service_path_template": "services/{username}"}
    Settings.model_validate({"homes": homes})
