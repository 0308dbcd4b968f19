"""When a kernel cannot start or is taken away, its user reads why, and nothing is left of it."""

from __future__ import annotations

import kube
import pytest
from cluster_site import IMAGES, MakeSite, Site

from doubles import eventually
from kernelpod.demo.watch import Watch


def refused(site: Site, spec: str, code: str, *, within: float, by: str = "alice-token") -> str:
    """Return the sentence of a start that fails with `code`; nothing is left of it."""
    watch = Watch()
    answer = site.by(by).post(spec)
    said = answer.json()
    assert (answer.status_code, said["code"]) == (500, code), said
    watch.within(within)
    assert said["reason"] == said["message"]
    eventually(lambda: not site.leftovers(), what="nothing is left")
    return str(said["message"])


def test_an_image_that_does_not_exist(site: Site) -> None:
    spec = site.spec("no-image", {"image": "localhost/no-such-image:1"})
    assert "localhost/no-such-image:1" in refused(site, spec, "image_unavailable", within=15)


def test_a_user_without_a_home_is_told_within_5_seconds(site: Site) -> None:
    said = refused(site, "python-pod", "home_missing", within=5, by="nobody-token")
    assert f"{site.export}/zoe" in said


def test_a_node_that_is_full(site: Site) -> None:
    spec = site.spec("huge", {"resources": {"requests": {"cpu": "900"}, "limits": {"cpu": "900"}}})
    assert "Insufficient cpu" in refused(site, spec, "unschedulable", within=25)


def test_a_kernel_that_crashes_when_it_is_imported(site: Site) -> None:
    spec = site.spec("crash", argv=["python", "-c", "raise SystemExit('no licence found')", "{connection_file}"])
    assert "no licence found" in refused(site, spec, "kernel_exited", within=10)


def test_a_command_that_is_not_in_the_image(site: Site) -> None:
    spec = site.spec("no-command", argv=["no-such-kernel", "{connection_file}"])
    assert "'no-such-kernel'" in refused(site, spec, "command_not_found", within=10)


def test_a_quota_that_is_used_up(make_site: MakeSite) -> None:
    site = make_site()
    kube.quota(site.namespace, 1, used=0)
    kernel = site.alice.start()
    answer = site.alice.post()
    assert (answer.status_code, answer.json()["code"]) == (500, "quota_exceeded")
    assert "pods=1" in answer.json()["message"]
    assert site.alice.ask("POST", f"kernels/{kernel}/restart").status_code == 200, (
        "a restart waits for its own pod"
    )
    assert site.alice.run(kernel, "print(1)") == "1\n"
    site.stop_kernels()


def test_a_pod_that_the_cluster_does_not_admit(make_site: MakeSite) -> None:
    site = make_site()
    limits = {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "small"}}
    spec = {"limits": [{"type": "Container", "max": {"memory": "128Mi"}}]}
    kube.kubectl("apply", "-n", site.namespace, "-f", "-", given={**limits, "spec": spec})
    assert "maximum memory usage per Container is 128Mi" in refused(
        site, "python-pod", "refused_by_cluster", within=5
    )


@pytest.fixture
def small(site: Site) -> str:
    """A kernelspec with little memory."""
    sizes = {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}}
    return site.spec("small", {"image": IMAGES.format("kernel-python"), "resources": sizes})


def test_a_kernel_that_its_memory_limit_ended_is_dead_and_says_why(site: Site, small: str) -> None:
    kernel = site.alice.start(small)
    with site.alice.channels(kernel) as channels:
        channels.start("x = bytearray(10**9)")
        error = channels.receive(lambda got: got["msg_type"] == "error")
        assert "limit of 128 MiB" in error["content"]["evalue"]
        channels.receive(lambda got: got["content"].get("execution_state") == "dead")
    model = site.alice.ask("GET", f"kernels/{kernel}").json()
    assert model["execution_state"] == "dead"
    assert "limit of 128 MiB" in model["reason"]
    eventually(lambda: not site.leftovers(), what="a dead kernel's pod is gone")
    assert site.alice.ask("POST", f"kernels/{kernel}/restart").status_code == 200
    assert site.alice.run(kernel, "print('again')") == "again\n"


def test_a_kernel_that_fills_the_nodes_disk_is_ended_and_says_why(site: Site) -> None:
    """The node measures pods at intervals."""
    sizes = {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}}
    stanza = {"image": IMAGES.format("kernel-python"), "resources": {**sizes, "ephemeral_storage": "48Mi"}}
    kernel, other = site.alice.start(site.spec("small-disk", stanza)), site.alice.start()
    with site.alice.channels(kernel) as channels:
        channels.start("print(open('/tmp/much', 'wb').write(bytes(2**27)))")
        model = eventually(lambda: dead(site, kernel), 120, what="the kernel is reported dead")
    assert "ephemeral" in model["reason"], model
    eventually(lambda: len(site.leftovers()) == 2, what="nothing is left but the other kernel's pod and Secret")
    assert site.alice.run(other, "print('goes on')") == "goes on\n"


def test_a_pod_deleted_by_hand_is_dead_and_says_why(site: Site) -> None:
    kernel, other = site.alice.start(), site.alice.start()
    labelled = f"kernelpod.io/kernel-id={kernel}"
    kube.kubectl("delete", "pod", "-n", site.namespace, "-l", labelled, "--wait=false")
    model = eventually(lambda: dead(site, kernel), what="the kernel is reported dead")
    assert "deleted" in model["reason"]
    assert site.alice.run(other, "print('goes on')") == "goes on\n"


def test_a_secret_deleted_by_hand_ends_its_kernel_only(site: Site) -> None:
    kernel, other = site.alice.start(), site.alice.start()
    kube.kubectl("delete", "secret", "-n", site.namespace, "-l", f"kernelpod.io/kernel-id={kernel}")
    eventually(lambda: dead(site, kernel), what="the kernel is reported dead")
    assert site.alice.run(other, "print('goes on')") == "goes on\n"


def test_a_kernel_that_ends_by_itself_is_started_again(site: Site) -> None:
    kernel = site.alice.start()
    with site.alice.channels(kernel) as channels:
        channels.start("import os; os._exit(3)")
        channels.receive(lambda got: got["content"].get("execution_state") == "restarting")

        def answers() -> bool:
            # What is asked before the new one is there is lost.
            try:
                return channels.run("print(2)", 5) == "2\n"
            except AssertionError:
                return False

        eventually(answers, what="the new kernel answers")


def dead(site: Site, kernel: str) -> dict[str, str] | None:
    """Return a kernel's model if it is dead."""
    model: dict[str, str] = site.alice.ask("GET", f"kernels/{kernel}").json()
    return model if model["execution_state"] == "dead" else None
