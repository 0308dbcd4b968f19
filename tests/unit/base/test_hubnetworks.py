"""Which rules of the internet remain when an admin denies networks."""

from __future__ import annotations

import pytest

from kernelpod.base.hubnetworks import internet


@pytest.mark.parametrize(
    ("denied", "blocks"),
    [
        ((), ["0.0.0.0/0", "::/0"]),
        (("192.0.2.0/24", "2001:db8::/32"), ["0.0.0.0/0", "::/0"]),
        # The API server refuses an exception as large as its block, and takes a rule without destinations for all.
        (("::/0",), ["0.0.0.0/0"]),
        (("0.0.0.0/0", "::/0"), []),
    ],
)
def test_a_family_that_is_denied_as_a_whole_has_no_rule(denied: tuple[str, ...], blocks: list[str]) -> None:
    rules = internet(denied)
    made = [peer["ipBlock"] for rule in rules for peer in rule["to"]]
    assert [block["cidr"] for block in made] == blocks
    assert all(rule["to"] for rule in rules)
    excepted = {address for block in made for address in block["except"]}
    assert not excepted & {"0.0.0.0/0", "::/0"}
    assert set(denied) - {"0.0.0.0/0", "::/0"} <= excepted
