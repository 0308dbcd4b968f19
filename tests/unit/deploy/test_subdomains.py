"""`subdomains`: what a deployment makes of it, and what does not fit."""

from __future__ import annotations

from typing import Any

import pytest
from deployments import courses_deployment, deployment
from pydantic import ValidationError

from kernelpod.deploy import rendered, smoke, z2jh
from kernelpod.settings.sections import Settings

URL = "https://hub.example.org"
ON = {"users": ["alice", "bob"], "url": URL, "subdomains": True}
Z2JH = {
    "servers": {"gateway_url": "http://kernelpod.gateway:8888"},
    "runtime": {"kubernetes": {"home_check_image": "gateway:1"}},
}


def test_the_settings_of_hub_and_gateway_name_the_host() -> None:
    assert rendered.chart_values(deployment(hub=ON), [])["settings"]["hubs"] == [{"subdomain_host": URL}]
    more = {"exam": {"courses": "exam.yaml", "url": "https://exam.example.org", "subdomains": True}}
    (exam,) = rendered.chart_values(courses_deployment(more_hubs=more), [])["extraHubs"]
    assert exam["settings"]["subdomain_host"] == "https://exam.example.org"
    assert "hubs" not in rendered.chart_values(deployment(hub={**ON, "subdomains": False}), [])["settings"]


def test_zero_to_jupyterhub_gets_hosts_and_a_proxy_that_knows_them() -> None:
    settings = Settings.model_validate({**Z2JH, "hubs": [{"subdomain_host": URL}]})
    values = z2jh.values(deployment(hub={**ON, "install": "z2jh", "https_secret": "hub-tls"}), settings, [], "")
    hub = values["hub"]["config"]["JupyterHub"]
    assert (hub["subdomain_host"], hub["cookie_host_prefix_enabled"]) == (URL, True)
    assert values["proxy"]["chp"]["extraCommandLineFlags"] == ["--host-routing"]
    assert values["proxy"]["https"]["secret"] == {"name": "hub-tls"}


@pytest.mark.parametrize(
    ("hub", "said"),
    [
        ({"url": None}, "set url to the hub's address"),
        ({"url": "https://10.0.0.1:30443"}, "write a name"),
        ({"url": "https://[::1]"}, "write a name"),
        ({"url": f"{URL}/jupyter"}, "has no path"),
        ({"install": "none"}, "an existing hub is not changed"),
    ],
)
def test_what_does_not_fit_is_refused(hub: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        deployment(hub={**ON, **hub})


def test_the_smoke_test_asks_for_a_name_below_the_hubs() -> None:
    assert smoke.addresses(URL, deployment(hub=ON)) == [URL, "https://kernelpodsmoke.hub.example.org"]
    assert smoke.addresses("http://10.0.0.1", deployment()) == ["http://10.0.0.1"]
