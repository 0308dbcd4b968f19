"""Homes on an NFS server that is no node, by Linux's own client: a server on one node, a kernel on another."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Any

import kube
import pytest
from cluster_machines import NODE_OF_KERNELS, NODE_OF_SERVERS, ON_THEIR_NODE, TOLERATED, on, without_power
from cluster_site import GID, IMAGES, UID, MakeSite, Site
from rig.machines.machine import FILER

from client import Channels
from doubles import eventually
from kernelpod.deploy.state import LATE, late_to_end

# How long an NFS server is away at least; `make test-outage` says more.
OUTAGE_SECONDS = float(os.environ.get("KERNELPOD_OUTAGE_SECONDS", "0"))
pytestmark = [pytest.mark.usefixtures("machines"), pytest.mark.timeout(900 + OUTAGE_SECONDS)]


@pytest.fixture(scope="module")
def whole_site(make_site: MakeSite) -> Site:
    """A gateway whose kernels run on one node, with homes of an export that lets root be root.

    A kernel that waited for a lock of a server that has just started would take a minute.
    """
    return make_site(filer="/open", patience_seconds=30, scheduling=ON_THEIR_NODE)


@pytest.fixture
def site(whole_site: Site) -> Iterator[Site]:
    """That gateway, with no kernel before and none after."""
    yield whole_site
    whole_site.stop_kernels()


@contextmanager
def on_the_other_node(
    site: Site, home: dict[str, Any], sub_path: str = "", image: str = "kernel-python"
) -> Iterator[None]:
    """Run a pod with a home of the given volume, in the place of a user's server."""
    container = {
        "name": "server",
        "image": IMAGES.format(image),
        "command": ["sleep", "infinity"],
        "volumeMounts": [{"name": "home", "mountPath": "/home/jovyan", "subPath": sub_path}],
    }
    spec = {
        "nodeName": NODE_OF_SERVERS.name,
        "tolerations": TOLERATED,
        "securityContext": {"runAsUser": UID, "runAsGroup": GID},
        "terminationGracePeriodSeconds": 1,  # as servers have; with 0 the API server forgets the pod at once
        "containers": [container],
        "volumes": [{"name": "home", **home}],
    }
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "server"}, "spec": spec}
    kube.kubectl("create", "-n", site.namespace, "-f", "-", given=pod)
    try:
        kube.kubectl("wait", "-n", site.namespace, "pod/server", "--for=condition=Ready", "--timeout=100s")
        yield
    finally:
        kube.kubectl("delete", "-n", site.namespace, "pod/server", "--timeout=100s", "--ignore-not-found")


@pytest.fixture
def server(site: Site) -> Iterator[None]:
    """A pod on the other node with alice's home."""
    with on_the_other_node(site, {"nfs": {"server": FILER.address, "path": f"{site.export}/alice"}}):
        yield


def in_server(site: Site, code: str) -> str:
    """Return what a Python program in the server's pod prints."""
    return kube.kubectl("exec", "-n", site.namespace, "server", "--", "python", "-c", code)


def seen_of(site: Site, channels: Channels, name: str) -> str:
    """Return what kernel, server and NFS server say of a file of alice's home."""
    look = f"import os; one = os.stat('/home/jovyan/{name}'); print(one.st_size, one.st_mtime_ns, one.st_ctime_ns)"
    look += f"; print(open('/home/jovyan/{name}').read())"
    there = on(FILER, "stat", "-c", "%s %y %z", f"/srv{site.export}/alice/{name}")
    return f"kernel: {channels.run(look)}; server: {in_server(site, look)}; NFS server: {there}"


@pytest.mark.usefixtures("server")
def test_a_file_that_is_saved_on_one_node_is_read_on_the_other_at_once(site: Site) -> None:
    kernel = site.alice.start()
    pods = kube.items("pods", site.namespace, "kernelpod.io/kernel-id")
    assert [pod["spec"]["nodeName"] for pod in pods] == [NODE_OF_KERNELS.name]
    with site.alice.channels(kernel) as channels:
        kind = "print([line.split()[2:4] for line in open('/proc/mounts') if line.split()[1] == '/home/jovyan'])"
        assert "['nfs4', 'rw," in channels.run(kind)
        for number in range(20):
            in_server(site, f"open('/home/jovyan/ü', 'w').write('{number}')")
            read = channels.run("print(open('/home/jovyan/ü').read())")
            assert read == f"{number}\n", seen_of(site, channels, "ü")
            channels.run(f"open('/home/jovyan/back', 'w').write('{number}')")
            assert in_server(site, "print(open('/home/jovyan/back').read())") == f"{number}\n"
    assert on(FILER, "stat", "-c", "%u:%g", f"/srv{site.export}/alice/back") == f"{UID}:{GID}\n"


@pytest.mark.usefixtures("server")
def test_a_listing_on_the_other_node_is_right_when_it_is_asked_for(site: Site) -> None:
    """Linux asks the server when a folder is opened, whatever its cache holds."""
    with site.alice.channels(site.alice.start()) as channels:
        channels.run("import os; os.makedirs('listed', exist_ok=True); print(os.listdir('listed'))")
        for number in range(20):
            in_server(site, f"open('/home/jovyan/listed/{number}', 'w').close()")
            assert channels.run(f"print('{number}' in os.listdir('listed'))") == "True\n"
        in_server(site, "import os; [os.remove(f'/home/jovyan/listed/{number}') for number in range(20)]")
        assert channels.run("print(os.listdir('listed'))") == "[]\n"


KEPT_OPEN = """
import os
os.mkdir('folder')
kept = open('folder/kept', 'w+')
kept.write('before'); kept.flush()
"""


def test_a_file_that_is_removed_while_it_is_open_is_there_until_it_is_closed(site: Site) -> None:
    """The client renames it meanwhile, so that its folder cannot be removed yet."""
    with site.alice.channels(site.alice.start()) as channels:
        channels.run(f"{KEPT_OPEN}\nos.remove('folder/kept')")
        assert channels.run("print([name[:4] for name in os.listdir('folder')])") == "['.nfs']\n"
        assert channels.run("kept.write(' and after'); kept.seek(0); print(kept.read())") == "before and after\n"
        assert channels.finish(channels.start("os.rmdir('folder')")).error == "OSError"
        assert channels.run("kept.close(); os.rmdir('folder'); print(os.path.exists('folder'))") == "False\n"


@pytest.mark.usefixtures("server")
def test_a_file_that_the_other_node_removes_while_it_is_open_is_said_to_be_gone(site: Site) -> None:
    with site.alice.channels(site.alice.start()) as channels:
        channels.run(f"{KEPT_OPEN}\nos.fsync(kept.fileno())")
        in_server(site, "import os; os.remove('/home/jovyan/folder/kept'); os.rmdir('/home/jovyan/folder')")
        said = "try:\n    os.pread(kept.fileno(), 6, 0); os.fstat(kept.fileno()); print('here')\n"
        said += "except OSError as error:\n    print(error.strerror)"
        assert channels.run(said) in ("Stale file handle\n", "here\n")
        assert channels.run("print('folder' in os.listdir())") == "False\n"
        channels.finish(channels.start("kept.close()"))
        assert channels.run("open('next', 'w').write('works'); print(open('next').read())") == "works\n"


LINES = """
import fcntl
def add(who):
    for number in range(50):
        with open('/home/jovyan/shared', 'a') as file:
            fcntl.lockf(file, fcntl.LOCK_EX)
            file.write(f'{who} {number}\\n')
def count():
    return len(set(open('/home/jovyan/shared')))
"""
ROWS = """
import contextlib, sqlite3
def opened():
    return contextlib.closing(sqlite3.connect('/home/jovyan/shared.db', timeout=60))
def add(who):
    for number in range(50):
        with opened() as database, database:
            database.execute('create table if not exists rows (who, number)')
            database.execute('insert into rows values (?, ?)', (who, number))
def count():
    with opened() as database:
        return database.execute('select count(*) from (select distinct * from rows)').fetchone()[0]
"""


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("way", [LINES, ROWS], ids=["lines", "rows"])
def test_what_two_nodes_write_under_locks_is_all_there(site: Site, way: str) -> None:
    """Lines that are appended under a lock, and SQLite, as nbgrader's gradebook is."""
    with site.alice.channels(site.alice.start()) as channels:
        adding = channels.start(f"{way}\nadd('kernel')")
        in_server(site, f"{way}\nadd('server')")
        assert channels.finish(adding).text == ""
        assert channels.run("print(count())") == "100\n"
        assert in_server(site, f"{way}\nprint(count())") == "100\n"


@pytest.mark.usefixtures("server")
def test_a_program_that_keeps_its_log_open_appends_to_what_the_other_node_has_appended(site: Site) -> None:
    """Under a lock. Without one it writes over it: Linux takes the end of the file from its own cache."""
    opened = "import fcntl; log = open('log', 'a')\ndef add(text):\n    fcntl.lockf(log, fcntl.LOCK_EX)\n"
    opened += "    log.write(text); log.flush()\n    fcntl.lockf(log, fcntl.LOCK_UN)\n"
    with site.alice.channels(site.alice.start()) as channels:
        channels.run(opened)
        for number in range(10):
            in_server(site, f"open('/home/jovyan/log', 'a').write('server {number}\\n')")
            channels.run(f"add('kernel {number}\\n')")
        expected = "".join(f"{who} {number}\n" for number in range(10) for who in ("server", "kernel"))
        assert in_server(site, "print(open('/home/jovyan/log').read(), end='')") == expected


TOGETHER = """
import fcntl
def add(who, times, locked):
    for number in range(times):
        with open('together', 'ab', buffering=0) as file:
            if locked:
                fcntl.flock(file, fcntl.LOCK_EX)
            file.write(f'{who} {number}\\n'.encode())
"""


@pytest.mark.parametrize(("times", "locked"), [(50, True), (500, False)], ids=["flock", "no lock"])
def test_two_kernels_of_one_user_on_two_nodes_lose_no_line_under_a_lock(
    site: Site, times: int, locked: bool
) -> None:
    """Without one they may write over one another: NFS cannot append. What is left is the same for both."""
    site.spec("beside-pod", {"node_selector": {"kubernetes.io/hostname": NODE_OF_SERVERS.name}})
    kernels = site.alice.start(), site.alice.start("beside-pod")
    pods = kube.items("pods", site.namespace, "kernelpod.io/kernel-id")
    assert {pod["spec"]["nodeName"] for pod in pods} == {NODE_OF_KERNELS.name, NODE_OF_SERVERS.name}
    with site.alice.channels(kernels[0]) as one, site.alice.channels(kernels[1]) as other:
        one.run("open('together', 'wb').close()")
        begun = [page.start(f"{TOGETHER}\nadd({page is one}, {times}, {locked})") for page in (one, other)]
        for page, asked in zip((one, other), begun, strict=True):
            assert page.finish(asked, 120).reply["status"] == "ok"
        expected = sorted(f"{who} {number}" for who in (True, False) for number in range(times))
        there = on(FILER, "cat", f"/srv{site.export}/alice/together")
        if locked:
            assert sorted(there.splitlines()) == expected
        assert len(there) <= len("\n".join(expected)) + 1
        for page in (one, other):
            assert page.run("print(open('together').read(), end='')") == there


def test_two_nodes_share_a_home_by_nfs_3(make_site: MakeSite) -> None:
    """What is saved is there soon; what both write under locks is all there: `rpc.statd` runs on the nodes.

    Not always at the first open: Linux 7.3 gave the former content once, and the new one a moment later.
    """
    options = {"mount_options": ("nfsvers=3",), "patience_seconds": 30, "scheduling": ON_THEIR_NODE}
    site = make_site("pvc", filer="/open", **options)
    claim = {"persistentVolumeClaim": {"claimName": "homes"}}
    with on_the_other_node(site, claim, "alice"), site.alice.channels(site.alice.start()) as channels:
        read = "print(open('/home/jovyan/{}').read())"
        for number in range(5):
            in_server(site, f"open('/home/jovyan/ü', 'w').write('{number}')")
            is_new = lambda: channels.run(read.format("ü")) == f"{number}\n"  # noqa: B023, E731
            eventually(is_new, 10, what=f"the kernel reads {number}")
            channels.run(f"open('/home/jovyan/back', 'w').write('{number}')")
            is_back = lambda: in_server(site, read.format("back")) == f"{number}\n"  # noqa: B023, E731
            eventually(is_back, 10, what=f"the server reads {number}")
        mounted = "print(*(line.split()[2] for line in open('/proc/mounts') if line.split()[1] == '/home/jovyan'))"
        assert (channels.run(mounted), in_server(site, mounted)) == ("nfs\n", "nfs\n")
        for way in (LINES, ROWS):
            adding = channels.start(f"{way}\nadd('kernel')")
            in_server(site, f"{way}\nadd('server')")
            assert channels.finish(adding).text == ""
            assert channels.run("print(count())") == "100\n"
    site.stop_kernels()


def test_a_kernel_outlives_its_server_of_homes_and_loses_nothing(site: Site) -> None:
    """It computes on; what it writes waits until the server is back."""
    kernel = site.alice.start()
    with site.alice.channels(kernel) as channels:
        channels.run("import os; kept = open('kept', 'w'); kept.write('x'); kept.flush(); os.fsync(kept.fileno())")
        with without_power(FILER):
            until = time.monotonic() + OUTAGE_SECONDS
            assert channels.run("print(sum(range(10)))") == "45\n"
            while time.monotonic() < until:
                assert channels.run("import time; time.sleep(1); print(sum(range(10)))") == "45\n"
            writing = channels.start("open('late', 'w').write('y'); print(open('kept').read())")
        assert channels.finish(writing, 240).text == "x\n"
    assert on(FILER, "cat", f"/srv{site.export}/alice/kept", f"/srv{site.export}/alice/late") == "xy"


def test_a_kernel_starts_in_time_although_its_server_of_homes_gives_no_locks_yet(site: Site) -> None:
    """It has just started, and waits for clients that held locks before. In that time no lock is given."""
    with without_power(FILER):
        pass
    kernel = site.alice.start()
    with site.alice.channels(kernel) as channels:
        asked = "print(get_ipython().history_manager.hist_file)"
        assert channels.run(asked) == "/tmp/ipython-history.sqlite\n"


SIGNATURES = """
import logging, pathlib, sqlite3, time
from kernelpod.singleuser.signatures import PatientSignatures
file = pathlib.Path('/home/jovyan/nbsignatures.db')
signatures = PatientSignatures(file, logging.getLogger())
numbers = [str(number) for number in range(40)]
def known():
    return all(signatures.check_signature(number, 'sha256') for number in numbers)
def kept():
    try:
        return {row[0] for row in sqlite3.connect(file, timeout=60).execute('select signature from nbsignatures')}
    except sqlite3.OperationalError:  # the table is not made yet
        return set()
def store_until_kept(*expected):
    while not kept().issuperset(expected):
        signatures.store_signature('last', 'sha256'); time.sleep(0.5)
"""


def test_no_notebook_waits_for_its_signature_although_its_server_of_homes_gives_no_locks_yet(site: Site) -> None:
    """The signatures of trusted notebooks are SQLite. They are written when the server gives locks."""
    home = {"nfs": {"server": FILER.address, "path": f"{site.export}/alice"}}
    with on_the_other_node(site, home, image="singleuser"):
        # The server may have started a moment ago, in the test before.
        before = "signatures.store_signature('before', 'sha256'); store_until_kept('before')"
        in_server(site, f"{SIGNATURES}\n{before}")
        with without_power(FILER):
            pass
        said = in_server(
            site,
            f"{SIGNATURES}\nbegan = time.monotonic()\n"
            "for number in numbers: signatures.store_signature(number, 'sha256')\n"
            "print(time.monotonic() - began < 40, known())\n"
            "store_until_kept('before', *numbers)\n"
            "print(len(list(file.parent.glob('nbsignatures.db.bak'))))",
        )
    assert said == "True True\n0\n"


def test_a_kernel_is_deleted_while_its_server_of_homes_is_away(site: Site) -> None:
    """The gateway does not wait for the server. The node ends the pod's rest when it is back."""
    kernel = site.alice.start()
    assert site.alice.run(kernel, "print(open('kept', 'w').write('x' * 9))") == "9\n"
    until = time.monotonic() + OUTAGE_SECONDS
    with without_power(FILER):
        assert site.alice.ask("DELETE", f"kernels/{kernel}").status_code == 204
        assert (site.alice.ids(), site.leftovers()) == ([], [])
        eventually(
            lambda: time.monotonic() > until, OUTAGE_SECONDS + 60, what="the server was away for long enough"
        )
    mounts = lambda: on(NODE_OF_KERNELS, "cat", "/proc/mounts")  # noqa: E731
    eventually(lambda: f"{site.export}/alice" not in mounts(), 180, what="the node has unmounted the home")
    assert site.alice.run(site.alice.start(), "import os; print(os.path.getsize('kept'))") == "9\n"


def test_a_server_that_cannot_end_is_named_and_ends_when_its_server_of_homes_is_back(site: Site) -> None:
    """Its node cannot unmount the home: data wait to be written. `kernelpod status` says which node, and why."""
    home = {"nfs": {"server": FILER.address, "path": f"{site.export}/alice"}}
    pods = lambda: [one for one in kube.items("pods", site.namespace) if one["metadata"]["name"] == "server"]  # noqa: E731
    with on_the_other_node(site, home):
        # One open file and no append: it goes on writing to the node's cache while the NFS server is away.
        opened = "import time\nlog = open('/home/jovyan/log', 'wb', buffering=0)"
        writing = f"{opened}\nwhile True: log.write(bytes(4096)); time.sleep(0.01)"
        command = f"nohup python -c {shlex.quote(writing)} >/dev/null 2>&1 &"
        kube.kubectl("exec", "-n", site.namespace, "server", "--", "sh", "-c", command)
        in_server(site, "import os, time\nwhile not os.path.exists('/home/jovyan/log'): time.sleep(0.1)")
        with without_power(FILER):
            kube.kubectl("delete", "-n", site.namespace, "pod/server", "--wait=false")
            late = lambda: late_to_end(pods(), datetime.now(timezone.utc))  # noqa: E731
            (said,) = eventually(late, LATE.total_seconds() + 120, what="its node does not end it")
            assert f"on node {NODE_OF_SERVERS.name}, 1 of the pods" in said
            assert f"{site.namespace}/server" in said
        eventually(lambda: not pods(), 240, what="its node ends it")
