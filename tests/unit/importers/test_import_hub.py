"""Hubs that are taken over: whole files, the known findings of old hubs by name, and hostile sources."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from kernelpod.cli.main import main
from kernelpod.courses.load import load_courses
from kernelpod.courses.roster import Roster
from kernelpod.importers.courses.hubs import imported_courses
from kernelpod.importers.hub.values import imported_values
from kernelpod.importers.report import Imported, ImportingError
from kernelpod.settings.loading import load
from kernelpod.settings.sections import Settings
from kernelpod.z2jh.values import z2jh_values

ROOT = Path(__file__).parents[3]
OLD = ROOT / "tests" / "hub" / "old"
OPTIONS = {"courses": ["--image", "registry.example/notebook:7", "--kernelspec", "exam-pod"]}
SERVERS = {"gateway_url": "http://kernelpod.gateway:8888"}


def run(*words: object, status: int = 0) -> str:
    """Return what `kernelpod hub import ...` printed."""
    done = CliRunner().invoke(main, ["hub", "import", *map(str, words)], catch_exceptions=False)
    assert done.exit_code == status, done.output
    return done.output


def files_below(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def notes(made: Imported, key: str) -> list[tuple[str, str]]:
    return [(note.change, note.why) for note in made.notes if note.key == key]


@pytest.mark.parametrize(
    ("source", "name"),
    [("courses", "courses"), ("values/demo.yaml", "demo"), ("values/classroom.yaml", "classroom")],
)
def test_whole_files_and_the_whole_report(
    source: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(OLD)
    said = run(source, "--to", tmp_path / "new", *OPTIONS.get(name, []))
    expected = files_below(OLD / "made" / name)
    report = expected.pop("report.txt").decode()
    assert said.replace(str(tmp_path / "new"), "NEW") == report
    assert files_below(tmp_path / "new") == expected


@pytest.mark.parametrize("hub", ["exam-room", "lectures"])
def test_what_is_written_passes_the_check(hub: str) -> None:
    folder = OLD / "made" / "courses"
    words = ["courses", "check", str(folder / f"{hub}.yaml"), "--settings", str(folder / "settings.yaml")]
    done = CliRunner().invoke(main, words)
    assert (done.exit_code, done.output.splitlines()[:-1]) == (0, [])


@pytest.mark.parametrize("name", ["demo", "classroom"])
def test_the_settings_make_values_that_kernelpod_gives(name: str) -> None:
    settings = load(OLD / "made" / name / "settings.yaml").model_dump(mode="json")
    settings |= {"servers": SERVERS, "runtime": {"kubernetes": {"home_check_image": "gateway:1"}}}
    made = z2jh_values(Settings.model_validate(settings), "gateway")["singleuser"]
    assert made["extraEnv"]["KERNEL_PATH"].endswith("/{username}")
    assert made["storage"]["type"] == "none"


@pytest.mark.parametrize("name", ["courses/config.yaml", "values/demo.yaml", "values/classroom.yaml"])
def test_nothing_is_lost_without_a_line(name: str) -> None:
    path = OLD / name
    assert unsaid(imported_courses(path) if path.stem == "config" else imported_values(path)) == []


def test_users_are_in_the_courses_that_they_were_in() -> None:
    folder = OLD / "made" / "courses"
    roster = Roster(folder / "exam-room.yaml", load(folder / "settings.yaml"))
    roster.refresh()
    assert [one.course for one in roster.memberships("alice")] == ["Algo-Exam"]
    assert roster.memberships("bob") == ()  # blocked in this exam
    assert roster.memberships("mallory") == ()


def test_nothing_is_written_in_a_dry_run(tmp_path: Path) -> None:
    words = (OLD / "courses" / "config.yaml", "--to", tmp_path / "new", "--dry-run", "--json", "--image", "lab:1")
    about = json.loads(run(*words, status=1))  # the exam names no kernelspecs
    assert not (tmp_path / "new").exists()
    assert str(tmp_path / "new" / "lectures.yaml") in about["files"]
    assert about["written"] is False
    assert "an exam names its kernelspecs" in " ".join(about["faults"])
    assert {note["change"] for note in about["notes"]} == {"kept", "changed", "added", "dropped", "warning"}
    assert all(note["line"] >= 1 and note["file"] for note in about["notes"])


def test_no_file_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "settings.yaml").write_text("mine", encoding="utf-8")
    assert "there already" in run(OLD / "values" / "demo.yaml", "--to", tmp_path, status=1)
    assert files_below(tmp_path) == {"settings.yaml": b"mine"}


def test_a_link_in_the_new_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "values.yaml").symlink_to(tmp_path / "elsewhere")
    run(OLD / "values" / "demo.yaml", "--to", tmp_path / "new", status=1)
    assert not (tmp_path / "elsewhere").exists()


def test_half_of_it_is_removed_when_the_rest_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "teaching").write_text("a file where a folder should be", encoding="utf-8")
    said = run(OLD / "courses", "--to", tmp_path, *OPTIONS["courses"], status=1)
    assert "nothing was written" in said
    assert list(tmp_path.rglob("*")) == [tmp_path / "lists", tmp_path / "lists" / "teaching"]


# Courses


def hub_of(folder: Path, hub: dict[str, Any], lists: dict[str, str] | None = None) -> Path:
    """Write a configuration of one hub with one course."""
    whole = {"mode": "teaching", "course_list": ["ml"], "image": "registry.example/lab:1", **hub}
    folder.mkdir(exist_ok=True)
    (folder / "config.yaml").write_text(yaml.safe_dump({"server": {"hub": whole}}), encoding="utf-8")
    for name, text in (lists if lists is not None else {"nbgrader/teaching/ml.csv": "Username\nalice\n"}).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder / "config.yaml"


def unsaid(made: Imported) -> list[str]:
    """Return what a source says, and no line of the report."""
    said = {note.key for note in made.notes if note.change != "added" and note.key not in ("server", "server.hub")}

    def told(leaf: str) -> bool:
        return any(f"{leaf}.".startswith(f"{key}.") or key.startswith(f"{leaf}.") for key in said)

    return [leaf for leaf in leaves("", made.tree.data) if not told(leaf)]


def leaves(above: str, value: Any) -> Iterator[str]:
    if isinstance(value, (dict, list)):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(f"{above}.{key}".lstrip("."), inner)
    elif value is not None:
        yield above


def new_hub(made: Imported) -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load(made.files["hub.yaml"])
    return data


def test_seed_bug_header_fb02uid_instead_of_username(tmp_path: Path) -> None:
    lists = {"nbgrader/teaching/ml.csv": "FB02UID\nalice\n", "users/blocklist/all.csv": "fb02uid\neve\n"}
    made = imported_courses(hub_of(tmp_path, {}, lists))
    assert new_hub(made)["lists"] == {"column": "FB02UID"}
    assert made.files["lists/teaching/ml.csv"] == b"FB02UID\nalice\n"
    mixed = {**lists, "users/blocklist/all.csv": "Username\neve\n"}
    made = imported_courses(hub_of(tmp_path, {}, mixed))
    assert "lists" not in new_hub(made)
    assert made.files["lists/teaching/ml.csv"] == b"Username\nalice\n"
    assert any(
        "'FB02UID' is 'Username' there" in note.as_text() and "ml.csv:1:1:" in note.as_text()
        for note in made.notes
    )


def test_a_list_without_a_header_is_not_guessed(tmp_path: Path) -> None:
    with pytest.raises(ImportingError, match=r"ml\.csv:1:1: .*it says 'alice': write 'Username'"):
        imported_courses(hub_of(tmp_path, {}, {"nbgrader/teaching/ml.csv": "alice\nbob\n"}))


def test_a_list_of_several_columns_is_not_changed_by_guessing(tmp_path: Path) -> None:
    lists = {"nbgrader/teaching/ml.csv": "Seat;FB02UID\n1;alice\n"}
    with pytest.raises(ImportingError, match="must name the column of user names"):
        imported_courses(hub_of(tmp_path, {}, lists))


def mounts(*paths: tuple[str, str], **keys: Any) -> dict[str, Any]:
    volumes = {1: {"name": "disk", "nfs": {"server": "10.0.0.7", "path": "/export"}}}
    given = [{"name": "disk", "mountPath": place, "subPath": path, **keys} for place, path in paths]
    numbered = dict(enumerate(given, 1))
    return {"extra_mounts": {"enabled": True, "volumes": volumes, "volume_mounts": numbered}}


def test_seed_bug_course_id_taken_literally(tmp_path: Path) -> None:
    made = imported_courses(hub_of(tmp_path, mounts(("/srv/sheets", "sheets/course_id"))))
    assert new_hub(made)["defaults"]["mounts"]["sheets"]["path"] == "sheets/{course}"
    key = "server.hub.extra_mounts.volume_mounts.1.subPath"
    assert notes(made, key) == [("changed", "sheets/{course}: the old one was taken literally")]


@pytest.mark.parametrize("folder", ["users/allowlist", "allowlist", "users/whitelist"])
def test_seed_bug_wrong_allow_list_folder(tmp_path: Path, folder: str) -> None:
    lists = {"nbgrader/teaching/ml.csv": "Username\nalice\n", f"{folder}/staff.csv": "Username\ndora\n"}
    made = imported_courses(hub_of(tmp_path, {}, lists))
    assert made.files["lists/allow/staff.csv"] == b"Username\ndora\n"
    # It was who may log in beside those in courses: as `allow` it would shut alice out.
    assert "allow" not in new_hub(made)
    assert any("1 of its users are in no course" in note.why for note in made.notes)


def test_allow_lists_in_both_folders_are_both_taken(tmp_path: Path) -> None:
    lists = {"allowlist/a.csv": "Username\ndora\n", "users/allowlist/a.csv": "Username\nemil\n"}
    made = imported_courses(hub_of(tmp_path, {"course_list": []}, lists))
    assert {made.files["lists/allow/a.csv"], made.files["lists/allow/a-2.csv"]} == {
        b"Username\ndora\n",
        b"Username\nemil\n",
    }


def test_seed_bug_duplicate_mounts_deleted_while_iterating(tmp_path: Path) -> None:
    made = imported_courses(hub_of(tmp_path, mounts(*[("/srv/data", "data")] * 4, ("/srv/more", "more"))))
    assert list(new_hub(made)["defaults"]["mounts"]) == ["data", "more"]
    assert sum(note.why == "it is there twice" for note in made.notes) == 3


def test_seed_bug_fallback_path_crash(tmp_path: Path) -> None:
    said = run(tmp_path, "--to", tmp_path / "new", status=1)
    assert said.startswith("kernelpod: ")
    assert "there is no such file" in said


def test_a_missing_list_is_nobody_and_told(tmp_path: Path) -> None:
    made = imported_courses(hub_of(tmp_path, {}, {}))
    assert new_hub(made)["courses"] == {"ml": {"students": []}}
    assert notes(made, "server.hub.course_list.0")[1][0] == "warning"


def test_amounts_are_those_of_kubespawner(tmp_path: Path) -> None:
    resources = {"cpu_guarantee": 0.5, "cpu_limit": "1500m", "mem_guarantee": "0.5G", "mem_limit": "512Mi"}
    config = hub_of(tmp_path, {"resources": resources})
    made = imported_courses(config)
    (tmp_path / "hub.yaml").write_bytes(made.files["hub.yaml"])
    (tmp_path / "lists" / "teaching").mkdir(parents=True)
    size = load_courses(tmp_path / "hub.yaml").hub.courses["ml"].resources
    assert (size.guarantee.cpu, size.limit.cpu) == (500, 1500)
    assert (size.guarantee.memory, size.limit.memory) == (2**29, 2**29)


@pytest.mark.parametrize("value", ["plenty", -1, 0, "0G", [1], {"a": 1}, True, "1e99", "9" * 5000])
def test_amounts_that_are_none_are_told(tmp_path: Path, value: Any) -> None:
    made = imported_courses(hub_of(tmp_path, {"resources": {"mem_limit": value}}))
    assert "resources" not in new_hub(made)["defaults"]
    assert notes(made, "server.hub.resources.mem_limit")[0][0] == "dropped"


def test_an_image_that_is_not_fixed_is_not_taken(tmp_path: Path) -> None:
    config = hub_of(tmp_path, {"image": {"name": "registry.example/lab", "tag": "latest"}})
    said = run(config, "--to", tmp_path / "new", status=1)
    assert "server.hub.image: registry.example/lab:latest: write an image with a tag other than latest" in said
    assert "there is no image" in said
    assert f"{tmp_path / 'new'}/hub.yaml:" in said


def test_an_exam_keeps_students_apart(tmp_path: Path) -> None:
    flags = {"personalized_inbound": False, "personalized_outbound": True}
    hub = {"mode": "exam", "nbgrader": flags, **mounts(("/srv/a", "a"))}
    new = new_hub(imported_courses(hub_of(tmp_path, hub, {"nbgrader/exam/ml.csv": "Username\nalice\n"})))
    assert set(new["defaults"]["exchange"]["personalised"]) == {"inbound", "outbound", "feedback"}
    assert new["defaults"]["mounts"]["a"]["access"]["student"] == "ro"
    assert new["defaults"]["network"] == "none"


def test_flags_of_teaching_are_respected(tmp_path: Path) -> None:
    new = new_hub(imported_courses(hub_of(tmp_path, {"nbgrader": {"personalized_inbound": False}})))
    assert new["defaults"]["exchange"]["personalised"] == ["feedback"]


def test_a_block_list_of_another_course_blocks_nobody(tmp_path: Path) -> None:
    lists = {
        "nbgrader/exam/ml.csv": "Username\nalice\n",
        "nbgrader/exam/stats.csv": "Username\nbob\n",
        "users/blocklist/stats.csv": "Username\nalice\n",
        "users/blacklist/everywhere.csv": "Username\neve\n",
    }
    made = imported_courses(hub_of(tmp_path, {"mode": "exam"}, lists))
    assert [name for name in made.files if name.startswith("lists/block/")] == ["lists/block/hub/everywhere.csv"]
    assert new_hub(made)["block"] == "lists/block/hub"


@pytest.mark.parametrize("mode", ["party", "", None, 3, ["exam"]])
def test_a_mode_that_is_none_is_refused_with_its_line(tmp_path: Path, mode: Any) -> None:
    with pytest.raises(
        ImportingError, match=r"config\.yaml:\d+:\d+: error: server\.hub\.mode: write teaching or exam"
    ):
        imported_courses(hub_of(tmp_path, {"mode": mode}))


def test_two_hubs_of_one_name_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("server: {a_b: {mode: exam}, A-B: {mode: exam}}", encoding="utf-8")
    with pytest.raises(ImportingError, match="'a-b'"):
        imported_courses(path)


@pytest.mark.parametrize("path", ["../other", "a/../../b", "", "/", "a\nb", "{nothing}x{", "x" * 5000])
def test_odd_paths_of_mounts_make_no_other_mount(tmp_path: Path, path: str) -> None:
    made = imported_courses(hub_of(tmp_path, mounts(("/srv/data", path), ("/srv/good", "good"))))
    new = new_hub(made)["defaults"]["mounts"]
    assert "good" in new
    assert all(".." not in one["path"] and "\n" not in one["path"] for one in new.values())


@pytest.mark.parametrize(
    "course", ["x" * 5000, "a\0b", "\x1b]0;title\x07", "..", ".", "/etc/passwd", "💥", "a\nb"]
)
def test_odd_names_of_courses_are_names_of_folders(tmp_path: Path, course: str) -> None:
    made = imported_courses(hub_of(tmp_path, {"course_list": [course, "ml"]}))
    assert "ml" in new_hub(made)["courses"]
    assert all(note.as_text().isprintable() for note in made.notes)
    words = [tmp_path / "config.yaml", "--to", tmp_path / "new"]
    assert "error" not in run(*words)


# Values


def values_of(
    folder: Path, data: dict[str, Any], keep: bool = False
) -> tuple[Imported, dict[str, Any], dict[str, Any]]:
    """Return what is made of values: all, the new values, the settings."""
    path = folder / "old.yaml"
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    made = imported_values(path, keep)
    return made, yaml.safe_load(made.files["values.yaml"]), yaml.safe_load(made.files.get("settings.yaml", b"{}"))


def test_seed_bug_cull_enable(tmp_path: Path) -> None:
    made, new, settings = values_of(tmp_path, {"cull": {"enable": True, "timeout": 60}})
    assert "cull" not in new
    assert settings == {"culling": {"idle_seconds": 60}}
    said = "it is culling.idle_seconds of the settings, also for kernels"
    assert notes(made, "cull.enable") == notes(made, "cull.timeout") == [("changed", said)]


@pytest.mark.parametrize(
    ("cull", "seconds", "kept"),
    [
        ({"enabled": False, "timeout": 60}, 0, {}),
        ({"enable": False}, 0, {}),
        ({"every": 300, "concurrency": 5, "maxAge": 86400}, 3600, {}),
        ({"timeout": 0, "users": True}, 3600, {"users": True}),
        ({"enabled": None, "timeout": 7200.5}, 7200.5, {}),
        ({"timeout": 10**12}, 3600, {}),
    ],
)
def test_culling_becomes_the_one_number(
    cull: dict[str, Any], seconds: float, kept: dict[str, Any], tmp_path: Path
) -> None:
    made, new, settings = values_of(tmp_path, {"cull": cull})
    assert settings["culling"] == {"idle_seconds": seconds}
    assert (new or {}).get("cull", {}) == kept
    assert unsaid(made) == []


def test_seed_bug_none_in_capitals(tmp_path: Path) -> None:
    made, new, settings = values_of(tmp_path, {"singleuser": {"storage": {"type": "None"}}})
    assert "singleuser" not in new
    assert settings == {}
    assert notes(made, "singleuser.storage.type")[0][0] == "changed"


def test_seed_bug_https_beside_proxy(tmp_path: Path) -> None:
    https = {"enabled": True, "hosts": ["hub.example"]}
    made, new, _ = values_of(tmp_path, {"proxy": {"service": {"type": "NodePort"}}, "https": https})
    assert new["proxy"] == {"service": {"type": "NodePort"}, "https": https}
    assert notes(made, "https")[0][0] == "changed"


def test_https_at_both_places_keeps_the_one_that_counted(tmp_path: Path) -> None:
    made, new, _ = values_of(tmp_path, {"proxy": {"https": {"enabled": False}}, "https": {"enabled": True}})
    assert new["proxy"]["https"] == {"enabled": False}
    assert notes(made, "https")[0][0] == "dropped"


AUTH: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (
        {"type": "ldap", "ldap": {"server": {"address": "a", "ssl": True}, "dn": {"templates": ["x"]}}},
        {
            "JupyterHub": {"authenticator_class": "ldapauthenticator.LDAPAuthenticator"},
            "LDAPAuthenticator": {"server_address": "a", "use_ssl": True, "bind_dn_template": ["x"]},
        },
    ),
    (
        {"type": "custom", "custom": {"className": "oidc.generic.Mine", "config": {"login_service": "x"}}},
        {"JupyterHub": {"authenticator_class": "oidc.generic.Mine"}, "Mine": {"login_service": "x"}},
    ),
    (
        {"type": "google", "google": {"clientId": "i", "hostedDomain": ["example.org"]}, "scopes": ["email"]},
        {
            "JupyterHub": {"authenticator_class": "google"},
            "GoogleOAuthenticator": {"client_id": "i", "hosted_domain": ["example.org"]},
            "OAuthenticator": {"scope": ["email"]},
        },
    ),
    (
        {"admin": {"users": ["a"], "access": True}, "whitelist": {"users": ["b"]}},
        {"JupyterHub": {"admin_access": True}, "Authenticator": {"admin_users": ["a"], "allowed_users": ["b"]}},
    ),
]


@pytest.mark.parametrize(("auth", "config"), AUTH)
def test_seed_bug_removed_auth(tmp_path: Path, auth: dict[str, Any], config: dict[str, Any]) -> None:
    made, new, _ = values_of(tmp_path, {"auth": auth})
    assert new == {"hub": {"config": config}}
    assert any(note.key.startswith("auth.") and note.change == "changed" for note in made.notes)


@pytest.mark.parametrize("word", ["allowlist", "whitelist"])
def test_seed_bug_allowlist_is_no_trait(tmp_path: Path, word: str) -> None:
    _, new, _ = values_of(tmp_path, {"hub": {"config": {"Authenticator": {word: ["ada"]}}}})
    assert new == {"hub": {"config": {"Authenticator": {"allowed_users": ["ada"]}}}}
    _, new, _ = values_of(tmp_path, {"auth": {word: {"users": ["ada"]}}})
    assert new == {"hub": {"config": {"Authenticator": {"allowed_users": ["ada"]}}}}


def test_auth_that_nobody_knows_is_told_and_not_lost_silently(tmp_path: Path) -> None:
    made, new, _ = values_of(tmp_path, {"auth": {"type": "lti", "lti": {"consumers": {"key": "hunter2"}}}})
    assert new == {}
    assert {note.key for note in made.notes if note.change == "dropped"} == {"auth.type", "auth.lti.consumers.key"}
    assert all("hunter2" not in note.as_text() for note in made.notes)


COMMANDS = [
    (
        ["sh", "-c", 'env "KERNEL_PATH=/nfs/homes/$JUPYTERHUB_USER" jupyterhub-singleuser'],
        "/nfs/homes",
        "{username}",
    ),
    (
        ["sh", "-c", "exec env KERNEL_PATH=/nfs/${JUPYTERHUB_USER}/work jupyterhub-singleuser"],
        "/nfs",
        "{username}/work",
    ),
    ("KERNEL_PATH='/nfs/$JUPYTERHUB_USER' start", "/nfs", "{username}"),
]


@pytest.mark.parametrize(("command", "root", "template"), COMMANDS)
def test_kernel_path_of_the_command_is_the_root_of_homes(
    tmp_path: Path, command: Any, root: str, template: str
) -> None:
    _, new, settings = values_of(tmp_path, {"singleuser": {"cmd": command, "storage": {"type": "none"}}})
    assert settings["homes"] == {"root": root, "path_template": template}
    assert new == {}


@pytest.mark.parametrize(
    "path", ["$(mount | grep nfs)", "/nfs/$HOME", "/nfs/all", "$JUPYTERHUB_USER", "/../$JUPYTERHUB_USER"]
)
def test_a_kernel_path_that_is_no_home_is_told(tmp_path: Path, path: str) -> None:
    made, _, settings = values_of(tmp_path, {"singleuser": {"cmd": ["sh", "-c", f"env KERNEL_PATH={path} x"]}})
    assert "homes" not in settings
    assert notes(made, "singleuser.cmd")[0][0] == "dropped"


def test_a_claim_and_the_command_agree_on_where_homes_begin(tmp_path: Path) -> None:
    storage = {"type": "static", "static": {"pvcName": "c", "subPath": "homes/{username}"}}
    env = {"KERNEL_PATH": "/export/homes/{username}"}
    _, _, settings = values_of(tmp_path, {"singleuser": {"storage": storage, "extraEnv": env}})
    assert settings["homes"]["root"] == "/export"
    assert settings["homes"]["path_template"] == "homes/{username}"
    made, _, _ = values_of(
        tmp_path, {"singleuser": {"storage": storage, "extraEnv": {"KERNEL_PATH": "/x/{username}"}}}
    )
    assert ("warning", "server and kernels had different homes; the server's path counts now") in notes(
        made, "singleuser.storage.static"
    )


def test_a_network_policy_that_is_off_is_told_as_a_danger(tmp_path: Path) -> None:
    made, new, _ = values_of(tmp_path, {"singleuser": {"networkPolicy": {"enabled": False}}})
    assert new == {}
    assert "DANGER" in notes(made, "singleuser.networkPolicy.enabled")[0][1]


SECRETS: list[dict[str, Any]] = [
    {"proxy": {"secretToken": "hunter2"}},
    {"hub": {"cookieSecret": "hunter2"}},
    {"auth": {"type": "github", "github": {"clientSecret": "hunter2"}}},
    {"auth": {"dummy": {"password": "hunter2"}}},
    {"auth": {"custom": {"className": "a.B", "config": {"client_secret": "hunter2"}}, "type": "custom"}},
    {"auth": {"ldap": {"dn": {"search": {"password": "hunter2"}}}}},
    {"hub": {"config": {"CryptKeeper": {"keys": ["hunter2", "hunter2"]}}}},
    {"hub": {"config": {"LTI11Authenticator": {"consumers": {"abc": "hunter2"}}}}},
    {"hub": {"services": {"grader": {"apiToken": "hunter2"}}}},
    {"hub": {"db": {"url": "mysql+pymysql://hub:hunter2@db/hub"}}},
    {"hub": {"extraEnv": [{"name": "SOME_TOKEN", "value": "hunter2"}]}},
    {"hub": {"extraConfig": {"a": "c.X.api_token = 'hunter2'"}}},
    {"hub": {"extraConfig": 'password = "hunter2"'}},
    {"hub": {"extraFiles": {"x": {"stringData": "-----BEGIN RSA PRIVATE KEY-----\nhunter2"}}}},
    {"singleuser": {"lifecycleHooks": {"postStart": {"exec": {"command": ["sh", "-c", "TOKEN=hunter2 x"]}}}}},
    {"singleuser": {"profileList": [{"kubespawner_override": {"environment": {"API_KEY": "hunter2"}}}]}},
    {"https": {"manual": {"key": "hunter2"}}},
    {"hub": {"config": {"A": {"password": b"hunter2"}, "B": {"api_token": {"hunter2"}}}}},
    {"hub": {"imagePullSecret": {"enabled": True, "password": "hunter2"}}},
]


@pytest.mark.parametrize("data", SECRETS)
def test_a_secret_is_never_printed_and_written_only_if_wished(tmp_path: Path, data: dict[str, Any]) -> None:
    made, _, _ = values_of(tmp_path, data)
    assert b"hunter2" not in b"".join(made.files.values())
    assert any("a secret" in note.why for note in made.notes)
    kept, _, _ = values_of(tmp_path, data, keep=True)
    assert b"hunter2" in kept.files["values.yaml"]
    assert not any("hunter2" in note.as_text() for note in [*made.notes, *kept.notes])


def test_kept_secrets_are_for_their_owner_only(tmp_path: Path) -> None:
    run(OLD / "values" / "demo.yaml", "--to", tmp_path / "new", "--keep-secrets")
    assert (tmp_path / "new" / "values.yaml").stat().st_mode & 0o777 == 0o600


def test_what_only_sounds_like_a_secret_stays(tmp_path: Path) -> None:
    data = {
        "hub": {
            "existingSecret": "mine",
            "config": {
                "GenericOAuthenticator": {"token_url": "https://x.example/t"},
                "A": {"allowed_users": ["a"]},
            },
        },
        "singleuser": {
            "extraTolerations": [{"key": "gpu", "operator": "Exists"}],
            "extraEnv": {"X": {"valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}},
        },
        "imagePullSecrets": ["regcred"],
        "proxy": {"https": {"type": "secret", "secret": {"name": "tls", "key": "tls.key"}}},
    }
    _, new, _ = values_of(tmp_path, data)
    assert new == data


# Sources that are none


HOSTILE: dict[str, bytes] = {
    "empty": b"",
    "a list": b"[1, 2]",
    "binary": bytes(range(256)),
    "not UTF-8": "server: {hub: {mode: t\xe4}}".encode("latin-1"),
    "deep": b"server: " + b"[" * 50_000,
    "half": b"server: {hub: [",
    "huge": b"# " + b"x" * (3 * 1024 * 1024),
    "a bomb": (ROOT / "tests" / "hub" / "bad" / "anchor-bomb.yaml").read_bytes(),
    "a cycle": b"server: &a {hub: *a}",
    "an object": b"server: !!python/object/apply:os.system [id]",
    "twice": b"server: {hub: {mode: exam}}\nserver: {}",
    "both": b"server: {}\nhub: {}",
    "neither": b"colour: blue",
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("layout", [[], ["--from", "courses-config"], ["--from", "z2jh-values"]])
def test_what_is_no_configuration_is_a_sentence(tmp_path: Path, name: str, layout: list[str]) -> None:
    (tmp_path / "config.yaml").write_bytes(HOSTILE[name])
    done = CliRunner().invoke(
        main, ["hub", "import", str(tmp_path), "--to", str(tmp_path / "new"), *layout], catch_exceptions=False
    )
    if "z2jh-values" in layout and name == "both":
        return  # of these the section that the chart does not have is dropped
    assert done.exit_code == 1
    assert done.output.startswith("kernelpod: ")
    assert not (tmp_path / "new").exists()


ODD: list[Any] = [None, 3, "x", [], [[]], {}, {"a": None}, {1: {2: 3}}, [None, 1, {}], True, "\x07", 1.5]
COURSE_KEYS = (
    "semester_id",
    "course_list",
    "image",
    "resources",
    "nbgrader",
    "extra_mounts",
    "commands",
    "profile_list",
)


@pytest.mark.parametrize("odd", ODD, ids=repr)
@pytest.mark.parametrize("key", COURSE_KEYS)
def test_odd_values_of_a_hub_break_nothing(tmp_path: Path, key: str, odd: Any) -> None:
    made = imported_courses(hub_of(tmp_path, {key: odd}))
    assert new_hub(made)["mode"] == "teaching"
    assert unsaid(made) == []


@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_odd_values_below_break_nothing(tmp_path: Path, odd: Any) -> None:
    for hub in (
        {"image": {"name": odd, "tag": odd}},
        {"extra_mounts": {"enabled": odd, "volumes": odd, "volume_mounts": odd}},
        {"extra_mounts": {"volumes": {1: odd}, "volume_mounts": {1: odd}}},
        mounts(("/srv/a", "a"), name=odd, readOnly=odd),
        {"profile_list": {"profiles": odd}},
        {"profile_list": {"profiles": [{"display_name": "x", "kubespawner_override": odd}]}},
    ):
        imported_courses(hub_of(tmp_path, hub))


VALUE_KEYS = (
    *(
        "auth",
        "auth.type",
        "auth.state",
        "auth.custom",
        "auth.github",
        "auth.admin.users",
        "cull",
        "hub",
        "hub.config",
    ),
    *(
        "hub.extraConfig",
        "hub.imagePullSecret",
        "proxy",
        "https",
        "singleuser",
        "singleuser.cmd",
        "singleuser.uid",
    ),
    *("singleuser.extraEnv", "singleuser.storage", "singleuser.storage.type", "singleuser.storage.static"),
    *(
        "singleuser.storage.homeMountPath",
        "singleuser.storage.extraVolumes",
        "singleuser.storage.extraVolumeMounts",
    ),
    *("singleuser.networkPolicy", "singleuser.cloudMetadata", "singleuser.extraEnv.KERNEL_PATH", "custom"),
)


@pytest.mark.parametrize("odd", ODD, ids=repr)
@pytest.mark.parametrize("key", VALUE_KEYS)
def test_odd_values_of_a_chart_break_nothing(tmp_path: Path, key: str, odd: Any) -> None:
    data: Any = odd
    for word in reversed(key.split(".")):
        data = {word: data}
    made, _, settings = values_of(tmp_path, data)
    Settings.model_validate(settings)
    assert unsaid(made) == []


def test_a_list_that_is_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("Username\nroot\n", encoding="utf-8")
    config = hub_of(tmp_path / "old", {}, {"nbgrader/teaching/other.csv": "Username\n"})
    (tmp_path / "old" / "nbgrader" / "teaching" / "ml.csv").symlink_to(tmp_path / "secret.csv")
    with pytest.raises(ImportingError, match="leads out of the folder"):
        imported_courses(config)
    (tmp_path / "old" / "nbgrader" / "teaching" / "ml.csv").unlink()
    (tmp_path / "old" / "nbgrader" / "teaching" / "ml.csv").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ImportingError, match="cannot be read"):
        imported_courses(config)


def test_a_course_does_not_lead_to_a_list_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "out.csv").write_text("Username\nroot\n", encoding="utf-8")
    made = imported_courses(hub_of(tmp_path / "old", {"course_list": ["../../../out"]}))
    assert not any(name.startswith("lists/") for name in made.files)


@pytest.mark.parametrize(
    ("raw", "said"),
    [(b"\x7fELF" + bytes(100), "no text"), (b"", "is empty"), (b"Username\n" + b"x" * 9_000_000, "larger than")],
)
def test_a_list_that_is_none_stops_the_import(tmp_path: Path, raw: bytes, said: str) -> None:
    config = hub_of(tmp_path, {})
    (tmp_path / "nbgrader" / "teaching" / "ml.csv").write_bytes(raw)
    with pytest.raises(ImportingError, match=said):
        imported_courses(config)


def test_a_list_that_is_a_pipe_does_not_hang(tmp_path: Path) -> None:
    config = hub_of(tmp_path, {}, {})
    (tmp_path / "nbgrader" / "teaching").mkdir(parents=True)
    os.mkfifo(tmp_path / "nbgrader" / "teaching" / "ml.csv")
    with pytest.raises(ImportingError, match="this is no file"):
        imported_courses(config)
