"""`kernelpod homes`: what is looked at, made and measured, by a real shell in a real folder."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml
from homes_asked import Other, asked

from doubles import eventually
from kernelpod.base import podshell
from kernelpod.base.shells import LocalShell, RemoteError
from kernelpod.deploy.homefolders.folders import SECONDS, FoundHome, look, usage
from kernelpod.deploy.homefolders.wanted import HubUsers, WantedHome
from kernelpod.errors import SettingsError
from kernelpod.settings.sections import Settings

ME, MINE = os.getuid(), os.getgid()
# Without root, a home can only be made for oneself.
ALICE = WantedHome("alice", "alice", 20001 if ME == 0 else ME, 20000 if ME == 0 else MINE)
as_root = pytest.mark.skipif(ME != 0, reason="only root changes owners")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "homes of all"
    folder.mkdir(mode=0o755)
    return folder


def states(found: list[FoundHome]) -> list[str]:
    return [one.state for one in found]


def at(path: str) -> WantedHome:
    return WantedHome("alice", path, ALICE.uid, ALICE.gid)


def test_missing_homes_are_made_once_with_owner_and_mode(root: Path) -> None:
    homes = [ALICE, at("term/bob"), at("term/with spaces  and ü"), at("term/a/b/c")]
    assert states(look(LocalShell(), str(root), homes)) == ["missing"] * 4
    assert list(root.iterdir()) == []
    assert states(look(LocalShell(), str(root), homes, make=True)) == ["made"] * 4
    for home in homes:
        found = (root / home.path).stat()
        assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (ALICE.uid, ALICE.gid, 0o700)
    assert stat.S_IMODE((root / "term" / "a").stat().st_mode) == 0o755
    again = look(LocalShell(), str(root), homes, make=True)
    assert [(one.state, one.owner, one.mode) for one in again] == [("ok", ALICE.uid, "700")] * 4


@pytest.mark.parametrize("path", [" term/alice", "alice/home ", "alice/\t"])
def test_a_home_is_looked_for_with_the_spaces_of_its_path(root: Path, path: str) -> None:
    """As kubelet mounts it."""
    look(LocalShell(), str(root), [at(path)], make=True)
    assert (root / path).is_dir()
    assert [one.home.path for one in usage(LocalShell(), str(root), [at(path)])[0]] == [path]


def test_a_home_of_nobody_may_have_lost_its_owner_on_the_way() -> None:
    found = FoundHome(at("theirs"), "foreign", 65534, "700")
    assert found.sentence("/homes").endswith(
        "give this machine and the server the same Domain in /etc/idmapd.conf"
    )


@as_root
def test_what_belongs_to_somebody_else_is_left_alone(root: Path) -> None:
    (root / "theirs").mkdir()
    os.chown(root / "theirs", 4711, 4711)
    (root / "roots").mkdir(mode=0o755)
    (found,) = look(LocalShell(), str(root), [at("theirs")], make=True)
    assert (found.state, found.owner, (root / "theirs").stat().st_uid) == ("foreign", 4711, 4711)
    assert found.sentence("/homes").endswith("on the NFS server: chown -R 20001:20000 /homes/theirs")
    assert states(look(LocalShell(), str(root), [at("roots")])) == ["unowned"]
    assert states(look(LocalShell(), str(root), [at("roots")], make=True)) == ["owned"]
    made = (root / "roots").stat()
    assert (made.st_uid, stat.S_IMODE(made.st_mode)) == (20001, 0o700)


def test_links_are_not_followed(root: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir(mode=0o750)
    before = target.stat()
    (root / "link").symlink_to(target)
    (root / "dangling").symlink_to(tmp_path / "nothing")
    (root / "file").write_text("x")
    homes = [at("link"), at("dangling"), at("file"), at("link/alice"), at("dangling/alice"), at("file/alice")]
    expected = ["link", "link", "no_folder", "above_link", "above_link", "failed"]
    assert states(look(LocalShell(), str(root), homes, make=True)) == expected
    after = target.stat()
    assert (after.st_uid, after.st_mode, list(target.iterdir())) == (before.st_uid, before.st_mode, [])
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize(("mode", "refused"), [(0o757, True), (0o1777, True), (0o755, False), (0o775, MINE != 0)])
def test_nothing_is_made_below_a_folder_that_users_may_change(root: Path, mode: int, refused: bool) -> None:
    (root / "term").mkdir()
    (root / "term").chmod(mode)
    (found,) = look(LocalShell(), str(root), [at("term/alice")], make=True)
    assert (found.state, (root / "term" / "alice").exists()) == (
        ("above_open", False) if refused else ("made", True)
    )


@as_root
def test_a_folder_of_a_users_group_is_one_that_users_may_change(root: Path) -> None:
    root.chmod(0o775)
    os.chown(root, 0, 100)
    assert states(look(LocalShell(), str(root), [ALICE], make=True)) == ["above_open"]


def test_a_home_that_others_may_enter_is_said_and_not_changed(root: Path) -> None:
    look(LocalShell(), str(root), [ALICE], make=True)
    (root / "alice").chmod(0o755)
    (found,) = look(LocalShell(), str(root), [ALICE], make=True)
    assert (found.state, found.mode, stat.S_IMODE((root / "alice").stat().st_mode)) == ("open", "755", 0o755)


def test_a_home_that_an_admin_has_locked_is_not_one_that_others_may_enter(root: Path) -> None:
    """`stat` says mode 0 with one digit."""
    look(LocalShell(), str(root), [ALICE], make=True)
    (root / "alice").chmod(0)
    (found,) = look(LocalShell(), str(root), [ALICE])
    assert (found.state, found.mode) == ("ok", "0")


def test_what_cannot_be_made_is_said_and_nothing_is_half_made(root: Path, tmp_path: Path) -> None:
    """As with root_squash: a folder can be made, and its owner not be changed."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "chown").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "bin" / "chown").chmod(0o755)

    class Squashed(LocalShell):
        def run(self, script: str, *words: str, given: bytes = b"", seconds: float = 60) -> bytes:
            return super().run(f"PATH={tmp_path}/bin:$PATH\n{script}", *words, given=given, seconds=seconds)

    (found,) = look(Squashed(), str(root), [ALICE], make=True)
    assert (found.state, list(root.iterdir())) == ("failed", [])
    assert "root_squash" in found.sentence(str(root))


def with_stat(tmp_path: Path, script: str) -> LocalShell:
    """Return a shell whose `stat` is a script."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "stat").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "bin" / "stat").chmod(0o755)

    class WithStat(LocalShell):
        def run(self, script: str, *words: str, given: bytes = b"", seconds: float = 60) -> bytes:
            return super().run(f"PATH={tmp_path}/bin:$PATH\n{script}", *words, given=given, seconds=seconds)

    return WithStat()


def test_thousands_of_homes_take_few_processes(root: Path, tmp_path: Path) -> None:
    """What was made needs no look: each process takes about a millisecond."""
    shell = with_stat(tmp_path, f'echo >>{tmp_path}/looks; exec /usr/bin/stat "$@"')
    assert states(look(shell, str(root), [at(f"h{number}") for number in range(9)], make=True)) == ["made"] * 9
    assert (tmp_path / "looks").read_text() == "\n", "only the folder of all homes is looked at"


@pytest.mark.parametrize("gone", ["./term/gone", "./term"], ids=["home", "above"])
def test_a_folder_that_goes_meanwhile_ends_no_look_at_the_others(root: Path, tmp_path: Path, gone: str) -> None:
    """Or one whose file handle is stale."""
    homes = [at("term/gone"), at("other/alice")]
    look(LocalShell(), str(root), homes, make=True)
    gone_now = f'for last; do :; done; if [ "$last" = {gone} ]; then rm -r {gone}; fi'
    found = look(with_stat(tmp_path, f'{gone_now}; exec /usr/bin/stat "$@"'), str(root), homes)
    assert states(found) == ["failed" if gone == "./term/gone" else "missing", "ok"]


MAKES = """
import sys
from kernelpod.base.shells import LocalShell
from kernelpod.deploy.homefolders.folders import look
from kernelpod.deploy.homefolders.wanted import WantedHome
homes = [WantedHome(f"h{n}", f"h{n}", int(sys.argv[2]), int(sys.argv[3])) for n in range(3000)]
look(LocalShell(), sys.argv[1], homes, make=True)
"""


@pytest.mark.parametrize("after", [1, 7, 50])
def test_what_an_interrupted_run_has_begun_is_completed(root: Path, after: int) -> None:
    ids = [str(ALICE.uid), str(ALICE.gid)]
    with subprocess.Popen([sys.executable, "-c", MAKES, str(root), *ids], start_new_session=True) as run:
        eventually(lambda: len(list(root.iterdir())) >= after, what="it has begun")
        os.killpg(run.pid, signal.SIGKILL)
    begun = len(list(root.iterdir()))
    assert after <= begun < 3000
    homes = [at(f"h{number}") for number in range(begun + 5)]
    assert set(states(look(LocalShell(), str(root), homes, make=True))) <= {"ok", "made", "owned"}
    for home in homes:
        made = (root / home.path).stat()
        assert (made.st_uid, made.st_gid, stat.S_IMODE(made.st_mode)) == (home.uid, home.gid, 0o700)


def test_two_that_make_the_same_homes_at_once_make_each_once(root: Path) -> None:
    homes = [at(f"h{number}") for number in range(60)]
    said: list[list[str]] = []
    threads = [
        threading.Thread(target=lambda: said.append(states(look(LocalShell(), str(root), homes, make=True))))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert {state for one in said for state in one} <= {"made", "ok", "owned"}
    assert states(look(LocalShell(), str(root), homes)) == ["ok"] * 60


def test_a_folder_that_is_not_there_and_an_odd_shell_are_errors(tmp_path: Path) -> None:
    with pytest.raises(RemoteError, match=r"can't cd|cd:|No such file"):
        look(LocalShell(), str(tmp_path / "nothing"), [ALICE])

    class Odd:
        def __init__(self, said: bytes) -> None:
            self.said = said

        def run(self, _: str, *__: str, given: bytes = b"", seconds: float = 0) -> bytes:
            return self.said

    for said in (b"Welcome to the NFS server\n", b"0 fine 1 700 -\n", b""):
        with pytest.raises(RemoteError, match=r"POSIX shell|0 of 1 homes"):
            look(Odd(said), "/", [ALICE])
    with pytest.raises(RemoteError, match="line break"):
        look(LocalShell(), str(tmp_path), [at("a\nb")])


def test_sizes_files_changes_and_homes_of_nobody(root: Path, tmp_path: Path) -> None:
    homes = [ALICE, at("bob"), at("missing")]
    look(LocalShell(), str(root), homes[:2], make=True)
    (root / "alice" / "big").write_bytes(b"x" * 1_000_000)
    os.link(root / "alice" / "big", root / "alice" / "the same")
    (root / "alice" / "folder").mkdir()
    (root / "alice" / "folder" / "ü\n").write_text("x")
    (root / "alice" / "away").symlink_to("/")
    os.utime(root / "alice" / "big", (4e9, 4e9))
    for other in ("who is this", ".kernelpod-hub", "lost+found"):
        (root / other).mkdir()
    (root / "a file").write_text("x")
    found, nobodys = usage(LocalShell(), str(root), homes, 1)
    assert [one.home.path for one in found] == ["alice", "bob"]
    alice, bob = found
    assert 1_000_000 <= alice.size < 1_200_000
    assert (alice.files, bob.files) == (3, 0)
    assert alice.newest is not None
    assert alice.newest.timestamp() == 4e9
    assert (alice.quota, nobodys) == (None, ["who is this"])


def test_a_quota_is_shown_where_the_file_system_has_one(root: Path, tmp_path: Path) -> None:
    look(LocalShell(), str(root), [ALICE], make=True)
    (tmp_path / "bin").mkdir()
    said = (
        "Disk quotas for user alice (uid 20001): \n"
        "     Filesystem  blocks   quota   limit   grace   files   quota   limit   grace\n"
        "      /dev/sdb1   1020*   1000    2048   6days       1       0       0        \n"
    )
    of_mounted = 'for last; do :; done; [ "$(stat -c %m -- "$last")" = "$last" ] || exit 1'
    (tmp_path / "bin" / "quota").write_text(f"#!/bin/sh\n{of_mounted}\ncat <<'EOF'\n{said}EOF\nexit 1\n")
    (tmp_path / "bin" / "quota").chmod(0o755)

    class WithQuota(LocalShell):
        def run(self, script: str, *words: str, given: bytes = b"", seconds: float = 60) -> bytes:
            return super().run(f"PATH={tmp_path}/bin:$PATH\n{script}", *words, given=given, seconds=seconds)

    ((alice,), _) = usage(WithQuota(), str(root), [ALICE])
    assert alice.quota == 2048 * 1024


@as_root
def test_what_cannot_be_made_is_said_before() -> None:
    """As for an admin who is not root, or behind root_squash; also below folders that are not there yet."""
    theirs = WantedHome("zoe", "zoe", 4711, 4711)
    homes = [at("alice"), at("term/a/bob"), at("roots"), theirs]
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        Path(folder, "roots").mkdir()
        assert states(look(Other(), folder, homes)) == ["missing", "missing", "unowned", "missing"]
        assert states(look(Other(), folder, homes, plan=True)) == ["failed"] * 4
        assert states(look(Other(), folder, homes, make=True)) == ["failed"] * 4
        assert states(look(LocalShell(), folder, homes, plan=True)) == ["missing", "missing", "unowned", "missing"]
        os.chown(folder, 4711, 4711)
        assert states(look(Other(), folder, homes, plan=True))[-1] == "missing"
        assert [one.name for one in Path(folder).iterdir()] == ["roots"]


@as_root
def test_homes_that_cannot_be_read_are_not_taken_for_empty() -> None:
    """As for an admin who is not root, or behind root_squash."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        look(LocalShell(), folder, [ALICE], make=True)
        with pytest.raises(RemoteError, match=r"/alice cannot be read by user id 4711 here; run this as root"):
            usage(Other(), folder, [ALICE])


@pytest.mark.parametrize("shell", [["busybox", "sh"], ["dash"], ["bash"]], ids=" ".join)
def test_the_scripts_run_in_every_shell(root: Path, shell: list[str], need: Any) -> None:
    folder = Path(look.__code__.co_filename).parent
    try:
        subprocess.run([*shell, "-c", ":"], check=True)
    except FileNotFoundError:
        pytest.skip(f"{shell[0]} is not installed")
    line = f"0 {ALICE.uid} {ALICE.gid} deep/alice\n"
    done = subprocess.run(
        [*shell, "-c", (folder / "look.sh").read_text(), "sh", str(root), "make"],
        input=line, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == (f"0 made {ALICE.uid} 700 -\n", "")
    done = subprocess.run(
        [*shell, "-c", (folder / "usage.sh").read_text(), "sh", str(root), "2"],
        input=f"0 {ALICE.uid} deep/alice\n", capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.splitlines()[1:] == ["at deep/alice"]


def test_the_folder_that_is_in_the_way_is_named(root: Path) -> None:
    (root / "term" / "a").mkdir(parents=True)
    (root / "term").chmod(0o777)
    (root / "to").symlink_to("term")
    opened, linked = look(LocalShell(), str(root), [at("term/a/alice"), at("to/a/alice")])
    assert opened.sentence("/homes").endswith("chown root:root /homes/term && chmod go-w /homes/term")
    assert linked.sentence("/homes").endswith("replace /homes/to by the folder that it names")


@pytest.mark.parametrize("command", ["check", "make", "usage"])
def test_the_root_of_the_file_system_is_refused(
    root: Path, tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not taken for the folder that the command runs in, nor for one with homes."""
    (tmp_path / "link").symlink_to("/")
    monkeypatch.chdir(root)
    for given in ("/", "//", str(tmp_path / "link")):
        refused = asked(tmp_path, command, "alice", "--target", given)
        assert (refused.exit_code, "root of the file system" in refused.output) == (1, True)
    assert list(root.iterdir()) == []


def test_odd_targets_and_names_are_taken_literally(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)
    (root / "-").mkdir()
    policy = {"uid": ALICE.uid, "gid": ALICE.gid}
    made = asked(tmp_path, "make", "alice", "--target", "-", policy=policy)
    assert (made.exit_code, (root / "-" / "alice").is_dir()) == (0, True), made.output
    nameless = asked(tmp_path, "make", "", homes={"root": str(root)}, policy=policy)
    assert (nameless.exit_code, "a name is empty" in nameless.output) == (2, True)
    monkeypatch.chdir("/")


@pytest.mark.parametrize("option", ["--path", "--namespace"])
def test_a_folder_of_a_claim_is_not_looked_for_elsewhere(root: Path, tmp_path: Path, option: str) -> None:
    """Homes were made in the folder above the one that was meant."""
    refused = asked(tmp_path, "make", "alice", "--target", str(root), option, "term")
    assert (refused.exit_code, "are for --pvc" in refused.output, list(root.iterdir())) == (2, True, [])


def test_a_pod_lives_as_long_as_the_command_may_take(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims = []

    @contextmanager
    def in_a_pod(claim: podshell.MountedClaim) -> Iterator[LocalShell]:
        claims.append(claim)
        yield LocalShell()

    monkeypatch.setattr(podshell, "pod_shell", in_a_pod)
    monkeypatch.setattr(podshell, "MOUNTED", str(root))
    assert asked(tmp_path, "usage", "alice", "--pvc", "homes", "--namespace", "hub").exit_code == 0
    spec = podshell.document("homes-1", claims[0])["spec"]
    assert spec["activeDeadlineSeconds"] >= SECONDS
    assert spec["containers"][0]["command"] == ["sleep", str(spec["activeDeadlineSeconds"])]


def test_sizes_do_not_depend_on_the_language_of_the_server(root: Path, tmp_path: Path) -> None:
    """`stat` and `find` speak the language of who is logged in there."""
    look(LocalShell(), str(root), [ALICE], make=True)
    (root / "alice" / "folder").mkdir()
    (tmp_path / "bin").mkdir()
    translated = '/usr/bin/stat "$@" | if [ "${LC_ALL:-}" = C ]; then cat; else sed s/directory/Verzeichnis/; fi'
    (tmp_path / "bin" / "stat").write_text(f"#!/bin/sh\n{translated}\n")
    (tmp_path / "bin" / "stat").chmod(0o755)

    class German(LocalShell):
        def run(self, script: str, *words: str, given: bytes = b"", seconds: float = 60) -> bytes:
            head = f"PATH={tmp_path}/bin:$PATH\nunset LC_ALL\n"
            return super().run(head + script, *words, given=given, seconds=seconds)

    ((alice,), _) = usage(German(), str(root), [ALICE])
    assert alice.files == 0


@pytest.mark.parametrize(
    ("path_template", "services", "folder"),
    [
        ("{username}", "_services/{username}", "_services"),
        ("{hub}/{username}", "{hub}/_services/{username}", "hub/_services"),
        ("{hub}/{username}", "_services/{username}", "_services/grader"),
    ],
)
def test_homes_of_services_are_not_nobodys(
    root: Path, tmp_path: Path, path_template: str, services: str, folder: str
) -> None:
    (tmp_path / "passwd").write_text(f"alice:x:{ALICE.uid}:{ALICE.gid}\n")
    nobodys = path_template.format(hub="hub", username="gone")
    for path in (folder, nobodys):
        (root / path).mkdir(parents=True)
    homes = {"root": str(root), "path_template": path_template, "service_path_template": services}
    said = asked(tmp_path, "usage", "--json", homes=homes, hubs=[{"user_ids": str(tmp_path / "passwd")}])
    assert json.loads(said.output)["nobodys"] == [f"{root}/{nobodys}"]


COURSES = {
    "hub": "hub",
    "semester": "ws26",
    "storage": {"root": "/courses", "volume": {"claim": "courses"}},
    "admins": ["carol"],
    "block": ["bob"],
    "home": "{mode}/{semester}/{username}",
    "courses": {"ml": {"image": "lab:1", "students": ["alice", "bob"], "graders": ["grace"]}},
}


def test_the_command_finds_users_and_ids_and_says_what_it_would_do(root: Path, tmp_path: Path) -> None:
    lines = [f"{name}:x:{ALICE.uid + number}:{ALICE.gid}" for number, name in enumerate(("alice", "john.doe"))]
    (tmp_path / "passwd").write_text("\n".join(lines[: 1 if ME else 2]) + "\n")
    sections = {"homes": {"root": str(root)}, "hubs": [{"user_ids": str(tmp_path / "passwd")}]}
    planned = asked(tmp_path, "make", "--dry-run", **sections)
    assert (planned.exit_code, "would make" in planned.output, list(root.iterdir())) == (0, True, [])
    assert asked(tmp_path, "check", **sections).exit_code == 1
    made = asked(tmp_path, "make", **sections)
    assert made.exit_code == 0, made.output
    checked = json.loads(asked(tmp_path, "check", "--json", **sections).output)
    assert (checked["ok"], {one["state"] for one in checked["homes"]}) == (True, {"ok"})
    assert {one["uid"] for one in checked["homes"]} == {ALICE.uid + number for number in range(1 if ME else 2)}
    refused = asked(tmp_path, "make", "Alice", "mallory", **sections)
    assert (refused.exit_code, "refused  mallory: You have no user id" in refused.output) == (1, True)
    used = json.loads(asked(tmp_path, "usage", "--json", **sections).output)
    assert (len(used["homes"]), used["nobodys"]) == (1 if ME else 2, [])


def test_names_come_from_a_list(root: Path, tmp_path: Path) -> None:
    (tmp_path / "class").write_text("# ML\nAlice\n\n  bob \n", encoding="utf-8-sig")
    policy = {"uid": ALICE.uid, "gid": ALICE.gid}
    words = ("make", "--list", str(tmp_path / "class"), "--json")
    said = json.loads(asked(tmp_path, *words, homes={"root": str(root)}, policy=policy).output)
    assert [Path(one["path"]).name for one in said["homes"]] == ["alice", "bob"]
    assert sorted(path.name for path in root.iterdir()) == ["alice", "bob"]
    (tmp_path / "class").write_text("# nobody yet\n", encoding="utf-8")
    empty = asked(tmp_path, "check", "--list", str(tmp_path / "class"), homes={"root": str(root)})
    assert (empty.exit_code, "there is no name in it" in empty.output) == (2, True)
    nameless = asked(tmp_path, "check", homes={"root": str(root)})
    assert (nameless.exit_code, "give names, --list" in nameless.output) == (2, True)


def test_the_users_of_courses_have_the_homes_that_their_hub_gives_them(root: Path, tmp_path: Path) -> None:
    (tmp_path / "teaching.yaml").write_text(yaml.safe_dump(COURSES), encoding="utf-8")
    sections = {
        "homes": {"root": str(root)},
        "hubs": [{"courses": str(tmp_path / "teaching.yaml")}],
        "policy": {"uid": ALICE.uid, "gid": ALICE.gid},
    }
    said = asked(tmp_path, "make", "--json", **sections)
    assert said.exit_code == 0, said.output
    homes = {one["user"]: one["path"] for one in json.loads(said.output)["homes"]}
    assert homes == {name: f"{root}/teaching/ws26/{name}" for name in ("alice", "carol", "grace")}
    blocked = asked(tmp_path, "check", "bob", **sections)
    assert (blocked.exit_code, "no course of this hub" in blocked.output) == (1, True)
    (root / "teaching" / "ws26" / "nobody").mkdir()
    assert json.loads(asked(tmp_path, "usage", "--json", **sections).output)["nobodys"] == [
        f"{root}/teaching/ws26/nobody"
    ]


@pytest.mark.parametrize(
    "homes",
    [{"volume": {"kind": "none"}}, {"volume": {"kind": "pvc", "claim": "home-{username}"}}],
    ids=["none", "dynamic"],
)
def test_volumes_of_their_own_are_no_folders(homes: dict[str, Any]) -> None:
    settings = Settings.model_validate({"homes": homes})
    with pytest.raises(SettingsError, match="there are no homes to make here"):
        HubUsers(settings, settings.hubs[0])
