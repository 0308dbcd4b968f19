"""A kernel is a pod with its owner's home: started, used, interrupted, restarted, deleted, found again."""

from __future__ import annotations

import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import kube
import pytest
from cluster_site import IMAGES, MakeSite, Site
from rig.layout import NODE_IP

from doubles import eventually
from kernelpod.base.names import user_slug

BASH = ["python", "-m", "bash_kernel", "-f", "{connection_file}"]


def test_a_kernel_is_one_pod_with_its_owners_home(site: Site) -> None:
    home = site.home("alice")
    (home / "from-server.txt").write_text("hello", encoding="utf-8")
    kernel = site.alice.start()
    (pod,) = kube.items("pods", site.namespace)
    assert pod["metadata"]["labels"]["kernelpod.io/kernel-id"] == kernel
    assert pod["metadata"]["ownerReferences"][0]["kind"] == "Secret"
    with site.alice.channels(kernel) as channels:
        assert channels.run("print(open('from-server.txt').read(), end='')") == "hello"
        channels.run("open('from-kernel.txt', 'w').write('back')")
        seen = channels.run(
            "import os, getpass; print(os.listdir('/home'), os.getuid(), getpass.getuser(), end='')"
        )
        assert seen == "['jovyan'] 1000 alice"
    assert site.over_nfs("alice/from-kernel.txt") == b"back"


def test_messages_to_a_pod_are_encrypted(site: Site) -> None:
    kernel = site.alice.start()
    assert site.alice.model(kernel)["encryption"] == "curve"
    assert site.alice.run(kernel, "print(1)") == "1\n"
    (pod,) = kube.names("pods", site.namespace)
    said = kube.kubectl("logs", "-n", site.namespace, pod, "-c", "kernel")
    assert "without encryption" not in said
    plain = site.alice.start(site.spec("plain", argv=["python", "-m", "ipykernel", "-f", "{connection_file}"]))
    assert site.alice.model(plain)["encryption"] == "none"
    assert site.alice.run(plain, "print(1)") == "1\n"


def test_what_a_kernel_may_not_have(site: Site) -> None:
    kernel = site.alice.start()
    looks = """
import glob, os
print(glob.glob('/var/run/secrets/kubernetes.io/*'), os.path.exists('/homes'))
try:
    open('/var/run/kernelpod/connection.json', 'a')
except OSError as error:
    print(type(error).__name__)
print(glob.glob('/var/run/kernelpod/*'), [name for name in os.environ if 'TOKEN' in name or 'GATEWAY' in name])
"""
    expected = "[] False\nOSError\n['/var/run/kernelpod/connection.json'] []\n"
    assert site.alice.run(kernel, looks).replace("PermissionError", "OSError") == expected


def test_kernel_path_cannot_leave_home(site: Site) -> None:
    for path in (f"{site.export}/bob", f"{site.export}/alice/../bob", "/", f"{site.export}/alice/", "$(X)"):
        answer = site.alice.post(KERNEL_PATH=path)
        assert (answer.status_code, answer.json()["code"]) == (403, "foreign_home")
    assert site.alice.post(KERNEL_PATH=f"{site.export}/alice\n").json()["code"] == "bad_env"
    assert site.leftovers() == []
    site.alice.start(KERNEL_PATH=f"{site.export}/alice")


def test_two_users_at_once_each_in_her_own_home(site: Site) -> None:
    slug = user_slug("John.Döe")
    site.home(slug)
    with ThreadPoolExecutor(2) as pool:
        alice, john = pool.map(lambda token: site.by(token).start(), ("alice-token", "john-token"))
    write = "open('whose.txt', 'w').write(__import__('os').environ['KERNEL_USERNAME'])"
    site.alice.run(alice, write)
    site.by("john-token").run(john, write)
    assert site.over_nfs("alice/whose.txt") == b"alice"
    assert site.over_nfs(f"{slug}/whose.txt") == "John.Döe".encode()
    assert site.bob.ids() == []


def test_a_kernel_that_is_not_python_runs(site: Site) -> None:
    site.spec("bash-pod", {"image": IMAGES.format("kernel-bash")}, argv=BASH, language="bash")
    assert site.alice.run(site.alice.start("bash-pod"), "echo $((6*7)) in $PWD") == "42 in /home/jovyan\n"


def test_a_busy_kernel_is_interrupted(site: Site) -> None:
    kernel = site.alice.start()
    with site.alice.channels(kernel) as channels:
        asked = channels.begin_running("import time\nwhile True: time.sleep(0.1)")
        assert site.alice.ask("POST", f"kernels/{kernel}/interrupt").status_code == 204
        assert channels.finish(asked).error == "KeyboardInterrupt"


def test_a_kernel_that_only_knows_signals_says_so(site: Site) -> None:
    site.spec("signal-pod", interrupt_mode="signal")
    kernel = site.alice.start("signal-pod")
    answer = site.alice.ask("POST", f"kernels/{kernel}/interrupt")
    assert (answer.status_code, answer.json()["code"]) == (500, "interrupt_unsupported")
    assert "Restart" in answer.json()["message"]
    assert site.alice.run(kernel, "print('goes on')") == "goes on\n"


def test_a_kernel_that_only_knows_signals_is_interrupted_where_exec_is_allowed(make_site: MakeSite) -> None:
    site = make_site(exec_signals=True)
    site.spec("signal-pod", interrupt_mode="signal")
    kernel = site.alice.start("signal-pod")
    with site.alice.channels(kernel) as channels:
        asked = channels.begin_running("import time\nwhile True: time.sleep(0.1)")
        assert site.alice.ask("POST", f"kernels/{kernel}/interrupt").status_code == 204
        assert channels.finish(asked).error == "KeyboardInterrupt"
        assert channels.run("print('goes on')") == "goes on\n"
    site.stop_kernels()


def test_an_open_websocket_follows_a_restart_which_does_not_wait_for_the_old_pod(site: Site) -> None:
    kernel = site.alice.start()
    (first,) = site.pods()
    with site.alice.channels(kernel) as channels:
        channels.run("x = 1")
        assert site.alice.ask("POST", f"kernels/{kernel}/restart").status_code == 200
        assert channels.run("print('x' in globals())") == "False\n"
    eventually(lambda: first not in site.pods(), what="the old pod is gone")
    assert len(site.pods()) == 1


def test_deleting_lets_the_kernel_finish_its_writes(make_site: MakeSite) -> None:
    # So long that a machine which stands still for some seconds does not use it up.
    site = make_site(sections={"start": {"grace_period_seconds": 50, "launch_timeout_seconds": 60}})
    kernel = site.alice.start()
    slow = """
import atexit, time
def last():
    time.sleep(1)
    open('last.txt', 'w').write('done')
atexit.register(last)
"""
    site.alice.run(kernel, slow)
    assert site.alice.ask("DELETE", f"kernels/{kernel}").status_code == 204
    assert site.leftovers() == []
    assert site.over_nfs("alice/last.txt") == b"done"


def test_a_killed_gateway_finds_its_kernels_again(make_site: MakeSite) -> None:
    site = make_site()
    kernel = site.alice.start()
    site.alice.run(kernel, "x = 41")
    site.gateway.stop(signal.SIGKILL)
    site.gateway.start()
    assert site.alice.run(kernel, "print(x + 1)") == "42\n"
    site.gateway.stop()
    site.gateway.start()
    assert site.alice.run(kernel, "print(x + 2)") == "43\n"
    assert site.bob.ids() == []
    site.stop_kernels()


def test_two_gateways_never_adopt_each_others_kernels(make_site: MakeSite, shared_site: Site) -> None:
    kernel = shared_site.alice.start()
    other = make_site(namespace=shared_site.namespace, release="other")
    assert other.admin.ids() == []
    assert shared_site.alice.ids() == [kernel]
    assert shared_site.alice.run(kernel, "print(1)") == "1\n"
    shared_site.stop_kernels()


@pytest.mark.parametrize("volume", ["pvc"])
def test_homes_on_a_claim(make_site: MakeSite, volume: str) -> None:
    site = make_site(volume)
    site.alice.run(site.alice.start(), "open('on-claim.txt', 'w').write('yes')")
    assert site.over_nfs("alice/on-claim.txt") == b"yes"
    answer = site.by("nobody-token").post()
    assert (answer.status_code, answer.json()["code"]) == (500, "home_missing")
    assert not (site.homes / "zoe").exists(), "kubelet made a home"
    site.stop_kernels()


def test_one_click_twice_is_two_kernels_and_both_can_be_deleted(site: Site) -> None:
    answers: list[Any] = []
    clicks = [threading.Thread(target=lambda: answers.append(site.alice.post())) for _ in range(2)]
    for click in clicks:
        click.start()
    for click in clicks:
        click.join()
    assert [answer.status_code for answer in answers] == [201, 201]
    assert len(set(site.alice.ids())) == 2
    assert NODE_IP not in str([answer.json() for answer in answers])
