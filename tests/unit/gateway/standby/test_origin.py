"""What gateways tell each other is believed if one with the same settings has signed it, for that purpose."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import SecretStr

from kernelpod.base.headers import FORWARDED_FOR, LEADS
from kernelpod.errors import SettingsError
from kernelpod.gateway.standby.origin import Origin

SERVICE = "service"


def origin(token: str | None = SERVICE) -> Origin:
    def service_token() -> SecretStr | None:
        if token == "unreadable":
            raise SettingsError("no such file")
        return SecretStr(token) if token else None

    hub: Any = SimpleNamespace(service_token=service_token)
    return Origin(hub)


def request(**headers: str) -> Any:
    return SimpleNamespace(headers=headers, remote_ip="10.0.0.1")


@pytest.mark.parametrize("token", ["service", None, "unreadable"])
def test_a_gateway_believes_what_it_has_signed_itself(token: str | None) -> None:
    one = origin(token)
    assert one.term(request(**{LEADS: one.signed_term(3)})) == 3
    assert one.address(request(**{FORWARDED_FOR: one.signed("192.0.2.7")})) == "192.0.2.7"


@pytest.mark.parametrize(
    "said",
    [
        "",
        "3",
        "3 ",
        " ",
        "3 0123",
        origin("other").signed_term(3),
        origin(None).signed_term(3),
        origin().signed("3"),
        origin().signed_term(3).replace("3", "4", 1),
        origin().signed_term(3) + " ",
        "3" * 300,
    ],
)
def test_nobody_else_says_who_leads(said: str) -> None:
    assert origin().term(request(**{LEADS: said})) is None


def test_who_leads_is_no_address() -> None:
    assert origin().address(request(**{FORWARDED_FOR: origin().signed_term(3)})) == "10.0.0.1"
