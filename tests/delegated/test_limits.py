"""What all processes of a kernel take together is limited: a real gateway in a delegated control group."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from doubles import eventually
from kernelpod.runtime.local.cgroups import ControlGroups
from kernelpod.runtime.local.sandbox import MOST_PROCESSES

pytestmark = [pytest.mark.local, pytest.mark.timeout(300)]
MEGABYTE = 2**20
# Each process takes less than the limit, and both take more.
TWO_HOGS = """
import subprocess, sys
hog = "import time; held = bytearray(b'x') * (160 << 20); print('holds', flush=True); time.sleep(600)"
hogs = [subprocess.Popen([sys.executable, '-c', hog], stdout=subprocess.PIPE, text=True) for _ in range(2)]
for one in hogs:
    print(one.stdout.readline(), end='', flush=True)
"""
TWO_SPINNERS = """
import subprocess, sys, time
spin = "import time; end = time.monotonic() + 5\\nwhile time.monotonic() < end: pass"
for one in [subprocess.Popen([sys.executable, '-c', spin]) for _ in range(2)]:
    one.wait()
"""


@pytest.fixture(scope="module")
def groups() -> ControlGroups:
    """The control groups that were delegated to this process, and so to the gateway that it starts."""
    found = ControlGroups.delegated()
    assert found, "start the tests in a control group that is delegated and called `gateway`"
    return found


@pytest.fixture(scope="module")
def limited(groups: ControlGroups, make_site: Any) -> Any:
    site = make_site()
    resources = {"limits": {"cpu": "300m", "memory": "256Mi"}, "requests": {"cpu": "10m", "memory": "64Mi"}}
    site.spec("limited", metadata={"kernelpod": {"image": "registry.example/kernel:1", "resources": resources}})
    return site


@pytest.fixture
def kernel_id(limited: Any) -> Iterator[str]:
    yield limited.alice.start("limited")
    limited.stop_kernels()


def group_of(groups: ControlGroups) -> Path:
    """Return the folder of the only kernel's group."""
    (group,) = groups.folder.glob("kernel-*")
    return group


@pytest.mark.usefixtures("kernel_id")
def test_a_kernel_is_in_a_group_with_the_limits_of_its_kernelspec(groups: ControlGroups) -> None:
    group = group_of(groups)
    limits = {name: (group / name).read_text().strip() for name in ("cpu.max", "memory.max", "pids.max")}
    assert limits == {
        "cpu.max": "30000 100000",
        "memory.max": str(256 * MEGABYTE),
        "pids.max": str(MOST_PROCESSES),
    }
    assert int((group / "pids.current").read_text()) >= 2


def test_processes_that_take_too_much_memory_together_end_the_kernel(
    groups: ControlGroups, limited: Any, kernel_id: str
) -> None:
    with limited.alice.channels(kernel_id) as channels:
        channels.begin(TWO_HOGS)
        eventually(lambda: limited.alice.model(kernel_id).get("reason"), 120, what="the kernel has ended")
    assert "because it used more memory than its limit of 256 MiB" in limited.alice.model(kernel_id)["reason"]


def test_processes_share_the_time_of_their_kernel(groups: ControlGroups, limited: Any, kernel_id: str) -> None:
    def used() -> float:
        (line,) = [one for one in (group / "cpu.stat").read_text().splitlines() if one.startswith("usage_usec ")]
        return int(line.split()[1]) / 1e6

    group = group_of(groups)
    before = used()
    limited.alice.run(kernel_id, TWO_SPINNERS)
    # Each of two spins for five seconds; with three tenths of a processor that is 1.5 s of it together.
    assert 0.3 < used() - before < 3


def test_nothing_is_left_of_a_group(groups: ControlGroups, limited: Any) -> None:
    limited.alice.start("limited")
    limited.stop_kernels()
    assert list(groups.folder.glob("kernel-*")) == []
