"""The chart with the values that `kernelpod deploy` makes of `internal_tls`: settings, probes, mounts, network."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from helm import Helm, of_kind, settings_text

from kernelpod.deploy import internaltls, rendered
from kernelpod.deploy.settings import Deployment
from kernelpod.settings.sections import Settings

pytestmark = pytest.mark.chart
GIVEN = {
    "nfs": {"server": "10.0.0.5"},
    "hub": {"users": ["alice"]},
    "more_hubs": {"exam": {"users": ["bob"]}},
    "settings": {"homes": {"shared_homes": True}},
}


@pytest.mark.parametrize(("internal_tls", "scheme"), [(True, "https"), (False, "http")])
def test_the_gateway_serves_and_asks_by_one_scheme(helm: Helm, internal_tls: bool, scheme: str) -> None:
    deployment = Deployment.model_validate({**GIVEN, "internal_tls": internal_tls})
    made = helm.objects(rendered.chart_values(deployment, []))
    settings = Settings.model_validate(yaml.safe_load(settings_text(made)))
    assert settings.servers.gateway_url == f"{scheme}://kernelpod.gateway:8888"
    assert [(hub.name, hub.api_url, str(hub.token_file)) for hub in settings.hubs] == [
        ("hub", f"{scheme}://hub.hub:8081/hub/api", "/run/secrets/kernelpod/token"),
        ("exam", f"{scheme}://hub.exam:8081/hub/api", "/run/secrets/kernelpod-exam/token"),
    ]
    (gateway,) = of_kind(made, "Deployment").values()
    spec = gateway["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    assert container["livenessProbe"]["httpGet"]["scheme"] == scheme.upper()
    assert (internaltls.volume() in spec["volumes"]) == internal_tls
    assert (internaltls.mount() in container["volumeMounts"]) == internal_tls
    (policy,) = (
        one
        for one in made
        if (one["kind"], one["metadata"].get("namespace")) == ("NetworkPolicy", deployment.namespaces.gateway)
    )
    assert ports_to_hubs(policy) == [8081, 8081]


def ports_to_hubs(policy: dict[str, Any]) -> list[int]:
    """Return the ports of hubs' pods that the gateway may reach."""
    return [
        rule["ports"][0]["port"]
        for rule in policy["spec"]["egress"]
        if rule.get("to", [{}])[0].get("podSelector", {}).get("matchLabels") == {"component": "hub"}
    ]
