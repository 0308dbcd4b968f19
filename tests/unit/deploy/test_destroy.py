"""What `destroy` removes, and what it leaves alone because deploy did not create it."""

from __future__ import annotations

import base64
import json
import subprocess
from typing import Any

import pytest
from deployments import Answers, deployment

from kernelpod.deploy import install, operations, removal, rendered
from kernelpod.deploy.cluster import WAIT_SECONDS, ClusterError
from kernelpod.deploy.progress import Progress
from kernelpod.deploy.rendered import MANAGED

EXISTING = {"install": "none"}
ZERO = {"install": "z2jh", "users": ["alice"]}


class ClusterOf(Answers):
    """Stands in for a cluster with these namespaces and volumes, with their labels by name."""

    def __init__(self, namespaces: dict[str, Any], volumes: dict[str, Any] | None = None) -> None:
        super().__init__()
        self.there = {"namespace": namespaces, "persistentvolumes": volumes or {}}
        self.secrets: dict[str, dict[str, str]] = {}

    def __call__(self, command: list[str], given: str | None, seconds: float) -> subprocess.CompletedProcess[str]:
        done = super().__call__(command, given, seconds)
        if command[:2] != ["kubectl", "get"]:
            return done
        found: Any = None
        if command[2] == "namespace" and command[3] in self.there["namespace"]:
            found = {"metadata": {"name": command[3], "labels": self.there["namespace"][command[3]]}}
        elif command[2] == "secret" and command[3] in self.secrets:
            found = {"data": self.secrets[command[3]]}
        elif command[2] == "persistentvolumes":
            wanted = dict(pair.split("=") for pair in command[-1].split(","))
            named = self.there["persistentvolumes"].items()
            items = [{"metadata": {"name": name}} for name, labels in named if wanted.items() <= labels.items()]
            found = {"items": items}
        done.stdout = json.dumps(found) if found else ""
        return done

    @property
    def changes(self) -> list[str]:
        """The commands that change something, in order."""
        reading = ("get", "wait", "version", "list")
        return [" ".join(words) for words in self.asked if words[1] not in reading]


def destroyed(tools: ClusterOf, *, homes: bool = False, **changes: Any) -> list[str]:
    """Return the commands with which a deployment was destroyed."""
    removal.destroy(tools.cluster(), deployment(**changes), Progress(lambda _: None), homes=homes)
    return tools.changes


@pytest.mark.parametrize("labels", [{}, MANAGED], ids=["not ours", "labelled by an older deploy"])
def test_an_existing_hub_and_its_namespace_are_not_touched(labels: dict[str, str]) -> None:
    volumes = {"hub-homes": {}, "hub-database": {"team": "it"}}
    done = destroyed(ClusterOf({"gateway": MANAGED, "hub": labels}, volumes), hub=EXISTING)
    assert done == [
        "helm uninstall kernelpod -n gateway --ignore-not-found --wait",
        "kubectl delete namespace gateway --wait=true",
    ]


def test_homes_that_an_existing_hub_uses_are_not_deleted() -> None:
    tools = ClusterOf({"gateway": MANAGED, "hub": {}})
    with pytest.raises(ClusterError, match=r"hub\.install: none\) uses the homes"):
        destroyed(tools, homes=True, hub=EXISTING)
    assert tools.asked == []


def test_servers_of_an_existing_hub_are_not_said_to_end() -> None:
    pods = {"items": [{}]}
    tools = Answers(kubectl_get_pods_o_json=pods, **{"kubectl get pods -o json --ignore-not-found -n hub": pods})
    assert removal.running(tools.cluster(), deployment(hub=EXISTING)) == ""
    assert removal.running(tools.cluster(), deployment()) == "1 servers and 0 kernels are running"


def test_an_existing_hubs_namespace_is_neither_made_nor_labelled() -> None:
    tools = ClusterOf({})
    install.make_namespaces(tools.cluster(), deployment(hub=EXISTING))
    assert [json.dumps(text).count("kind: Namespace") for text in tools.given if text] == [1]
    assert "name: gateway" in "".join(text or "" for text in tools.given)


def test_a_namespace_that_an_existing_hub_should_have_is_asked_for_before_anything_is_changed() -> None:
    tools = ClusterOf({})
    with pytest.raises(ClusterError, match="kubectl create namespace hub"):
        operations.deploy(tools.cluster(), deployment(hub=EXISTING), Progress(lambda _: None))
    assert tools.changes == []


@pytest.mark.parametrize(("labels", "deployed"), [({}, True), (MANAGED, True), (MANAGED, False)])
def test_zero_to_jupyterhub_is_uninstalled_and_its_servers_end(labels: dict[str, str], deployed: bool) -> None:
    tools = ClusterOf({"gateway": MANAGED, "hub": labels})
    if deployed:
        tools.secrets["kernelpod-deployed"] = {"release": "aHVi"}
    done = destroyed(tools, hub=ZERO)
    assert done[0] == f"helm uninstall hub -n hub --ignore-not-found --wait --timeout {WAIT_SECONDS}s"
    assert done[1].startswith("kubectl delete pods -n hub -l component=singleuser-server")
    assert ("kubectl delete namespace hub --wait=true" in done) is bool(labels)


def test_in_a_namespace_made_by_hand_servers_end_before_the_claims_that_they_use_are_waited_for() -> None:
    """Nobody else ends them there: a claim would stay, and its deletion hang."""
    tools = ClusterOf({"gateway": MANAGED, "hub": {}})
    tools.secrets["kernelpod-deployed"] = {"current": base64.b64encode(b"kind: Deployment\n").decode()}
    done = destroyed(tools)
    assert [words for words in done if " hub" in words or words.endswith("-f -")] == [
        "kubectl delete pods -n hub -l component=hub",
        "kubectl delete pods -n hub -l component=singleuser-server",
        "kubectl delete --ignore-not-found -f -",
        f"kubectl delete secrets,persistentvolumeclaims -n hub -l {','.join(map('='.join, MANAGED.items()))}",
    ]
    assert done[0] == "kubectl delete --ignore-not-found -f - --wait=false"


def test_a_release_of_the_same_name_that_an_admin_installed_stays() -> None:
    done = destroyed(ClusterOf({"gateway": MANAGED, "hub": {}}), hub=ZERO)
    assert not [words for words in done if "uninstall hub" in words or "delete pods" in words]


def test_volumes_of_our_names_that_others_made_stay() -> None:
    volumes = {"hub-homes": MANAGED, "hub-database": {}, "other-homes": MANAGED}
    done = destroyed(ClusterOf({"gateway": MANAGED, "hub": MANAGED}, volumes))
    assert done[-1] == "kubectl delete persistentvolume --ignore-not-found hub-homes"
    assert set(rendered.volume_names(deployment())) >= {"hub-homes", "hub-database"}
