"""What of the machine's memory and processes one sandbox can take."""

from __future__ import annotations

import os
from ast import literal_eval
from typing import Any

import pytest

LIMIT = 512 * 1024**2
SIZES = {"requests": {"memory": "64Mi"}, "limits": {"memory": "512Mi"}}
FILL = """
import errno, os
def fill(place, size):
    try:
        with open(os.path.join(place, "fills-memory"), "wb") as file:
            os.posix_fallocate(file.fileno(), 0, size)
    except OSError as error:
        return errno.errorcode[error.errno]
    os.remove(file.name)
    return "filled"
"""


def filled(who: Any, kernel_id: str, *attempts: tuple[str, int]) -> Any:
    """Return what becomes of files of some sizes in some folders."""
    return literal_eval(who.run(kernel_id, f"{FILL}print([fill(*one) for one in {list(attempts)!r}])"))


def test_a_student_cannot_fill_the_machines_memory_with_files(site: Any) -> None:
    site.spec("small-pod", metadata={"kernelpod": {"image": "i", "resources": SIZES}})
    kernel_id = site.alice.start("small-pod")
    for place in ("/tmp", "/dev/shm"):
        assert filled(site.alice, kernel_id, (place, 1024), (place, LIMIT + 4096)) == ["filled", "ENOSPC"]
    elsewhere = filled(site.alice, kernel_id, *((place, 1024) for place in ("/", "/dev", "/etc", "/home", "/run")))
    assert set(elsewhere) <= {"EROFS", "EACCES"}


def test_shared_memory_has_the_size_that_a_kernelspec_gives_it(site: Any) -> None:
    site.spec("shm-pod", metadata={"kernelpod": {"image": "i", "resources": SIZES, "shm": "4Mi"}})
    attempts = [("/dev/shm", 4 * 1024**2), ("/dev/shm", 5 * 1024**2), ("/tmp", 5 * 1024**2)]
    assert filled(site.alice, site.alice.start("shm-pod"), *attempts) == ["filled", "ENOSPC", "filled"]


@pytest.mark.skipif(os.getuid() == 0, reason="without user namespaces, a limit would be one for all users")
def test_a_student_cannot_start_more_processes_than_a_sandbox_may_have(site: Any) -> None:
    code = """
import resource, threading
print(resource.getrlimit(resource.RLIMIT_NPROC))
done, threads = threading.Event(), []
threading.stack_size(65536)
try:
    while len(threads) < 5000:
        threads.append(threading.Thread(target=done.wait))
        threads[-1].start()
except RuntimeError:
    threads.pop()
done.set()
for thread in threads:
    thread.join()
print(3000 < len(threads) < 4096)
"""
    assert site.alice.run(site.alice.start(), code) == "(4096, 4096)\nTrue\n"
