"""Who gives way when too much waits."""

from __future__ import annotations

import pytest

pytest.importorskip("enterprise_gateway", reason="the base package has no gateway")

from kernelpod.gateway.channels.budget import Budget, Part


class Kernel:
    """A kernel whose output can be dropped, except for some bytes."""

    def __init__(self, budget: Budget, owner: str, kept: int = 0) -> None:
        self.part: Part = budget.part(owner, self.shrink)
        self.kept = kept

    def shrink(self, size: int) -> None:
        self.part.resize(max(size, self.kept))

    def grow(self, by: int) -> None:
        self.part.resize(self.part.size + by)


def test_a_user_s_largest_kernel_gives_way_to_the_user_s_others() -> None:
    budget = Budget(100, 1000)
    one, two, other = Kernel(budget, "alice"), Kernel(budget, "alice"), Kernel(budget, "bob")
    other.grow(90)
    one.grow(70)
    two.grow(40)
    assert (one.part.size, two.part.size, other.part.size) == (60, 40, 90)


def test_a_kernel_of_the_user_with_the_most_gives_way_to_all() -> None:
    budget = Budget(100, 150)
    alice, bob = Kernel(budget, "alice"), Kernel(budget, "bob")
    alice.grow(100)
    bob.grow(60)
    assert (alice.part.size, bob.part.size, budget.size) == (90, 60, 150)


def test_what_cannot_be_dropped_stays_and_leaves_no_room() -> None:
    budget = Budget(100, 1000)
    stubborn, other = Kernel(budget, "alice", kept=100), Kernel(budget, "alice")
    stubborn.grow(100)
    other.grow(10)
    assert (stubborn.part.size, other.part.size) == (100, 10)
    assert other.part.room == -10


def test_what_is_given_up_is_free_again() -> None:
    budget = Budget(100, 100)
    one, two = Kernel(budget, "alice"), Kernel(budget, "bob")
    one.grow(100)
    assert two.part.room == 0
    one.part.close()
    one.part.close()
    one.grow(50)
    assert (budget.size, two.part.room) == (0, 100)
