"""Releases: readers see one whole release, whatever happens to the one that publishes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from elsewhere import NOON, Elsewhere, LocalShell, leftovers, seen, tree
from kernelpod.base.shells import RemoteError
from kernelpod.kernelspecs.publishing.lock import NAME as LOCK
from kernelpod.kernelspecs.publishing.lock import LockedError, locked
from kernelpod.kernelspecs.publishing.releases import KEPT_FOR, MANIFEST, ReleaseError, Target
from kernelpod.kernelspecs.publishing.tree import LARGEST_BYTES, Tree, TreeError, difference, read_tree

# busybox finds its own commands before those of PATH.
SHELLS = {"busybox": ("busybox", "sh")}
Place = Target | Elsewhere


@pytest.fixture(params=["a folder", "sh", "bash", "busybox"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Return a target with one release: a folder, or one at the other end of a shell."""
    folder = tmp_path / "tar get"
    made: Place = Target(folder)
    if request.param != "a folder":
        if not shutil.which(request.param):
            pytest.skip(f"{request.param} is not installed")
        made = Elsewhere(folder, LocalShell(SHELLS.get(request.param, (request.param,))))
    made.publish(tree(), "alice", keep=3, now=NOON)
    return made


@pytest.fixture
def here(tmp_path: Path) -> Target:
    """Return a target with one release that is a folder."""
    made = Target(tmp_path / "target")
    made.publish(tree(), "alice", keep=3, now=NOON)
    return made


def test_a_release_holds_what_was_given_and_everybody_may_read_it(target: Place) -> None:
    assert target.tree() == tree()
    (release,) = target.history()
    assert (release.name, release.by, release.live, release.damage) == (
        f"20260101T120000Z-{tree().digest[:12]}",
        "alice",
        True,
        "",
    )
    live = target.live()
    assert live is not None
    for path in [live, *live.rglob("*")]:
        assert path.stat().st_mode & 0o777 == (0o755 if path.is_dir() else 0o644)
    assert leftovers(target) == []


def test_rollback_goes_one_step_back_and_further(target: Place) -> None:
    for number, text in enumerate(("two", "three"), 1):
        target.publish(tree(text), "alice", keep=3, now=NOON + timedelta(hours=number))
    assert seen(target) == {"three"}
    assert target.rollback("bob").startswith("20260101T130000Z")
    assert seen(target) == {"two"}
    target.rollback("bob")
    assert seen(target) == {"one"}
    with pytest.raises(ReleaseError, match="is the oldest release"):
        target.rollback("bob")
    newest = target.history()[0].name
    assert target.rollback("bob", newest) == newest
    assert seen(target) == {"three"}
    with pytest.raises(ReleaseError, match="there is no release never"):
        target.rollback("bob", "never")


def test_the_newest_stay_and_every_release_for_an_hour(target: Place) -> None:
    for minutes in (1, 2, 3, 4):
        target.publish(tree(str(minutes)), "alice", keep=2, now=NOON + timedelta(minutes=minutes))
    assert len(target.history()) == 5, "a reader may still be at work on them"
    target.publish(tree("late"), "alice", keep=2, now=NOON + KEPT_FOR + timedelta(minutes=10))
    assert [release.name[:15] for release in target.history()] == ["20260101T131000", "20260101T120400"]


def test_a_clock_that_goes_backwards_keeps_the_order(target: Place) -> None:
    target.publish(tree("two"), "alice", keep=3, now=NOON - timedelta(days=400))
    newest, oldest = target.history()
    assert (newest.live, newest.name[:16]) == (True, "20260101T120001Z")
    assert seen(target) == {"two"}
    assert oldest.name < newest.name


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda live: (live / "a-pod/kernel.json").write_text("x"), "a-pod/kernel.json was changed"),
        (lambda live: (live / "a-pod/kernel.json").unlink(), "a-pod/kernel.json is missing"),
        (lambda live: (live / "a-pod/new").write_text("x"), "a-pod/new is not of this release"),
        (lambda live: (live / MANIFEST).unlink(), MANIFEST),
        (lambda live: (live / MANIFEST).write_text("[]"), MANIFEST),
        (lambda live: (live / "a-pod/link").symlink_to("kernel.json"), "is a symbolic link"),
    ],
    ids=["changed", "missing", "new", "no manifest", "bad manifest", "link"],
)
def test_a_damaged_release_is_named_and_not_switched_to(target: Place, harm: object, said: str) -> None:
    live = target.live()
    harm(live)  # type: ignore[operator]
    target.publish(tree("two"), "alice", keep=3, now=NOON + timedelta(hours=1))
    assert said in target.history()[1].damage
    with pytest.raises(ReleaseError, match="is damaged"):
        target.rollback("alice")
    assert seen(target) == {"two"}


def test_a_folder_in_place_of_the_link_is_never_touched(tmp_path: Path) -> None:
    old = tmp_path / "kernelspecs" / "python-pod"
    old.mkdir(parents=True)
    with pytest.raises(ReleaseError, match="Move it away: mv"):
        Target(tmp_path).publish(tree(), "alice", keep=3)
    assert old.is_dir()
    assert not (tmp_path / LOCK).exists()


def test_two_admins_at_once_are_told_of_each_other(target: Place) -> None:
    with locked(target.folder, "alice"), pytest.raises(LockedError, match=r"alice on .*, for \d+ s is publishing"):
        target.publish(tree("two"), "bob", keep=3)
    assert seen(target) == {"one"}
    target.publish(tree("two"), "bob", keep=3)


def test_a_lock_of_another_machine_is_respected(target: Place) -> None:
    (target.folder / LOCK).write_text(json.dumps({"by": "eve", "host": "elsewhere", "pid": 1, "started": "1"}))
    with pytest.raises(LockedError, match="eve on elsewhere"):
        target.publish(tree("two"), "bob", keep=3)


@pytest.mark.parametrize("error", [28, 13, 30], ids=["full disk", "no right", "read-only"])
def test_storage_that_fails_leaves_the_live_release(
    here: Target, error: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync, left = os.fsync, [3]

    def fails(number: int) -> None:
        left[0] -= 1
        if not left[0]:
            raise OSError(error, os.strerror(error))
        fsync(number)

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(ReleaseError, match=os.strerror(error)):
        here.publish(tree("two"), "alice", keep=3)
    assert seen(here) == {"one"}
    assert leftovers(here) == []


# Ends itself like a power cut before the NUMBERth step that changes something on disk.
DIES = """
import os, sys
from pathlib import Path
from kernelpod.kernelspecs.publishing.releases import Target
from kernelpod.kernelspecs.publishing.tree import Tree
left = [int(sys.argv[2])]
CHANGES = ("os.fsync", "os.mkdir", "os.rename", "os.symlink", "os.link", "os.remove", "os.rmdir", "os.chmod")
def count(event, words):
    written = event == "open" and isinstance(words[2], int) and words[2] & (os.O_WRONLY | os.O_RDWR)
    if event in CHANGES or written:
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), 9)
real = os.fsync
def fsync(file):
    count("os.fsync", ())
    real(file)
os.fsync = fsync
sys.addaudithook(count)
files = {path: b"two" for path in ("a-pod/kernel.json", "b-pod/kernel.json", "b-pod/scripts/x")}
Target(Path(sys.argv[1])).publish(Tree(files), "alice", keep=1)
print("left", left[0])
"""


def die_at(target: Target, number: int) -> int:
    """Return the exit status of a `publish` that ends before its NUMBERth step."""
    done = subprocess.run(
        [sys.executable, "-c", DIES, str(target.folder), str(number)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode in (0, -9), done.stderr
    return done.returncode


def test_a_publish_killed_at_any_step_is_whole_or_never_was(here: Target) -> None:
    number = 1
    while die_at(here, number) == -9:
        assert seen(here) in ({"one"}, {"two"}), f"killed before step {number}"
        here.publish(tree(), "bob", keep=9)
        assert seen(here) == {"one"}
        assert leftovers(here) == []
        number += 1
    assert number > 20, "the steps were not counted"
    assert seen(here) == {"two"}


def test_no_reader_sees_a_mix(target: Place) -> None:
    mixed: list[set[str]] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            texts = seen(target)
            if len(texts) != 1:
                mixed.append(texts)

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    try:
        for number in range(30 if isinstance(target, Target) else 5):
            target.publish(tree(f"text {number}"), "alice", keep=3)
    finally:
        done.set()
        for reader in readers:
            reader.join()
    assert mixed == []


def test_many_at_once_publish_one_after_the_other_or_not_at_all(target: Place) -> None:
    refused: list[str] = []

    def publish(number: int) -> str:
        try:
            return target.publish(tree(f"text {number}"), "alice", keep=9)
        except (LockedError, RemoteError) as error:
            refused.append(error.message)
            return ""

    with ThreadPoolExecutor(6) as pool:
        made = set(filter(None, pool.map(publish, range(6))))
    assert made
    assert all("is publishing here" in said or "in the meantime" in said for said in refused), refused
    assert {release.name for release in target.history()} >= made
    assert {release.damage for release in target.history()} == {""}
    assert len(seen(target)) == 1
    assert leftovers(target) == []


def test_temporary_files_may_be_on_another_filesystem(target: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = Path("/dev/shm")
    if not os.access(elsewhere, os.W_OK) or elsewhere.stat().st_dev == target.folder.stat().st_dev:
        pytest.skip("there is one filesystem only")
    monkeypatch.setattr(tempfile, "tempdir", str(elsewhere))
    target.publish(tree("two"), "alice", keep=3)
    assert seen(target) == {"two"}


def write(folder: Path, path: str, content: str = "x") -> Path:
    """Write a file and return its path."""
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content, encoding="utf-8")
    return file


def test_files_of_every_name_are_read_and_hidden_folders_are_not(tmp_path: Path) -> None:
    for path in ("a-pod/kernel.json", "a-pod/größe 1\n.txt", "a-pod/deep/er/file", ".git/config", "README.md"):
        write(tmp_path, path)
    assert list(read_tree(tmp_path).files) == ["a-pod/deep/er/file", "a-pod/größe 1\n.txt", "a-pod/kernel.json"]


def test_links_out_of_the_folder_and_loops_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "a-pod/kernel.json")
    for name, to in (("file", "/etc/passwd"), ("loop", "."), ("up", "../..")):
        link = tmp_path / "a-pod" / name
        link.symlink_to(to)
        with pytest.raises(TreeError, match="is a symbolic link"):
            read_tree(tmp_path)
        link.unlink()
    (tmp_path / "b-pod").symlink_to("a-pod")
    with pytest.raises(TreeError, match="b-pod is a symbolic link"):
        read_tree(tmp_path)


def test_what_is_no_file_or_too_large_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "a-pod/kernel.json", "x" * (LARGEST_BYTES + 1))
    with pytest.raises(TreeError, match="larger than 1 MiB"):
        read_tree(tmp_path)
    (tmp_path / "a-pod/kernel.json").unlink()
    os.mkfifo(tmp_path / "a-pod/pipe")
    with pytest.raises(TreeError, match="neither a file nor a folder"):
        read_tree(tmp_path)


def test_the_difference_names_what_comes_goes_and_changes() -> None:
    old = Tree({"a/kernel.json": b"1\n2\n", "b/kernel.json": b"x\n", "c/logo.png": b"\xff\x00"})
    new = Tree({"a/kernel.json": b"1\n3", "c/logo.png": b"\xff\x01", "d/kernel.json": b"n\n"})
    assert difference(old, old) == ""
    assert difference(old, new).splitlines() == [
        "--- a/a/kernel.json",
        "+++ b/a/kernel.json",
        "@@ -1,2 +1,2 @@",
        " 1",
        "-2",
        "+3",
        "\\ No newline at end of file",
        "--- a/b/kernel.json",
        "+++ /dev/null",
        "@@ -1 +0,0 @@",
        "-x",
        "Binary files a/c/logo.png and b/c/logo.png differ",
        "--- /dev/null",
        "+++ b/d/kernel.json",
        "@@ -0,0 +1 @@",
        "+n",
    ]
