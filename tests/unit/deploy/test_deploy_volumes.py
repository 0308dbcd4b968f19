"""Volumes whose claim is gone: which ones a deployment frees, and which it leaves alone."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest
from deployments import Answers, courses_deployment, deployment

from kernelpod.deploy import install, operations, rendered, volumes
from kernelpod.deploy.cluster import ClusterError
from kernelpod.deploy.progress import Progress
from kernelpod.deploy.rendered import MANAGED
from kernelpod.settings.sections import Settings

OF_CHART = {"app.kubernetes.io/managed-by": "Helm", "app.kubernetes.io/instance": "kernelpod"}


def volume(name: str, claim: str, **metadata: Any) -> dict[str, Any]:
    """Return a volume that was bound to `namespace/name`, whose uid was `old`."""
    space, _, of = claim.partition("/")
    return {
        "metadata": {"name": name, "labels": MANAGED, **metadata},
        "spec": {"claimRef": {"namespace": space, "name": of, "uid": "old", "resourceVersion": "7"}},
        "status": {"phase": "Released"},
    }


class ClusterOf(Answers):
    """Stands in for kubectl at a cluster with these volumes, and uids of claims by `namespace/name`."""

    def __init__(self, *there: dict[str, Any], **claims: str) -> None:
        super().__init__()
        self.there, self.claims = there, claims

    def __call__(self, command: list[str], given: str | None, seconds: float) -> subprocess.CompletedProcess[str]:
        done = super().__call__(command, given, seconds)
        found: Any = None
        if command[1:3] == ["get", "persistentvolumes"]:
            wanted = dict(pair.split("=") for pair in command[-1].split(","))
            found = {"items": [one for one in self.there if wanted.items() <= one["metadata"]["labels"].items()]}
        elif command[1:3] == ["get", "persistentvolumeclaim"] and (
            uid := self.claims.get(f"{command[-1]}/{command[3]}")
        ):
            found = {"metadata": {"uid": uid}}
        done.stdout = json.dumps(found) if found else ""
        return done

    @property
    def patched(self) -> list[str]:
        """The volumes that were patched."""
        return [words[3] for words in self.asked if words[1] == "patch"]


def found(tools: ClusterOf) -> list[str]:
    return volumes.left_behind(tools.cluster(), courses_deployment())


def test_a_volume_whose_claim_is_gone_or_another_one_is_left_behind() -> None:
    there = [volume("exam-homes", "exam/homes"), volume("exam-courses", "exam/courses")]
    assert found(ClusterOf(*there)) == ["exam-homes", "exam-courses"]
    assert found(ClusterOf(*there, **{"exam/homes": "new", "exam/courses": "old"})) == ["exam-homes"]


def test_a_volume_that_is_free_already_is_none() -> None:
    free = volume("hub-homes", "hub/homes")
    del free["spec"]["claimRef"]["uid"]
    assert found(ClusterOf(free)) == []


@pytest.mark.parametrize(
    "other",
    [
        volume("another-homes", "hub/homes"),
        volume("hub-homes", "hub/homes", labels={}),
        volume("pvc-17", "hub/claim-alice", labels={"component": "singleuser-storage"}),
        volume("gateway-kernelpod-homes", "kernels/homes", labels=OF_CHART),
        volume(
            "other-kernelpod-homes",
            "kernels/homes",
            labels=OF_CHART,
            annotations={"meta.helm.sh/release-namespace": "other"},
        ),
    ],
    ids=["name", "label", "a user's", "no release", "another release"],
)
def test_a_volume_of_somebody_else_is_none(other: dict[str, Any]) -> None:
    assert found(ClusterOf(other)) == []


def test_the_volumes_of_the_chart_count() -> None:
    release = {"meta.helm.sh/release-namespace": "gateway"}
    of_chart = volume("gateway-kernelpod-homes", "kernels/homes", labels=OF_CHART, annotations=release)
    assert found(ClusterOf(of_chart)) == ["gateway-kernelpod-homes"]


def test_only_the_claims_name_is_kept() -> None:
    tools = ClusterOf()
    volumes.free(tools.cluster(), "exam-homes")
    (words,) = tools.asked
    assert words[:4] == ["kubectl", "patch", "persistentvolume", "exam-homes"]
    assert words[words.index("--type") + 1] == "merge"
    assert json.loads(words[-1]) == {"spec": {"claimRef": {"uid": None, "resourceVersion": None}}}


@pytest.mark.parametrize(("labels", "refused"), [({}, True), ({"team": "it"}, True), (MANAGED, False)])
def test_a_claim_that_others_made_is_neither_labelled_nor_changed(labels: dict[str, str], refused: bool) -> None:
    tools = Answers(**{"kubectl get persistentvolumeclaim homes": {"metadata": {"labels": labels}}})
    storage = rendered.hub_storage(deployment(), Settings())
    if refused:
        with pytest.raises(ClusterError, match="The PersistentVolumeClaim homes exists, and deploy did not"):
            volumes.check_ours(tools.cluster(), storage)
    else:
        volumes.check_ours(tools.cluster(), storage)


def test_a_deployment_asks_before_anything_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    tools = Answers(**{"kubectl get persistentvolume hub-homes": {"metadata": {}}})
    completed = install.CompletedSettings("", Settings())
    monkeypatch.setattr(install, "gateway_settings", lambda *_: completed)
    with pytest.raises(ClusterError, match="The PersistentVolume hub-homes exists"):
        operations.deploy(tools.cluster(), deployment(), Progress(lambda _: None))
    assert {words[1] for words in tools.asked} == {"get"}


@pytest.fixture
def fitting(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan that fits, and a deployment that ends when it makes the namespaces."""
    planned = operations._Planned("", {}, [], {"hub": ""}, [], [])
    monkeypatch.setattr(operations, "_plan", lambda *_: planned)

    def stop(*_: Any) -> None:
        raise InterruptedError

    monkeypatch.setattr(install, "make_namespaces", stop)


@pytest.mark.usefixtures("fitting")
def test_deploy_frees_them_before_it_makes_anything_and_says_so() -> None:
    tools, said = ClusterOf(volume("hub-homes", "hub/homes")), list[str]()
    with pytest.raises(InterruptedError):
        operations.deploy(tools.cluster(), deployment(), Progress(said.append))
    assert tools.patched == ["hub-homes"]
    assert said[1].endswith("volume hub-homes freed, since its claim was deleted")


@pytest.mark.usefixtures("fitting")
def test_a_dry_run_names_them_and_changes_nothing() -> None:
    tools = ClusterOf(volume("hub-homes", "hub/homes"))
    shown = operations.render(tools.cluster(), deployment())
    assert shown["volumes that would be freed"] == "# hub-homes"
    assert {words[1] for words in tools.asked} == {"get"}
