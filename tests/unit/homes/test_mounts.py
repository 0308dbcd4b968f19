"""Homes and shared folders: one function says where they are, and KERNEL_PATH is only compared with it."""

from __future__ import annotations

from typing import Any

import pytest

from kernelpod.errors import Denied
from kernelpod.homes.mounts import UserMounts, check_kernel_path, mounts_for, working_dir
from kernelpod.pods.parts import volume_mounts, volumes
from kernelpod.settings.sections import Settings

ROOT = "/home/nfs_share/claim"


def mounts(username: str = "alice", groups: tuple[str, ...] = (), hub: str = "hub", **settings: Any) -> UserMounts:
    return mounts_for(Settings.model_validate(settings), hub, username, groups)


def test_the_home_is_the_slug_below_the_root() -> None:
    home = mounts().home
    assert (home.path, home.sub_path, home.mount_path) == (f"{ROOT}/alice", "alice", "/home/jovyan")
    assert not home.read_only
    assert mounts("john.doe").home.path == f"{ROOT}/john-doe---30f69670"


def test_homes_may_have_the_names_that_older_hubs_gave() -> None:
    data = {"name": "d", "root": "/d", "path_template": "of/{username}", "mount_path": "/d"}
    made = mounts("jo.doe@example.org", homes={"slug": "escape"}, mounts=[data])
    assert made.home.path == f"{ROOT}/jo-2edoe-40example-2eorg"
    assert made.shared[0].path == "/d/of/jo-2edoe-40example-2eorg"
    assert mounts("alice", homes={"slug": "escape"}).home.path == f"{ROOT}/alice"


def test_claims_have_their_names_whatever_homes_are_called() -> None:
    volume = {"kind": "pvc", "claim": "claim-{username}"}
    made = [mounts("jo.doe", homes={"slug": slug, "volume": volume}) for slug in ("safe", "escape")]
    assert made[0] == made[1]


@pytest.mark.parametrize("slug", ["safe", "escape"])
@pytest.mark.parametrize(
    "username", ["../bob", "bob/../../etc", "/etc", "..", ".", "", "a/b", "bob\0", "{hub}", "$(id)"]
)
def test_no_name_leads_out_of_the_root(username: str, slug: str) -> None:
    home = mounts(username, homes={"slug": slug}).home
    assert home.path == f"{ROOT}/{home.sub_path}"
    assert "/" not in home.sub_path
    assert not {".", "\0", "$", "{"} & set(home.sub_path)


def test_two_hubs_may_have_homes_of_their_own() -> None:
    homes = {"path_template": "{hub}/{username}"}
    assert mounts(homes=homes, hub="exam").home.path == f"{ROOT}/exam/alice"


@pytest.mark.parametrize("claimed", [None, f"{ROOT}/alice"])
def test_an_absent_or_equal_kernel_path_is_accepted(claimed: str | None) -> None:
    check_kernel_path(claimed, mounts().home)


REFUSED = {
    "empty": "",
    "somebody else's": f"{ROOT}/bob",
    "the root": ROOT,
    "the filesystem": "/",
    "below the home": f"{ROOT}/alice/x",
    "dots to another": f"{ROOT}/alice/../bob",
    "dots to itself": f"{ROOT}/bob/../alice",
    "double slash": f"{ROOT}//alice",
    "leading double slash": f"/{ROOT}/alice",
    "trailing slash": f"{ROOT}/alice/",
    "a dot": f"{ROOT}/./alice",
    "trailing space": f"{ROOT}/alice ",
    "upper case": f"{ROOT}/Alice",
    "relative": "alice",
    "the mount path": "/home/jovyan",
    "a shell's": "$(echo /)",
    "a template's": "{{ '/' }}",
    "5,000 characters": "/" + "x" * 5000,
    "a prefix": f"{ROOT}/ali",
    "a look-alike": f"{ROOT}/\u0430lice",
}


@pytest.mark.parametrize("claimed", REFUSED.values(), ids=REFUSED)
def test_any_other_kernel_path_is_refused_with_both_paths(claimed: str) -> None:
    with pytest.raises(Denied) as caught:
        check_kernel_path(claimed, mounts().home)
    assert caught.value.code == "foreign_home"
    assert repr(claimed[:200]) in caught.value.message
    assert f"{ROOT}/alice" in caught.value.message
    assert len(caught.value.message) < 500


SHARED = [
    {"name": "data", "root": "/srv/data", "mount_path": "/data"},
    {"name": "team", "root": "/srv/team", "mount_path": "/team", "groups": ["staff"], "writers": ["chiefs"]},
    {"name": "box", "root": "/srv/box", "path_template": "{username}", "mount_path": "/box", "users": ["alice"]},
]


@pytest.mark.parametrize(
    ("username", "groups", "names"),
    [
        ("bob", (), ["home", "data"]),
        ("bob", ("staff",), ["home", "data", "team"]),
        ("alice", (), ["home", "data", "box"]),
        ("Alice", (), ["home", "data"]),
    ],
)
def test_shared_folders_are_for_users_and_groups(username: str, groups: tuple[str, ...], names: list[str]) -> None:
    assert [mount.name for mount in mounts(username, groups, mounts=SHARED).all()] == names


def test_shared_folders_are_read_only_except_for_writers() -> None:
    reader, chief = (
        mounts("bob", groups, mounts=SHARED).shared[1] for groups in (("staff",), ("staff", "chiefs"))
    )
    assert (reader.read_only, chief.read_only) == (True, False)
    assert (reader.path, reader.sub_path) == ("/srv/team", "")
    assert mounts(mounts=SHARED).shared[1].path == "/srv/box/alice"


INSIDE = {
    "nothing wished": (None, "/home/jovyan"),
    "empty": ("", "/home/jovyan"),
    "the home": ("/home/jovyan", "/home/jovyan"),
    "below the home": ("/home/jovyan/a/b", "/home/jovyan/a/b"),
    "relative": ("a/b", "/home/jovyan/a/b"),
    "space and umlaut": ("/home/jovyan/Müller Häuser/ß", "/home/jovyan/Müller Häuser/ß"),
    "dots that stay": ("/home/jovyan/a/../b", "/home/jovyan/b"),
    "slashes": ("//home/jovyan//a/", "/home/jovyan/a"),
    "another mount": ("/data/2026", "/data/2026"),
    "as it lies on the storage": (f"{ROOT}/alice/a", "/home/jovyan/a"),
    "a mount on the storage": ("/srv/data/x", "/data/x"),
    "hostile": ("/home/jovyan/$(id) {{ 1 }}", "/home/jovyan/$(id) {{ 1 }}"),
}


@pytest.mark.parametrize(("wished", "made"), INSIDE.values(), ids=INSIDE)
def test_a_folder_in_a_mount_is_the_same_place_in_the_kernel(wished: str | None, made: str) -> None:
    assert working_dir(wished, mounts(mounts=SHARED)) == (made, "")


OUTSIDE = [
    "/",
    "/etc",
    "/home",
    "/home/jovyan/..",
    "/home/jovyan/../bob",
    "../..",
    "/home/jovyanx",
    f"{ROOT}/bob",
    "/team",
]


@pytest.mark.parametrize("wished", OUTSIDE)
def test_a_folder_outside_every_mount_becomes_the_home_and_is_said(wished: str) -> None:
    folder, why = working_dir(wished, mounts(mounts=SHARED))
    assert folder == "/home/jovyan"
    assert wished in why
    assert "none of your mounts" in why


def test_a_pod_names_a_claim_once_however_many_mounts_are_of_it() -> None:
    """Kubelet would wait for the second volume of the same claim until the pod is gone."""
    data = {"root": "/srv/data", "volume": {"claim": "shared"}}
    shared = [
        {**data, "name": "data", "mount_path": "/data"},
        {**data, "name": "notes", "path_template": "notes", "mount_path": "/notes", "read_only": False},
    ]
    found = mounts(mounts=shared).all()
    claims = [(volume["name"], volume["persistentVolumeClaim"]) for volume in volumes(found)]
    assert claims == [
        ("home", {"claimName": "homes", "readOnly": False}),
        ("data", {"claimName": "shared", "readOnly": False}),
    ]
    assert [(one["name"], one["mountPath"], one["readOnly"]) for one in volume_mounts(found)] == [
        ("home", "/home/jovyan", False),
        ("data", "/data", True),
        ("data", "/notes", False),
    ]
