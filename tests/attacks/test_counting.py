"""Counting: nobody gets more kernels than they may have, nor by prewarmed ones, nor by requests that meet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from doubles import eventually

STANZA = {"image": "registry.example/kernel:1", "prewarm": 1}


def here(site: Any) -> int:
    """Return how many kernels run on this machine, prewarmed ones included."""
    return len(list(Path(site.folder, "s").iterdir()))


def warm(site: Any) -> None:
    """Start a kernel of alice's, and return when another one waits for her."""
    before = site.gateway.log.count("is prewarmed for user")
    site.alice.start("warm-pod")
    eventually(
        lambda: site.gateway.log.count("is prewarmed for user") == before + 1, what="a kernel waits for alice"
    )


def with_limits(make_site: Any, **limits: int) -> Any:
    """Return a gateway with limits and a kernelspec that is prewarmed."""
    site = make_site(policy=limits)
    site.spec("warm-pod", metadata={"kernelpod": STANZA})
    return site


@pytest.fixture(scope="module", params=["max_kernels_per_user", "max_kernels"])
def site_of_two(make_site: Any, request: pytest.FixtureRequest) -> Any:
    """A gateway with a limit of 2, for each or for all; see `limited`."""
    return with_limits(make_site, **{request.param: 2})


@pytest.fixture(scope="module")
def site_of_four(make_site: Any) -> Any:
    """A gateway with a limit of 4 for each."""
    return with_limits(make_site, max_kernels_per_user=4)


@pytest.fixture
def limited(site_of_two: Any) -> Iterator[Any]:
    """A gateway with a limit of 2 at which alice has a kernel, and one that waits for her."""
    warm(site_of_two)
    yield site_of_two
    site_of_two.stop_kernels()
    assert "Traceback" not in site_of_two.gateway.log


def together(site: Any, name: str, times: int) -> Counter[str]:
    """Return how many requests of alice's that meet had each result."""
    with ThreadPoolExecutor(times) as pool:
        answers = list(pool.map(lambda _: site.alice.post(name), range(times)))
    return Counter(answer.json().get("code", "started") for answer in answers)


def test_a_user_cannot_have_a_third_kernel_beside_a_spare(limited: Any) -> None:
    assert here(limited) == 2
    limited.alice.start("python-pod")
    assert here(limited) == 2  # the prewarmed one has given way
    assert limited.alice.post("python-pod").json()["code"] == "too_many_kernels"
    assert limited.alice.post("warm-pod").json()["code"] == "too_many_kernels"
    assert here(limited) == 2


@pytest.mark.race
@pytest.mark.parametrize("name", ["warm-pod", "python-pod"])
def test_a_user_cannot_pass_the_limit_by_requests_that_meet(limited: Any, name: str) -> None:
    assert together(limited, name, 6) == {"started": 1, "too_many_kernels": 5}
    assert here(limited) == 2


@pytest.mark.race
def test_a_start_counts_once(site_of_four: Any) -> None:
    """Three that meet are started where there is room for three, with and without a spare."""
    warm(site_of_four)
    assert together(site_of_four, "warm-pod", 3) == {"started": 3}
    assert here(site_of_four) == 4
    site_of_four.stop_kernels()


def test_anothers_spare_gives_way_where_all_together_have_a_limit(make_site: Any) -> None:
    site = with_limits(make_site, max_kernels=2)
    warm(site)
    site.bob.start("python-pod")
    assert here(site) == 2
    assert site.bob.post("python-pod").json()["code"] == "too_many_kernels"
    site.stop_kernels()
