"""What somebody who may edit a courses file, and the folder that it is in, does not get by it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from kernelpod.courses.check import check_courses
from kernelpod.courses.course_access import Membership, course_mounts
from kernelpod.courses.logo import RosterWithLogo
from kernelpod.courses.model import HubFile
from kernelpod.courses.roster import Roster
from kernelpod.homes.volumes import canonical_server
from kernelpod.settings.sections import Settings

SECRET = "root:s3cret:0:0\nnext:line\n"
HOMES = {"root": "/export/homes", "volume": {"kind": "nfs", "server": "nfs.example.org"}}
ALLOWED = [{"server": "nfs.example.org", "root": "/export/courses"}, {"server": "10.0.0.5", "root": "/data"}]
SITE = Settings.model_validate({"homes": HOMES, "hubs": [{"courses_nfs": ALLOWED}]})
COURSE = {"image": "lab:1", "graders": ["eve"]}


def written(folder: Path, course: dict[str, Any] = COURSE, **keys: Any) -> Path:
    path = folder / "courses.yaml"
    data = {"semester": "ws26", "courses": {"ml": {**COURSE, **course}}, **keys}
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    return path


def said(path: Path, settings: Settings = SITE) -> str:
    return "\n".join(one.as_text() for one in check_courses(path, settings) if one.level == "error")


def storage(server: str, root: str) -> dict[str, Any]:
    return {"root": root, "volume": {"kind": "nfs", "server": server}}


@pytest.mark.parametrize(
    "server",
    ["nfs.example.org", "NFS.example.ORG", "nfs.example.org.", "nfs.example.org..", "nfs", "10.0.0.6", "167772166",
     "10.6", "0x0a.0.0.6", "::ffff:10.0.0.6", "0:0:0:0:0:ffff:a00:6"],
)  # fmt: skip
@pytest.mark.parametrize(
    "root", ["/export/homes", "/export", "/", "/export/homes/alice", "/export/coursesandmore"]
)
def test_a_courses_editor_cannot_mount_what_the_settings_do_not_name(
    tmp_path: Path, server: str, root: str
) -> None:
    """Also not all homes, by another name of their server: graders would write in them."""
    grader = {"all": {"root": root, "mount_path": "/all", "access": {"grader": "rw"},
                      "volume": storage(server, root)["volume"]}}  # fmt: skip
    assert "courses may not mount" in said(written(tmp_path, {"volumes": grader}))
    path = written(tmp_path, {"folder": {"path": "x", "mount_path": "/x"}}, storage=storage(server, root))
    assert "courses may not mount" in said(path)
    made = Roster(path, SITE)
    made.refresh()
    assert made.memberships("eve") == ()


@pytest.mark.parametrize(
    ("server", "root"),
    [("nfs2.example.org", "/export/courses"), ("10.0.0.6", "/data/x"), ("10.0.0.5", "/export/courses"),
     ("nfs.example.org", "/data")],
)  # fmt: skip
def test_a_courses_editor_cannot_mount_a_named_folder_of_another_server(
    tmp_path: Path, server: str, root: str
) -> None:
    path = written(tmp_path, {"folder": {"path": "x", "mount_path": "/x"}}, storage=storage(server, root))
    assert "courses may not mount" in said(path)


@pytest.mark.parametrize(
    ("server", "root", "mounted"),
    [
        ("NFS.Example.org.", "/export/courses", "nfs.example.org"),
        ("nfs.example.org", "/export/courses/ml", "nfs.example.org"),
        ("::ffff:10.0.0.5", "/data", "10.0.0.5"),
        ("10.5", "/data/x", "10.0.0.5"),
    ],
)
def test_a_courses_editor_cannot_choose_how_a_server_is_spelled(
    tmp_path: Path, server: str, root: str, mounted: str
) -> None:
    folder = {"path": "x", "mount_path": "/x"}
    assert said(written(tmp_path, {"folder": folder}, storage=storage(server, root))) == ""
    hub = HubFile.model_validate(
        {"storage": storage(server, root), "courses": {"ml": {**COURSE, "folder": folder}}}
    )
    mounts = course_mounts(hub, SITE, "eve", (), Membership("ml", "current", "grader"))
    assert [one.volume.server for one in mounts.shared] == [mounted]


def test_an_admin_cannot_allow_homes_by_mistake() -> None:
    for root in ("/export/homes", "/export", "/", "/export/homes/alice"):
        hub = {"courses_nfs": [{"server": "NFS.EXAMPLE.ORG.", "root": root}]}
        with pytest.raises(ValidationError, match="would let the courses file mount homes"):
            Settings.model_validate({"homes": HOMES, "hubs": [hub]})


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("A.b.", "a.B", True),
        ("10.0.0.5", "167772165", True),
        ("10.0.0.5", "0xa000005", True),
        ("FD00::0:5", "fd00::5", True),
        ("10.0.0.5", "10.0.0.6", False),
        ("a", "a.b", False),
    ],
)
def test_two_spellings_of_a_server_are_one(one: str, other: str, same: bool) -> None:
    assert (canonical_server(one) == canonical_server(other)) is same


def place(folder: Path, kind: str) -> str:
    """Put something secret that a list may name somewhere, and return what the list is called."""
    config, secret = folder / "config", folder / "secret"
    config.mkdir()
    secret.mkdir()
    (secret / "shadow").write_text(SECRET, encoding="utf-8")
    (secret / "lists.csv").write_text("Username\nmallory\n", encoding="utf-8")
    (config / "link.csv").symlink_to(secret / "lists.csv")
    (config / "folder").symlink_to(secret)
    (config / "own").mkdir()
    (config / "own" / "link.csv").symlink_to(secret / "lists.csv")
    (config / "plain").write_text(SECRET, encoding="utf-8")
    os.mkfifo(config / "pipe.csv")
    names = {
        "an absolute path": str(secret / "lists.csv"),
        "dots": "../secret/lists.csv",
        "dots in between": "own/../../secret/lists.csv",
        "a link": "link.csv",
        "a folder behind a link": "folder",
        "a file behind a link": "folder/lists.csv",
        "dots behind a link": "folder/../secret/lists.csv",
        "a folder with a link": "own",
        "a file that is no list": "plain",
        "a pipe": "pipe.csv",
        "a file of the system": "/etc/passwd",
        "the environment": "/proc/self/environ",
    }
    return names[kind]


KINDS = (
    "an absolute path", "dots", "dots in between", "a link", "a folder behind a link", "a file behind a link",
    "dots behind a link", "a folder with a link", "a file that is no list", "a pipe", "a file of the system",
    "the environment",
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_a_courses_editor_cannot_read_files_of_the_hub_by_a_list(
    tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    name = place(tmp_path, kind)
    path = written(tmp_path / "config", {"students": name})
    found = said(path)
    assert found
    made = RosterWithLogo(path, SITE)
    made.refresh()
    assert made.memberships("mallory") == ()
    assert len(made.findings) == 1
    for quoted in ("s3cret", "root:", "mallory", "next"):
        assert quoted not in found.replace("mallory/", "") + caplog.text


@pytest.mark.parametrize("kind", [*KINDS[:2], *KINDS[3:4], "a file behind a link", "a pipe"])
def test_a_courses_editor_cannot_read_files_of_the_hub_by_a_logo(tmp_path: Path, kind: str) -> None:
    name = place(tmp_path, kind)
    (tmp_path / "secret" / "lists.csv").write_bytes(b"\x89PNG\r\n\x1a\nIEND")
    path = written(tmp_path / "config", theme={"logo": name})
    made = RosterWithLogo(path, SITE)
    made.refresh()
    assert made.logo is None
    assert len(made.findings) == 1


def test_a_courses_editor_cannot_give_anybody_another_users_id(tmp_path: Path) -> None:
    course = {"roles": {"grader": {"uid": 20001}}}
    home = "{mode}/{semester}/{course}/{username}"
    settings = Settings.model_validate({"hubs": [{"user_ids": "/etc/kernelpod/passwd"}]})
    assert "courses.ml.roles.grader.uid: leave it out" in said(written(tmp_path, course, home=home), settings)
    assert said(written(tmp_path, course, home=home), Settings()) == ""
    assert said(written(tmp_path, {"roles": {"grader": {"gid": 20000}}}, home=home), settings) == ""


@pytest.mark.parametrize("way", ["absolute", "above", "link", "folder is a link", "from a file below"])
def test_a_courses_editor_cannot_read_files_of_the_hub_as_a_base(tmp_path: Path, way: str) -> None:
    """Neither what is in it nor whether it is there is told."""
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "settings.yaml").write_text("hubs: [{token: s3cret}]\n", encoding="utf-8")
    inside = tmp_path / "courses"
    (inside / "below").mkdir(parents=True)
    (inside / "link.yaml").symlink_to(tmp_path / "secrets" / "settings.yaml")
    (inside / "there").symlink_to(tmp_path / "secrets")
    for name in ("settings.yaml", "no-such-file.yaml"):
        names = {
            "absolute": str(tmp_path / "secrets" / name),
            "above": f"../secrets/{name}",
            "link": "link.yaml",
            "folder is a link": f"there/{name}",
            "from a file below": "below/base.yaml",
        }
        (inside / "below" / "base.yaml").write_text(f"extends: ../../secrets/{name}\n", encoding="utf-8")
        told = said(written(inside, extends=names[way]))
        assert "link; put the file itself there" in told or "is not in the folder of the courses file" in told
        assert "s3cret" not in told
        assert "token" not in told


def test_lists_in_named_folders_and_in_a_mounted_config_map_are_read(tmp_path: Path) -> None:
    """kubelet shows each file of a ConfigMap as a link into a folder beside, which it replaces as a whole."""
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "a.csv").write_text("Username\nalice\n", encoding="utf-8")
    mounted = tmp_path / "mounted"
    (mounted / "..2026_11").mkdir(parents=True)
    (mounted / "..2026_11" / "b.csv").write_text("Username\nbob\n", encoding="utf-8")
    (mounted / "..data").symlink_to("..2026_11")
    (mounted / "b.csv").symlink_to("..data/b.csv")
    named = [str(tmp_path / "lists"), str(mounted)]
    settings = Settings.model_validate({"hubs": [{"courses_folders": named}]})
    (tmp_path / "config").mkdir()
    keys = {"students": str(tmp_path / "lists" / "a.csv"), "graders": str(mounted / "b.csv")}
    made = Roster(written(tmp_path / "config", keys), settings)
    made.refresh()
    assert [len(made.memberships(name)) for name in ("alice", "bob")] == [1, 1]


TEMPLATES = (
    "_{course}{username}",
    "_x/{course}-{username}",
    "{username}{mode}",
    "_x/u-{username}",
    "_a/{username}.d",
)


@pytest.mark.parametrize("home", TEMPLATES)
def test_a_courses_editor_cannot_give_two_users_one_home(tmp_path: Path, home: str) -> None:
    assert "{username} must be a name of its own" in said(written(tmp_path, home=home)) or "put '/'" in said(
        written(tmp_path, home=home)
    )


@pytest.mark.parametrize("home", ["{hub}{username}", "{hub}-{username}", "x/{username}{hub}", "of-{username}"])
def test_an_admin_cannot_give_two_users_one_home_by_mistake(home: str) -> None:
    with pytest.raises(ValidationError, match=r"between \{username\} and \{hub\}|must be a name of its own"):
        Settings.model_validate({"homes": {"path_template": home}})


@pytest.mark.parametrize("path", ["{course}{username}", "p/{semester}_{username}"])
def test_a_courses_editor_cannot_give_two_users_one_personal_folder(tmp_path: Path, path: str) -> None:
    folder = {"path": path, "mount_path": "/x", "access": {"student": "rw"}}
    assert "or two users could get one folder" in said(written(tmp_path, {"mounts": {"own": folder}}))
