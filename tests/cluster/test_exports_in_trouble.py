"""Exports as admins have them: root is nobody, the server has NFS 3 only, is full, read-only or replaced."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cluster_machines import ON_THEIR_NODE, on
from cluster_site import GID, UID, MakeSite, Site
from rig.layout import Layout
from rig.machines import machine
from rig.machines.machine import FILER

from doubles import eventually

pytestmark = pytest.mark.usefixtures("machines")
SMALL, QUOTA = "/small", "/quota"
WRITE = """
def write(name, size):
    try:
        with open(name, 'w') as file:
            file.write('x' * size)
    except OSError as error:
        print(error.strerror)
    else:
        print('written')
"""


def exported(options: str, path: str = SMALL, number: int = 77) -> None:
    """Export a file system, in place of an earlier export of it."""
    on(FILER, "exportfs", "-o", f"{options},no_subtree_check,no_root_squash,fsid={number}", f"*:{path}")


@contextmanager
def file_system(path: str, options: str, number: int) -> Iterator[None]:
    """Export a file system of its own, of which nothing is left in the end."""
    on(FILER, "mkdir", "-p", f"/srv{path}")
    on(FILER, "mount", "-t", "tmpfs", "-o", f"mode=0755,{options}", "small", f"/srv{path}")
    try:
        exported("rw,sync", path, number)
        yield
    finally:
        on(FILER, "exportfs", "-u", f"*:{path}", check=False)
        on(FILER, "umount", "--lazy", f"/srv{path}")


@pytest.fixture(scope="module")
def small_site(make_site: MakeSite) -> Iterator[Site]:
    """A gateway with homes on a file system with room for a few files."""
    with file_system(SMALL, "size=4m", 77):
        yield make_site(filer=SMALL, patience_seconds=30, scheduling=ON_THEIR_NODE)


@pytest.fixture
def site(small_site: Site) -> Iterator[Site]:
    """That gateway, with no kernel before and none after."""
    yield small_site
    small_site.stop_kernels()


def homes_command(site: Site, folder: Path, *words: str) -> str:
    """Return what `kernelpod homes` says about zoe's home, by ssh to the NFS server."""
    (folder / "settings.json").write_text(json.dumps({"homes": {"root": site.export}}))
    ssh = folder / "bin" / "ssh"
    ssh.parent.mkdir(exist_ok=True)
    _ssh, *options, _host, _nothing = machine.command(Layout.from_environment(), FILER, [])
    ssh.write_text(f'#!/bin/sh\nexec /usr/bin/ssh {shlex.join(options)} "$@"\n')
    ssh.chmod(0o755)
    place = ("--settings", folder / "settings.json", "--ssh", f"root@{FILER.address}:/srv{site.homes}")
    done = subprocess.run(
        [Path(sys.executable).with_name("kernelpod"), "homes", *words, "zoe", *place],
        env={**os.environ, "PATH": f"{ssh.parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("kind", ["nfs", "pvc"])
def test_homes_are_made_by_ssh_where_root_of_the_nodes_is_nobody(
    make_site: MakeSite, tmp_path: Path, kind: str
) -> None:
    site = make_site(kind, filer="/homes", patience_seconds=30, scheduling=ON_THEIR_NODE)
    zoe = site.by("nobody-token")
    refused = zoe.post()
    assert refused.json()["code"] == "home_missing", refused.text
    assert "1 missing" in homes_command(site, tmp_path, "make", "--dry-run")
    assert zoe.post().json()["code"] == "home_missing"
    assert "1 made" in homes_command(site, tmp_path, "make")
    assert zoe.run(zoe.start(), f"{WRITE}\nwrite('mine', 9)") == "written\n"
    assert on(FILER, "stat", "-c", "%u:%g %s", f"/srv{site.homes}/zoe/mine") == f"{UID}:{GID} 9\n"
    assert "1 ok" in homes_command(site, tmp_path, "check")
    site.stop_kernels()


@pytest.mark.parametrize("kind", ["nfs", "pvc"])
def test_the_path_of_an_export_may_have_spaces_and_an_at_sign(
    make_site: MakeSite, tmp_path: Path, kind: str
) -> None:
    site = make_site(kind, filer="/open/of all @2026 ü", patience_seconds=30, scheduling=ON_THEIR_NODE)
    assert "1 made" in homes_command(site, tmp_path, "make")
    zoe = site.by("nobody-token")
    assert zoe.run(zoe.start(), f"{WRITE}\nwrite('mine', 9)") == "written\n"
    assert on(FILER, "stat", "-c", "%u:%g %s", f"/srv{site.homes}/zoe/mine") == f"{UID}:{GID} 9\n"
    site.stop_kernels()


ODD_NAMES = ("ü" * 127 + "x", "Ünal\n'\"$(x)")
"""Of 255 bytes, which is the longest, and of what shells read."""


def test_an_export_on_which_everybody_is_one_user_serves_homes(make_site: MakeSite) -> None:
    """With `all_squash`, whose user is that of the kernels (`policy.uid`)."""
    site = make_site(filer="/anyone", patience_seconds=30, scheduling=ON_THEIR_NODE)
    with site.alice.channels(site.alice.start()) as channels:
        channels.run(WRITE)
        for name in ODD_NAMES:
            assert channels.run(f"write({name!r}, 3)") == "written\n"
            assert on(FILER, "stat", "-c", "%u:%g %s", f"/srv{site.homes}/alice/{name}") == f"{UID}:{GID} 3\n"
    site.stop_kernels()


LOCKED = """
import sqlite3
with sqlite3.connect('grades.db') as database:
    database.execute('create table if not exists grades (student)')
    database.execute('insert into grades values (1)')
print(database.execute('select count(*) from grades').fetchone()[0])
"""


@pytest.mark.parametrize("options", [("nfsvers=3",), ("nfsvers=3", "nolock")], ids=["locks", "no-locks"])
def test_nfs_3_serves_homes(make_site: MakeSite, options: tuple[str, ...]) -> None:
    """Without locks between nodes, those of a node count: a database must then not be used from two."""
    site = make_site("pvc", filer="/open", mount_options=options, patience_seconds=30, scheduling=ON_THEIR_NODE)
    with site.alice.channels(site.alice.start()) as channels:
        kind = "print(*(line.split()[2] for line in open('/proc/mounts') if line.split()[1] == '/home/jovyan'))"
        assert channels.run(kind) == "nfs\n"
        assert channels.run(LOCKED) == "1\n"
        channels.run(WRITE)
        for name in ODD_NAMES:
            assert channels.run(f"write({name!r}, 3)") == "written\n"
            assert on(FILER, "cat", f"/srv{site.homes}/alice/{name}") == "xxx"
    site.stop_kernels()


def test_a_full_export_is_said(site: Site) -> None:
    """In the cell; and at the start, where IPython has yet to write its first files."""
    with site.alice.channels(site.alice.start()) as channels:
        on(FILER, "sh", "-c", f"head -c 9M /dev/zero >/srv{SMALL}/filling", check=False)
        assert channels.run(f"{WRITE}\nwrite('much', 100_000)") == "No space left on device\n"
        site.alice.start()
        refused = site.bob.post().json()
        assert (refused["code"], "Delete files" in refused["message"]) == ("disk_full", True), refused
        on(FILER, "rm", f"/srv{SMALL}/filling")
        # Linux's client may give a file the error of what was written to it before, once.
        eventually(lambda: channels.run("write('much', 100_000)") == "written\n", what="there is room again")


def test_a_used_up_quota_is_said_and_hits_nobody_else(make_site: MakeSite) -> None:
    """In the cell, as with a full export; the NFS server counts by uid, and other users' ids have room."""
    with file_system(QUOTA, "size=64m,usrquota,usrquota_block_hardlimit=4m", 78):
        site = make_site(filer=QUOTA, patience_seconds=30, scheduling=ON_THEIR_NODE)
        with site.alice.channels(site.alice.start()) as channels:
            assert channels.run(f"{WRITE}\nwrite('much', 8_000_000)") == "Disk quota exceeded\n"
            refused = site.bob.post().json()  # has the same uid
            assert (refused["code"], "Delete files" in refused["message"]) == ("disk_full", True), refused
            others = f"/srv{QUOTA}/of-others"
            on(FILER, "install", "-d", "-o", "4711", others)
            write = ("sh", "-c", f"head -c 1M /dev/zero >{others}/file")
            on(FILER, "setpriv", "--reuid", "4711", "--clear-groups", *write)
            channels.run("import os; os.remove('much')")
            eventually(lambda: channels.run("write('some', 9)") == "written\n", what="there is room again")
        site.stop_kernels()


def test_a_read_only_export_is_said_in_the_cell_and_kernels_start(site: Site) -> None:
    exported("ro,sync")
    try:
        with site.alice.channels(site.alice.start()) as channels:
            assert channels.run(f"{WRITE}\nwrite('some', 9)") == "Read-only file system\n"
    finally:
        exported("rw,sync")


def test_a_replaced_export_ends_what_is_open_and_a_restart_finds_the_new_one(site: Site) -> None:
    """As after a restore: the same path, other file handles."""
    kernel = site.alice.start()
    listing = "import os\ntry: print(os.listdir('/home/jovyan'))\nexcept OSError as error: print(error.strerror)"
    with site.alice.channels(kernel) as channels:
        channels.run(f"{WRITE}\nwrite('before', 9)")
        on(FILER, "exportfs", "-u", f"*:{SMALL}")
        on(FILER, "umount", "--lazy", f"/srv{SMALL}")
        on(FILER, "mount", "-t", "tmpfs", "-o", "size=4m,mode=0755", "small", f"/srv{SMALL}")
        for user in ("alice", "bob", "carol"):
            site.home(user)
        exported("rw,sync")
        eventually(lambda: channels.run(listing) == "Stale file handle\n", what="the cell says so")
    assert site.alice.ask("POST", f"kernels/{kernel}/restart").status_code == 200
    assert site.alice.run(kernel, f"{WRITE}\nwrite('after', 9)") == "written\n"
    assert on(FILER, "ls", f"/srv{site.homes}/alice") == "after\n"
