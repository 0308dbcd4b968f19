"""What a kernel sees: its user's home, and nothing of the gateway, of other users or of the machine."""

from __future__ import annotations

import contextlib
import json
import signal
from ast import literal_eval
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import websocket

from doubles import PATIENCE_SECONDS


def test_the_environment_holds_nothing_of_the_gateway(site: Any) -> None:
    kernel_id = site.alice.start()
    seen = json.loads(site.alice.run(kernel_id, "import json, os; print(json.dumps(dict(os.environ)))"))
    assert "do-not-leak" not in seen.values()
    assert not [
        name for name in seen if "TOKEN" in name or "SECRET" in name or name.startswith(("JUPYTERHUB", "EG_"))
    ]
    assert not [value for value in seen.values() if "alice-token" in value]
    assert (seen["HOME"], seen["KERNEL_USERNAME"], seen["KERNEL_ID"]) == ("/home/jovyan", "alice", kernel_id)


def test_no_process_of_the_machine_can_be_seen_or_signalled(site: Any) -> None:
    code = "import os; print(sorted(int(n) for n in os.listdir('/proc') if n.isdigit())[-1] < 100, os.getuid())"
    few, uid = site.alice.run(site.alice.start(), code).split()
    assert few == "True"
    assert uid != "0"


def test_the_kernel_cannot_become_root(site: Any) -> None:
    code = "print(open('/proc/self/status').read())"
    status = dict(line.split(":\t", 1) for line in site.alice.run(site.alice.start(), code).strip().splitlines())
    assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 0
    assert status["NoNewPrivs"] == "1"


def test_the_kernel_knows_names_of_users_and_its_own_host(site: Any) -> None:
    code = "import getpass, socket; print(getpass.getuser() != '', socket.gethostbyname(socket.gethostname()))"
    assert site.alice.run(site.alice.start(), "print(open('/etc/passwd').readline())").startswith("root:")
    assert site.alice.run(site.alice.start(), code) == "True 127.0.0.1\n"


def below(paths: list[str], folder: str) -> set[str]:
    """Return the names in a folder that lead to these paths."""
    inside = [Path(path).relative_to(folder) for path in paths if Path(path).is_relative_to(folder)]
    return {path.parts[0] for path in inside}


def test_bob_sees_neither_alices_home_nor_her_sockets(site: Any, system_paths: list[str]) -> None:
    (site.homes / "alice" / "diary.txt").write_text("dear diary", encoding="utf-8")
    hers, his = site.alice.start(), site.bob.start()
    (state,) = [
        folder for folder in site.gateway.state_dir.iterdir() if folder.name.startswith(hers.replace("-", ""))
    ]
    assert (state / "c" / "s-1").is_socket()
    code = f"""
import os, socket
def attempt(what, *arguments):
    try:
        return what(*arguments)
    except OSError as error:
        return type(error).__name__
for place in ('/home', '/tmp', '/run', '/dev/shm', '/root', '/home/jovyan', '/run/kernelpod', {str(site.homes)!r}):
    print(place, attempt(os.listdir, place))
for place in ({str(site.homes / "alice" / "diary.txt")!r}, '/etc/shadow', {str(state / "record.json")!r}):
    print(place, attempt(open, place))
print('connect', attempt(socket.socket(socket.AF_UNIX).connect, {str(state / "c" / "s-1")!r}))
print('passwd', attempt(os.chown, '/etc/passwd', 0, 0))
print('write', attempt(open, '/usr/made', 'w'))
"""
    seen = dict(line.split(" ", 1) for line in site.bob.run(his, code).splitlines())
    # A checkout that lies in /home or /tmp is among the system folders that kernels may read; nothing else is.
    assert set(literal_eval(seen["/home"])) <= {"jovyan", *below(system_paths, "/home")}
    assert set(literal_eval(seen["/tmp"])) <= below(system_paths, "/tmp")
    assert seen["/dev/shm"] == "[]"
    assert "diary" not in seen["/home/jovyan"]
    assert seen["/run"] == "['kernelpod']"
    assert "connection.json" in seen["/run/kernelpod"]
    assert "record.json" not in seen["/run/kernelpod"]
    refused = [str(site.homes), str(site.homes / "alice" / "diary.txt"), "/etc/shadow", str(state / "record.json")]
    assert {seen[place] for place in [*refused, "connect", "passwd", "write"]} <= {
        "FileNotFoundError",
        "NotADirectoryError",
        "PermissionError",
        "OSError",
    }


def test_the_files_of_a_kernel_are_private(site: Any) -> None:
    site.alice.start()
    (folder,) = site.gateway.state_dir.iterdir()
    modes = {str(path.relative_to(folder)): path.stat().st_mode & 0o777 for path in folder.rglob("*.json")}
    assert modes == dict.fromkeys(("record.json", "connection.json", "process.json", "kernel.json"), 0o600)
    key = json.loads((folder / "c" / "connection.json").read_text(encoding="utf-8"))["key"]
    assert key not in site.gateway.log
    assert key not in (folder / "record.json").read_text(encoding="utf-8")
    assert all(
        key.encode() not in line.read_bytes() for line in Path("/proc").glob("[0-9]*/cmdline") if line.exists()
    )


def test_two_kernels_of_one_user_share_the_home_and_no_key(site: Any) -> None:
    first, second = site.alice.start(), site.alice.start()
    site.alice.run(first, "open('shared.txt', 'w').write('x')")
    assert site.alice.run(second, "print(open('shared.txt').read())") == "x\n"
    keys = {
        json.loads(file.read_text(encoding="utf-8"))["key"]
        for file in site.gateway.state_dir.glob("*/c/connection.json")
    }
    assert len(keys) == 2


@pytest.mark.parametrize("name", ["Müller Häuser", "a'b\"c", "$(touch made)", "  two  ", "-rf", "#1"])
def test_a_working_folder_with_an_unusual_name(site: Any, name: str) -> None:
    (site.homes / "alice" / name).mkdir(exist_ok=True)
    kernel_id = site.alice.start(KERNEL_WORKING_DIR=f"/home/jovyan/{name}")
    assert site.alice.run(kernel_id, "import os; print(os.getcwd())") == f"/home/jovyan/{name}\n"
    assert "reason" not in site.alice.model(kernel_id)


@pytest.mark.parametrize("wished", ["/home/jovyan/not/there", "/etc", "/home/jovyan/../..", "relative/not-there"])
def test_a_folder_that_is_not_there_becomes_the_home_and_is_said(site: Any, wished: str) -> None:
    kernel_id = site.alice.start(KERNEL_WORKING_DIR=wished)
    assert site.alice.run(kernel_id, "import os; print(os.getcwd())") == "/home/jovyan\n"
    assert "the kernel started in '/home/jovyan'" in site.alice.model(kernel_id)["reason"]
    assert not {"not", "relative"} & {path.name for path in (site.homes / "alice").iterdir()}


def test_a_working_folder_that_is_a_link_out_of_the_home_leads_nowhere(site: Any) -> None:
    link = site.homes / "alice" / "way-out"
    link.symlink_to(site.homes / "bob")
    try:
        answer = site.alice.post(KERNEL_WORKING_DIR="/home/jovyan/way-out")
        if answer.status_code == 201:
            assert site.alice.run(answer.json()["id"], "import os; print(os.getcwd())") == "/home/jovyan\n"
        else:
            assert answer.status_code == 500
    finally:
        link.unlink()


def test_a_working_folder_that_is_a_link_in_the_home_is_entered(site: Any) -> None:
    (site.homes / "alice" / "term").mkdir(exist_ok=True)
    (site.homes / "alice" / "now").symlink_to("/home/jovyan/term")
    kernel_id = site.alice.start(KERNEL_WORKING_DIR="/home/jovyan/now")
    assert site.alice.run(kernel_id, "import os; print(os.getcwd())") == "/home/jovyan/term\n"
    assert "reason" not in site.alice.model(kernel_id)


def test_memory_is_limited(site: Any) -> None:
    sizes = {"requests": {"memory": "64Mi"}, "limits": {"memory": "512Mi"}}
    site.spec("small-pod", metadata={"kernelpod": {"image": "i", "resources": sizes}})
    with site.alice.channels(site.alice.start("small-pod")) as channels:
        outcome = channels.finish(channels.start("x = bytearray(2 * 1024**3)"), PATIENCE_SECONDS)
        assert outcome.error == "MemoryError"
        assert channels.run("print(1)") == "1\n"


def linked(site: Any) -> tuple[str, str]:
    """Return alice's kernel and bob's, who knows where hers has its output and makes his own a link to it."""
    hers, his = site.alice.start(), site.bob.start()
    folders = {folder.name[:32]: folder for folder in site.gateway.state_dir.iterdir()}
    target = folders[hers.replace("-", "")] / "c" / "s-2"
    link = (
        f"import os; os.remove('/run/kernelpod/s-2'); os.symlink({str(target)!r}, '/run/kernelpod/s-2'); print(1)"
    )
    assert site.bob.run(his, link) == "1\n"
    return hers, his


def heard(spy: Any, alice: Any) -> bytes:
    """Return what one page is sent while another's cells print a secret."""
    for _ in range(5):
        alice.run("print('secret of alice')")
    spy.socket.settimeout(1)
    frames = b""
    with contextlib.suppress(websocket.WebSocketTimeoutException):
        while True:
            frames += spy.socket.recv_frame().data
    return frames


def test_a_kernel_that_links_its_socket_to_anothers_hears_nothing_of_it(site: Any) -> None:
    hers, his = linked(site)
    # As a header of its own: the client library would not bear that the gateway chooses none.
    asks_for_v1 = replace(site.bob, headers={"Sec-WebSocket-Protocol": "v1.kernel.websocket.jupyter.org"})
    for bob in (site.bob, asks_for_v1):
        with bob.channels(his) as spy, site.alice.channels(hers) as alice:
            assert b"secret of alice" not in heard(spy, alice)


def test_nor_does_it_by_the_next_gateway_which_follows_the_link(mortal: Any) -> None:
    hers, his = linked(mortal)
    mortal.gateway.stop(signal.SIGKILL)
    mortal.gateway.start()
    with mortal.bob.channels(his) as spy, mortal.alice.channels(hers) as alice:
        assert b"secret of alice" not in heard(spy, alice)


def test_a_kernel_cannot_redirect_the_next_gateway(make_site: Any) -> None:
    own = make_site()
    kernel_id = own.alice.start()
    code = """
import json, os
path = "/run/kernelpod/connection.json"
forged = {**json.load(open(path)), "transport": "tcp", "ip": "127.0.0.1", "shell_port": 9}
os.remove(path)
json.dump(forged, open(path, "w"))
x = 7
"""
    assert own.alice.run(kernel_id, code) == ""
    own.gateway.stop(signal.SIGKILL)
    own.gateway.start()
    assert own.alice.run(kernel_id, "print(x)") == "7\n"
