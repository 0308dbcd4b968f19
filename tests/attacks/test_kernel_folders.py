"""What a kernel leaves in the folder where the gateway finds its sockets."""

from __future__ import annotations

import signal
from typing import Any

from doubles import eventually

DEEP = """
import os
os.chdir("/run/kernelpod")
for _ in range(3000):
    os.mkdir("d" * 100)
    os.chdir("d" * 100)
print("deep")
"""
FILL = """
written = 0
with open("/run/kernelpod/filling", "wb", buffering=0) as file:
    try:
        while written < 2**26:
            written += file.write(bytes(2**16))
    except OSError as error:
        print(error.strerror, written <= 2**20)
"""


def test_a_student_cannot_make_a_kernel_that_is_not_deleted(site: Any) -> None:
    kernel_id = site.alice.start()
    assert site.alice.run(kernel_id, DEEP) == "deep\n"
    assert site.alice.ask("DELETE", f"kernels/{kernel_id}").status_code == 204
    assert site.traces() == []


def test_a_student_cannot_keep_the_gateway_from_starting(mortal: Any) -> None:
    assert mortal.alice.run(mortal.alice.start(), DEEP) == "deep\n"
    mortal.gateway.stop(signal.SIGKILL)
    (process,) = mortal.gateway.kernels()
    process.kill()
    eventually(lambda: mortal.gateway.kernels() == [], what="the kernel is dead")
    mortal.gateway.start()
    assert mortal.alice.ids() == []
    assert mortal.traces() == []


def test_a_student_cannot_fill_the_state_folder(site: Any) -> None:
    """Others' starts need room there."""
    kernel_id = site.alice.start()
    assert site.alice.run(kernel_id, FILL) == "No space left on device True\n"
    (folder,) = site.gateway.state_dir.iterdir()
    assert sum(path.lstat().st_size for path in folder.rglob("*")) < 2**16
    assert site.alice.run(kernel_id, "print('it goes on')") == "it goes on\n"


def test_the_gateway_removes_only_folders_of_kernels(mortal: Any) -> None:
    strange = mortal.gateway.state_dir / "my-thesis"
    strange.mkdir()
    try:
        mortal.gateway.stop()
        mortal.gateway.start()
        assert strange.exists()
    finally:
        strange.rmdir()
