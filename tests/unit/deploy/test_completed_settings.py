"""Settings as the chart completes them: text for the hub, a model for deploy, or a sentence."""

from __future__ import annotations

import json
import subprocess

import pytest
import yaml

from kernelpod.deploy import install
from kernelpod.deploy.cluster import Cluster
from kernelpod.deploy.settings import Deployment
from kernelpod.errors import SettingsError

DEPLOYMENT = Deployment.model_validate({"nfs": {"server": "10.0.0.5"}, "hub": {"users": ["alice"]}})


def completed(settings: object) -> install.CompletedSettings:
    """Return what is made of a chart that completes the settings so."""

    def run(command: list[str], given: str | None, seconds: float) -> subprocess.CompletedProcess[str]:
        said = json.dumps({"serverVersion": {"gitVersion": "v1.34.0"}})
        if command[0] == "helm":
            said = yaml.safe_dump({"data": {"settings.yaml": yaml.safe_dump(settings)}})
        return subprocess.CompletedProcess(command, 0, said, "")

    return install.gateway_settings(Cluster(("kubectl",), ("helm",), run=run), DEPLOYMENT, "{}")


def test_the_hub_gets_the_text_and_deploy_a_model() -> None:
    given = {"hubs": [{"name": "hub", "service": "ours"}], "homes": {"volume": {"claim": "files"}}}
    found = completed(given)
    assert yaml.safe_load(found.text) == given
    assert (found.settings.hubs[0].service, found.settings.homes.volume.claim) == ("ours", "files")


def test_settings_that_the_charts_values_made_wrong_are_a_sentence() -> None:
    with pytest.raises(SettingsError, match=r"settings\..*every hub needs its own name"):
        completed({"hubs": [{"name": "hub"}, {"name": "hub"}]})
