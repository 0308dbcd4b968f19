"""Prewarmed kernels: the next start of a user who has started one takes hers, and nobody else ever does."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from doubles import eventually
from kernelpod.demo.processes import descendants

STANZA = {"image": "registry.example/kernel:1", "prewarm": 1}
WORKS = "import os; print('x' in globals(), os.listdir('work'), os.environ['KERNEL_ID'])"


def spares(site: Any) -> set[str]:
    """Return the ids of the kernels that are in nobody's list."""
    return site.ids() - set(site.admin.ids())


def made_ready(site: Any, times: int) -> None:
    """Return when so many kernels have been made ready since the gateway was started."""
    eventually(lambda: site.gateway.log.count("is prewarmed for user") == times, what=f"{times} kernels are ready")


@pytest.fixture
def warmed(make_site: Any) -> Iterator[Any]:
    """A gateway at which alice has a kernel, and one that waits for her."""
    site = make_site()
    site.spec("warm-pod", metadata={"kernelpod": STANZA})
    site.alice.start("warm-pod")
    made_ready(site, 1)
    yield site
    for kernel_id in site.admin.ids():
        site.admin.ask("DELETE", f"kernels/{kernel_id}")
    site.gateway.stop()
    assert site.traces() == []
    assert "Traceback" not in site.gateway.log


def test_the_next_start_takes_the_spare_and_another_is_made_ready(warmed: Any) -> None:
    (first,), (spare,) = warmed.alice.ids(), spares(warmed)
    warmed.alice.run(first, "x = 1; import os; os.mkdir('work'); open('work/of-the-first', 'w').write('y')")
    assert (
        warmed.alice.start(
            "warm-pod", KERNEL_SESSION_PATH="look.ipynb", JPY_SESSION_NAME="/home/jovyan/look.ipynb"
        )
        == spare
    )
    assert warmed.alice.run(spare, WORKS) == f"False ['of-the-first'] {spare}\n"
    assert set(warmed.alice.ids()) == {first, spare}
    made_ready(warmed, 2)
    assert len(spares(warmed)) == 1


def test_it_is_interrupted_restarted_and_deleted_like_any_other(warmed: Any) -> None:
    (spare,) = spares(warmed)
    assert warmed.alice.start("warm-pod") == spare
    with warmed.alice.channels(spare) as channels:
        asked = channels.begin_running("import time\nwhile True: time.sleep(0.1)")
        assert warmed.alice.ask("POST", f"kernels/{spare}/interrupt").status_code == 204
        assert channels.finish(asked).error == "KeyboardInterrupt"
        assert warmed.alice.ask("POST", f"kernels/{spare}/restart").status_code == 200
        assert channels.run("print(1)") == "1\n"
    assert warmed.alice.ask("DELETE", f"kernels/{spare}").status_code == 204
    assert spare not in warmed.ids()


def test_a_spare_is_in_nobodys_list_and_no_page_finds_it(warmed: Any) -> None:
    (spare,) = spares(warmed)
    for caller in (warmed.alice, warmed.bob, warmed.admin):
        assert spare not in caller.ids()
        for method, page in (("GET", ""), ("DELETE", ""), ("POST", "/interrupt"), ("POST", "/restart")):
            assert caller.ask(method, f"kernels/{spare}{page}").status_code == 404


def test_nobody_else_gets_it_and_no_other_wish_does(warmed: Any) -> None:
    (spare,) = spares(warmed)
    (warmed.home("alice") / "sub").mkdir(mode=0o777)
    assert warmed.bob.start("warm-pod") != spare
    assert warmed.alice.start("warm-pod", KERNEL_CPUS_LIMIT="0.5") != spare
    assert warmed.alice.start("warm-pod", KERNEL_WORKING_DIR="/home/jovyan/sub") != spare
    assert warmed.alice.start("python-pod") != spare
    assert spare in spares(warmed)


def test_what_was_cut_from_a_wish_is_told_of_a_spare_too(warmed: Any) -> None:
    first = warmed.alice.start("warm-pod", KERNEL_CPUS="9")
    made_ready(warmed, 2)
    second = warmed.alice.start("warm-pod", KERNEL_CPUS="9")
    assert f"kernel {second} is prewarmed" in warmed.gateway.log
    for kernel_id in (first, second):
        assert "KERNEL_CPUS 9 was cut" in warmed.alice.model(kernel_id)["reason"]


def test_a_kernelspec_that_was_changed_gets_a_new_kernel(warmed: Any) -> None:
    (spare,) = spares(warmed)
    warmed.spec("warm-pod", metadata={"kernelpod": {**STANZA, "image": "registry.example/kernel:2"}})
    eventually(lambda: "kernel:2" in warmed.alice.ask("GET", "kernelspecs/warm-pod").text)
    assert warmed.alice.start("warm-pod") != spare


def test_a_spare_that_has_died_is_not_handed_out(warmed: Any) -> None:
    (spare,) = spares(warmed)
    (folder,) = Path(warmed.folder, "s").glob(f"{spare.replace('-', '')}-*")
    sandbox = json.loads((folder / "process.json").read_text(encoding="utf-8"))["pid"]
    inside = descendants(sandbox)
    os.kill(sandbox, signal.SIGKILL)
    # A kernel outlives its sandbox by a moment, in which it still answers.
    eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in inside), what="the kernel is dead")
    kernel = warmed.alice.start("warm-pod")
    assert kernel != spare
    assert warmed.alice.run(kernel, "print(1)") == "1\n"
    eventually(lambda: spare not in warmed.ids(), what="nothing is left of it")


def test_a_spare_waits_for_a_while_only(make_site: Any) -> None:
    site = make_site(start={"spare_seconds": 1})
    site.spec("warm-pod", metadata={"kernelpod": STANZA})
    kernel = site.alice.start("warm-pod")
    made_ready(site, 1)
    eventually(lambda: site.ids() == {kernel}, what="the spare is ended")
    assert site.alice.ids() == [kernel]
    site.stop_kernels()


def test_none_is_made_where_there_is_no_place_for_it(make_site: Any) -> None:
    site = make_site(policy={"max_kernels_per_user": 2})
    site.spec("warm-pod", metadata={"kernelpod": {**STANZA, "prewarm": 2}})
    first = site.alice.start("warm-pod")
    made_ready(site, 1)
    assert site.alice.start("warm-pod") != first
    assert site.alice.post("warm-pod").json()["code"] == "too_many_kernels"
    assert spares(site) == set()
    site.stop_kernels()


def test_a_spare_stays_one_when_its_gateway_is_killed(warmed: Any) -> None:
    (kernel,), (spare,) = warmed.alice.ids(), spares(warmed)
    warmed.gateway.stop(signal.SIGKILL)
    warmed.gateway.start()
    assert warmed.alice.ids() == [kernel]
    assert spares(warmed) == {spare}
    assert warmed.bob.start("warm-pod") != spare
    assert warmed.alice.start("warm-pod") == spare
    assert warmed.alice.run(spare, "print(1)") == "1\n"


def test_a_spare_that_was_taken_is_a_kernel_for_the_next_gateway_with_its_notebook(warmed: Any) -> None:
    (spare,) = spares(warmed)
    assert warmed.alice.start("warm-pod", KERNEL_SESSION_PATH="look.ipynb") == spare
    before = warmed.alice.model(spare)["session"]
    warmed.alice.run(spare, "x = 1")
    warmed.gateway.stop(signal.SIGKILL)
    warmed.gateway.start()
    assert warmed.alice.model(spare)["session"] == before == {"path": "look.ipynb", "type": "notebook"}
    assert warmed.alice.run(spare, "print(x)") == "1\n"
    assert warmed.alice.ask("POST", f"kernels/{spare}/restart").status_code == 200
    warmed.gateway.stop(signal.SIGKILL)
    warmed.gateway.start()
    assert warmed.alice.model(spare)["session"] == before


def test_spares_that_were_found_wait_for_a_while_only(make_site: Any) -> None:
    site = make_site(start={"spare_seconds": 3})
    site.spec("warm-pod", metadata={"kernelpod": STANZA})
    kernel = site.alice.start("warm-pod")
    made_ready(site, 1)
    site.gateway.stop(signal.SIGKILL)
    site.gateway.start()
    eventually(lambda: site.ids() == {kernel}, what="the spare is ended")
    site.stop_kernels()


def test_the_gateways_end_is_the_spares_end(warmed: Any) -> None:
    (kernel,) = warmed.alice.ids()
    (again,) = spares(warmed)
    warmed.gateway.stop()
    assert again not in warmed.ids()
    assert kernel in warmed.ids()
    warmed.gateway.start()
