"""Addresses of processes."""

from __future__ import annotations

import pytest

from kernelpod.base.addresses import join_address, on_this_machine, split_address


@pytest.mark.parametrize(
    ("ip", "known"),
    [("", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("10.0.0.1", "10.0.0.1"), ("fd00::1", "fd00::1")],
)
def test_who_listens_everywhere_is_found_on_the_machine(ip: str, known: str) -> None:
    assert on_this_machine(ip) == known
    assert split_address(join_address(known, 8888)) == (known, 8888)
