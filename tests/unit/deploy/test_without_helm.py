"""The gateway without Helm: what is applied, kept, removed and rolled back, and its folder of manifests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from deployments import deployment, written
from kubectl_double import SECRET, Kubectl, identity
from pydantic import ValidationError

from kernelpod.base import yamltext
from kernelpod.base.missingtools import ToolsMissing
from kernelpod.deploy import install, operations, removal, rendered
from kernelpod.deploy.cluster import ClusterError, find_cluster
from kernelpod.deploy.progress import Progress
from kernelpod.deploy.release import HelmRelease, release_of
from kernelpod.deploy.settings import load_deployment
from kernelpod.deploy.state import state_of
from kernelpod.deploy.withouthelm.release import KEPT_REVISIONS, PlainRelease
from kernelpod.deploy.withouthelm.template import TemplateError
from kernelpod.errors import KernelpodError

PLAIN = deployment(without_helm=True, hub={"install": "none"})


@pytest.fixture
def kubectl() -> Kubectl:
    return Kubectl()


@pytest.fixture
def release(kubectl: Kubectl) -> PlainRelease:
    return PlainRelease(kubectl.cluster, PLAIN)


def values(**changes: Any) -> str:
    return yamltext.dump(rendered.chart_values(PLAIN, []) | changes)


LIMIT = ("LimitRange", "kernels", "kernelpod")
WITHOUT_LIMIT = {"kernels": {"namespace": {"name": "kernels"}, "limitRange": {"enabled": False}}}


def test_all_is_applied_and_the_gateway_is_waited_for(kubectl: Kubectl, release: PlainRelease) -> None:
    assert (release.revision(), release.status()) == (0, "")
    release.install(values())
    assert kubectl.names == {identity(one) for one in release.objects(values())}
    assert {one["metadata"]["labels"]["app.kubernetes.io/managed-by"] for one in kubectl.objects.values()} == {
        "kernelpod-deploy"
    }
    assert ["rollout", "status", "deployment/kernelpod", "-n", "gateway"] in [
        words[1:6] for words in kubectl.asked
    ]
    assert (release.revision(), release.status()) == (1, "deployed, revision 1, without Helm")
    assert [one["metadata"]["name"] for one in release.volumes()] == ["gateway-kernelpod-homes"]


def test_claims_are_bound_before_any_pod_that_mounts_them_comes(kubectl: Kubectl, release: PlainRelease) -> None:
    """The scheduler may miss a binding while it looks at the pod, and look again only after five minutes."""
    release.install(values())
    steps = [" ".join(words[1:5]) for words in kubectl.asked if words[1] in ("apply", "wait", "rollout")]
    assert steps == [
        "apply -f -",
        "wait pvc/homes -n kernels",
        "apply -f -",
        "rollout status deployment/kernelpod -n",
    ]
    free = {"kind": "PersistentVolumeClaim", "metadata": {"name": "x", "namespace": "hub"}, "spec": {}}
    kubectl.asked.clear()
    kubectl.cluster.apply_storage([free, {"kind": "Deployment"}])  # of a storage class, which may wait for the pod
    assert [words[1] for words in kubectl.asked] == ["apply"]
    kubectl.refuses = "wait"
    with pytest.raises(ClusterError, match="The claim homes in the namespace kernels is not bound to its volume"):
        release.install(values())


def test_what_the_next_file_does_not_have_is_removed_and_comes_back(
    kubectl: Kubectl, release: PlainRelease
) -> None:
    release.install(values())
    release.install(values(**WITHOUT_LIMIT))
    assert LIMIT not in kubectl.names
    release.roll_back(1)
    assert (LIMIT in kubectl.names, release.revision()) == (True, 3)


def test_a_deploy_that_failed_leaves_nothing_that_the_next_one_does_not_have(
    kubectl: Kubectl, release: PlainRelease
) -> None:
    release.install(values(**WITHOUT_LIMIT))
    kubectl.refuses = "rollout"
    with pytest.raises(ClusterError, match="rollout is refused"):
        release.install(values())
    assert (LIMIT in kubectl.names, release.revision()) == (True, 1)
    assert release.status() == "incomplete, revision 2"
    kubectl.refuses = ""
    release.install(values(**WITHOUT_LIMIT))
    assert (LIMIT in kubectl.names, release.status()) == (False, "deployed, revision 2, without Helm")


def test_the_last_revisions_are_kept_and_no_others(kubectl: Kubectl, release: PlainRelease) -> None:
    for _ in range(KEPT_REVISIONS + 2):
        release.install(values())
    assert kubectl.kept() == {str(number) for number in range(3, KEPT_REVISIONS + 3)}
    with pytest.raises(ClusterError, match="revision 2 are not kept any more"):
        release.roll_back(2)


def test_uninstalling_leaves_nothing_of_any_revision(kubectl: Kubectl, release: PlainRelease) -> None:
    release.install(values())
    release.install(values(**WITHOUT_LIMIT))
    kubectl.refuses = "rollout"
    with pytest.raises(ClusterError):
        release.install(values())
    release.uninstall()
    assert kubectl.objects == {}
    release.uninstall()


def test_a_deploy_beside_another_one_is_refused(
    kubectl: Kubectl, release: PlainRelease, monkeypatch: pytest.MonkeyPatch
) -> None:
    release.install(values())
    other = PlainRelease(kubectl.cluster, PLAIN)
    apply = Kubectl._write

    def meanwhile(self: Kubectl, verb: str, one: dict[str, Any]) -> str:
        if verb == "apply" and one["kind"] == "Namespace":
            kubectl.objects[SECRET]["metadata"]["resourceVersion"] = "of the other"
        return apply(self, verb, one)

    monkeypatch.setattr(Kubectl, "_write", meanwhile)
    with pytest.raises(ClusterError, match="Another deploy is under way"):
        other.install(values(**WITHOUT_LIMIT))
    assert LIMIT in kubectl.names, "it may be the other one's"


@pytest.mark.parametrize("whose", [{}, {"kernelpod.io/release": "other/kernelpod"}], ids=["nobody's", "another's"])
def test_what_somebody_else_has_made_is_not_changed(
    kubectl: Kubectl, release: PlainRelease, whose: dict[str, str]
) -> None:
    theirs = {"kind": "Namespace", "metadata": {"name": "kernels", "annotations": whose}}
    kubectl.objects[identity(theirs)] = theirs
    with pytest.raises(ClusterError, match="The Namespace kernels exists, and this deployment did not create it"):
        release.install(values())
    assert set(kubectl.objects) == {identity(theirs)}


def test_what_somebody_else_has_made_meanwhile_is_not_removed(kubectl: Kubectl, release: PlainRelease) -> None:
    release.install(values())
    moved = {"kernels": {"namespace": {"name": "kernels-2"}}}
    release.install(values(**moved))
    theirs = {"kind": "Namespace", "metadata": {"name": "kernels"}}
    kubectl.objects[identity(theirs)] = theirs
    release.install(values(**moved))
    release.uninstall()
    assert set(kubectl.objects) == {identity(theirs)}


def test_what_was_made_anew_by_somebody_else_outlives_the_release(kubectl: Kubectl, release: PlainRelease) -> None:
    release.install(values())
    space = ("Namespace", "", "kernels")
    kubectl.objects[space]["metadata"]["annotations"] = {"kernelpod.io/release": "other/kernelpod"}
    release.uninstall()
    assert set(kubectl.objects) == {space}


def test_what_helm_would_keep_is_kept(kubectl: Kubectl, release: PlainRelease) -> None:
    space = {"name": "kernels", "annotations": {"helm.sh/resource-policy": "keep"}}
    release.install(values(kernels={"namespace": space}))
    release.install(values(kernels={"namespace": {"name": "kernels", "create": False}}))
    assert ("Namespace", "", "kernels") in kubectl.names


def test_two_deploys_that_failed_leave_nothing(kubectl: Kubectl, release: PlainRelease) -> None:
    release.install(values(**WITHOUT_LIMIT))
    kubectl.refuses = "rollout"
    for given in (values(), values(**WITHOUT_LIMIT)):
        with pytest.raises(ClusterError, match="rollout is refused"):
            release.install(given)
    assert LIMIT in kubectl.names
    kubectl.refuses = ""
    release.install(values(**WITHOUT_LIMIT))
    assert LIMIT not in kubectl.names


def test_a_release_of_helm_is_left_to_helm(kubectl: Kubectl) -> None:
    metadata = {"namespace": "gateway", "name": "sh.helm.release.v1.kernelpod.v1"}
    stored = {"kind": "Secret", "metadata": metadata}
    kubectl.objects[identity(stored)] = stored
    made, progress = deployment(without_helm=True), Progress(lambda _: None)
    for verb in (operations.deploy, operations.rollback):
        with pytest.raises(ClusterError, match="is a release of Helm"):
            verb(kubectl.cluster, made, progress)
    with pytest.raises(ClusterError, match="is a release of Helm"):
        removal.destroy(kubectl.cluster, made, progress, homes=False)
    assert set(kubectl.objects) == {identity(stored)}


def test_what_is_refused_is_refused_before_the_hub_is_changed(
    kubectl: Kubectl, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = {"kind": "Service", "metadata": {"namespace": "gateway", "name": "kernelpod"}}
    kubectl.objects[identity(theirs)] = theirs
    monkeypatch.setattr(install, "hub_objects", lambda *_: "")
    with pytest.raises(ClusterError, match="The Service kernelpod exists"):
        operations.deploy(kubectl.cluster, deployment(without_helm=True), Progress(lambda _: None))
    assert set(kubectl.objects) == {identity(theirs)}


def test_a_token_among_the_values_is_refused(release: PlainRelease) -> None:
    with pytest.raises(ClusterError, match=r"values\.hub\.token"):
        release.objects(values(hub={"token": "x", "existingSecret": ""}))


@pytest.mark.parametrize(("version", "fits"), [(("1", "29"), False), (("1", "30+"), True), (("2", "0"), True)])
def test_a_cluster_that_is_too_old_is_refused(version: tuple[str, str], fits: bool) -> None:
    kubectl = Kubectl(version)
    release = PlainRelease(kubectl.cluster, PLAIN)
    if fits:
        release.install(values())
        return
    with pytest.raises(ClusterError, match=r"Kubernetes v1\.29 is too old: the gateway needs 1\.30"):
        release.install(values())
    assert kubectl.objects == {}


def test_values_that_the_chart_refuses_change_nothing(kubectl: Kubectl, release: PlainRelease) -> None:
    with pytest.raises(TemplateError, match="replicaCount must be integer"):
        release.install(values(replicaCount="two"))
    assert kubectl.objects == {}


def test_what_was_installed_so_stays_so(kubectl: Kubectl, release: PlainRelease) -> None:
    later = deployment(hub={"install": "none"})
    assert isinstance(release_of(kubectl.cluster, later), HelmRelease)
    assert isinstance(release_of(kubectl.cluster, PLAIN), PlainRelease)
    release.install(values())
    assert isinstance(release_of(kubectl.cluster, later), PlainRelease)
    assert state_of(kubectl.cluster, later).release == "deployed, revision 1, without Helm"


def test_a_whole_deployment_is_made_rolled_back_and_removed_by_kubectl(
    kubectl: Kubectl, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = deployment(without_helm=True, nfs={"server": "10.0.0.5"}, homes="nfs")
    objects = yamltext.dump({"kind": "ConfigMap", "metadata": {"namespace": "hub", "name": "hub-config"}})
    monkeypatch.setattr(install, "hub_objects", lambda *_: objects)
    progress = Progress(lambda _: None)
    operations.deploy(kubectl.cluster, made, progress)
    operations.deploy(kubectl.cluster, made, progress)
    operations.rollback(kubectl.cluster, made, progress)
    assert PlainRelease(kubectl.cluster, made).revision() == 3
    removal.destroy(kubectl.cluster, made, progress, homes=False)
    assert kubectl.objects == {}


def test_what_was_applied_from_a_folder_is_seen_and_removed(
    kubectl: Kubectl, release: PlainRelease, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its annotation. Nothing else is: no manifests are kept of it."""
    later = deployment(hub={"install": "none"})
    kubectl.cluster.apply(release.objects(values()))
    monkeypatch.setattr("shutil.which", lambda name: "/bin/kubectl" if name == "kubectl" else None)
    find_cluster(later, kubectl)
    assert state_of(kubectl.cluster, later).release == "applied from manifests, without Helm"
    assert not [said for said in state_of(kubectl.cluster, later).problems if "deploy" in said]
    removal.destroy(kubectl.cluster, later, Progress(lambda _: None), homes=False)
    assert kubectl.objects == {}


def test_without_helm_kubectl_alone_is_enough(monkeypatch: pytest.MonkeyPatch, kubectl: Kubectl) -> None:
    monkeypatch.setattr("shutil.which", lambda name: "/bin/kubectl" if name == "kubectl" else None)
    find_cluster(PLAIN, kubectl)
    later = deployment(hub={"install": "none"})
    with pytest.raises(ToolsMissing, match=r"helm is not on PATH.*without_helm: true"):
        find_cluster(later, kubectl)
    PlainRelease(kubectl.cluster, PLAIN).install(values())
    find_cluster(later, kubectl)


def test_a_hub_that_is_a_chart_needs_helm(tmp_path: Path) -> None:
    zero = {"install": "z2jh", "users": ["alice"]}
    with pytest.raises(ValidationError, match=r"without_helm: hub\.install is z2jh"):
        deployment(without_helm=True, hub=zero)
    file = written(tmp_path, {"nfs": {"server": "10.0.0.5"}, "hub": zero})
    assert not load_deployment(file).without_helm
    with pytest.raises(KernelpodError, match=r"without_helm: hub\.install is z2jh"):
        load_deployment(file, without_helm=True)
