"""What a kernelspec's own keys do: who is offered it, how large its kernels are, when an idle one is ended."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from client import Caller
from doubles import eventually
from kernelpod.demo.processes import descendants

IMAGE = {"image": "registry.example/kernel:1"}
LARGE = {"limits": {"cpu": 4, "memory": "1Gi"}}
PROFILES = {"large": {"display_name": "Large", "resources": LARGE}}


def offered(caller: Caller) -> set[str]:
    return set(caller.ask("GET", "kernelspecs").json()["kernelspecs"])


def refusal(caller: Caller, spec: str, **wishes: str) -> tuple[int, str]:
    answer = caller.post(spec, **wishes)
    return answer.status_code, answer.json()["code"]


@pytest.fixture(scope="module")
def bounded(make_site: Any) -> Any:
    """A gateway at which bob's kernels have at most two cores, and whose kernelspecs have at most eight."""
    rules = [{"users": ["bob"], "bounds": {"cpu": 2}}]
    site = make_site(
        policy={"rules": rules, "over_bounds": "refuse"},
        kernelspecs={"bounds": {"cpu": 8}, "service_accounts": ["spark"]},
    )
    site.spec("sized-pod", metadata={"kernelpod": {**IMAGE, "profiles": PROFILES}})
    return site


def test_a_profile_over_a_users_bounds_is_not_offered_to_her(bounded: Any) -> None:
    assert {"sized-pod", "sized-pod.large"} <= offered(bounded.alice)
    assert "sized-pod" in offered(bounded.bob)
    assert "sized-pod.large" not in offered(bounded.bob)
    assert bounded.bob.ask("GET", "kernelspecs/sized-pod.large").status_code == 404


def test_a_profile_over_a_users_bounds_is_refused_if_asked_for_anyway(bounded: Any) -> None:
    assert refusal(bounded.bob, "sized-pod.large") == (403, "out_of_bounds")
    assert "gives 4 cpu, but your bound is 2" in bounded.bob.post("sized-pod.large").json()["message"]
    assert refusal(bounded.bob, "sized-pod", KERNEL_CPUS_LIMIT="3") == (403, "out_of_bounds")
    assert bounded.traces() == []
    bounded.alice.start("sized-pod.large")
    bounded.stop_kernels()


def test_a_kernelspec_over_the_houses_bounds_is_offered_to_nobody(bounded: Any) -> None:
    bounded.spec("huge-pod", metadata={"kernelpod": {**IMAGE, "resources": {"limits": {"cpu": 9}}}})
    assert "huge-pod" not in offered(bounded.admin)
    answer = bounded.admin.post("huge-pod")
    assert (answer.status_code, answer.json()["code"]) == (500, "kernelspec_unusable")


@pytest.mark.parametrize(
    "keys",
    [
        {"resources": {"gpus": {"count": 1}}},
        {"secret_env": {"A": {"secret": "s", "key": "k"}}},
        {"service_account": "spark"},
    ],
    ids=lambda keys: next(iter(keys)),
)
def test_a_kernelspec_that_needs_a_pod_is_refused_on_one_machine(bounded: Any, keys: dict[str, Any]) -> None:
    site = bounded
    site.spec("cluster-pod", metadata={"kernelpod": {**IMAGE, **keys}})
    assert refusal(site.alice, "cluster-pod") == (500, "needs_a_pod")
    assert site.traces() == []


def test_keys_that_only_a_pod_has_do_no_harm_on_one_machine(site: Any) -> None:
    keys = {
        "shm": "1Gi",
        "node_selector": {"a": "b"},
        "secret_env": {"A": {"secret": "s", "key": "k", "optional": True}},
    }
    site.spec("any-pod", metadata={"kernelpod": {**IMAGE, **keys}})
    assert site.alice.run(site.alice.start("any-pod"), "print('A' in __import__('os').environ)") == "False\n"


def test_an_idle_kernel_is_ended_when_its_kernelspec_says_so(make_site: Any) -> None:
    """Also where the settings end none."""
    site = make_site()
    for name, seconds in (("brief-pod", 3), ("lasting-pod", 0)):
        site.spec(name, metadata={"kernelpod": {**IMAGE, "cull_idle_seconds": seconds}})
    # Each is computing, or has its page, before the gateway looks at it next.
    busy = computing(site, "import time\nwhile True: time.sleep(0.1)", "brief-pod")
    used = site.alice.start("brief-pod")
    with site.alice.channels(used):
        brief, lasting, ordinary = (site.alice.start(spec) for spec in ("brief-pod", "lasting-pod", "python-pod"))
        eventually(lambda: brief not in site.alice.ids(), what="the idle kernel is ended")
        assert set(site.alice.ids()) == {lasting, ordinary, busy, used}
    site.stop_kernels()


def test_a_kernelspec_whose_kernels_would_outlive_their_servers_is_offered_to_nobody(make_site: Any) -> None:
    site = make_site(culling={"idle_seconds": 3600})
    for name, seconds in (("brief-pod", 0.5), ("whole-pod", 3600), ("longer-pod", 3601), ("never-pod", 0)):
        site.spec(name, metadata={"kernelpod": {**IMAGE, "cull_idle_seconds": seconds}})
    slow = {"slow": {"display_name": "Slow", "cull_idle_seconds": 0}}
    site.spec("profile-pod", metadata={"kernelpod": {**IMAGE, "profiles": slow}})
    assert offered(site.admin) == {"python-pod", "brief-pod", "whole-pod"}
    assert refusal(site.admin, "never-pod") == (500, "kernelspec_unusable")
    assert "never is later than servers are culled, 3600 s" in site.admin.post("never-pod").json()["message"]
    assert "kernelspec profile-pod is not listed: cull_idle_seconds of profile-pod.slow" in site.gateway.log
    brief = site.alice.start("brief-pod")
    eventually(lambda: brief not in site.alice.ids(), what="the idle kernel is ended by its own number")


def test_a_kernel_from_before_the_settings_culled_ends_like_others(make_site: Any) -> None:
    """Its kernelspec said never; its record still does."""
    site = make_site()
    site.spec("never-pod", metadata={"kernelpod": {**IMAGE, "cull_idle_seconds": 0}})
    kernel = site.alice.start("never-pod")
    site.gateway.stop()
    with (site.folder / "settings.yaml").open("a", encoding="utf-8") as settings:
        settings.write("culling: {idle_seconds: 1}\n")
    site.gateway.start()
    eventually(lambda: kernel not in site.alice.ids(), what="the idle kernel is ended")


def computing(site: Any, code: str, spec: str = "python-pod") -> str:
    """Return a kernel that computes, without a client."""
    kernel: str = site.alice.start(spec)
    with site.alice.channels(kernel) as channels:
        channels.begin(code)
        eventually(lambda: site.alice.model(kernel)["execution_state"] == "busy")
    return kernel


def test_what_computes_in_silence_is_culled_only_where_the_settings_say_so(make_site: Any) -> None:
    # Longer than the machine may stand still: then no output comes.
    site = make_site(culling={"idle_seconds": 10, "busy": "cull"})
    silent = computing(site, "import time\ntime.sleep(3600)")
    talks = computing(site, "import time\nwhile True: print('.', flush=True); time.sleep(0.1)")
    eventually(lambda: silent not in site.alice.ids(), what="the silent kernel is ended")
    assert site.alice.ids() == [talks]
    site.stop_kernels()


def test_an_idle_kernel_that_never_replies_is_ended_too(make_site: Any) -> None:
    site = make_site(culling={"idle_seconds": 5})
    kernel = site.alice.start()
    (process,) = site.gateway.kernels()
    stopped = [process.pid, *descendants(process.pid)]
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    eventually(lambda: kernel not in site.alice.ids(), what="the kernel is ended")
    eventually(lambda: site.traces() == [], what="nothing is left of it")
