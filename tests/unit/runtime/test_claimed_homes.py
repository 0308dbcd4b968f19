"""Homes that are claims of the hub's namespace: the gateway looks up their NFS folders, and takes no other."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

pytest.importorskip("kubernetes", reason="neither the base package nor the hub has a gateway")

from doubles import a_connection, a_plan, a_spec, an_identity
from kernelpod.base import names
from kernelpod.errors import Denied, StartFailed
from kernelpod.homes.mounts import Mount
from kernelpod.pods.kernel import kernel_manifest
from kernelpod.runtime.kubernetes.apiserver import ApiRefusedError, ApiServer, ApiSilentError
from kernelpod.runtime.kubernetes.claims import with_found_home
from kernelpod.settings.runtimes import Kubernetes
from kernelpod.settings.sections import Settings
from kernelpod.start.plan import KernelPlan
from kernelpod.start.record import KernelRecord, read
from kernelpod.start.rights import check_plan

DYNAMIC = {"kind": "dynamic", "server": "10.0.0.5", "claim": "claim-{username}"}
CLAIM: dict[str, Any] = {
    "metadata": {"name": "claim-alice", "uid": "u1"},
    "spec": {"volumeName": "pv1"},
    "status": {"phase": "Bound"},
}
FOLDER: dict[str, Any] = {"nfs": {"server": "10.0.0.5", "path": "/export/hub-claim-alice-pv1"}}


def volume(spec: dict[str, Any], uid: str = "u1") -> dict[str, Any]:
    """Return a volume that is bound to the claim of that id."""
    return {"metadata": {"name": "pv1"}, "spec": {"capacity": {}, "claimRef": {"uid": uid}, **spec}}


def csi(driver: str = "nfs.csi.k8s.io", **attributes: str) -> dict[str, Any]:
    """Return the spec of a volume of a CSI driver."""
    return {"csi": {"driver": driver, "volumeAttributes": attributes}}


class Answers(ApiServer):
    """An API server that has one claim and one volume."""

    def __init__(self, claim: Any, found: Any) -> None:
        super().__init__(Kubernetes())
        self.answers = {
            "/api/v1/namespaces/hub/persistentvolumeclaims/claim-alice": claim,
            "/api/v1/persistentvolumes/pv1": found,
        }

    async def call(self, method: str, path: str, query: Mapping[str, str] | None = None, body: Any = None) -> Any:
        assert method == "GET"
        answer = self.answers[path]
        if isinstance(answer, Exception):
            raise answer
        return answer


SETTINGS = Settings.model_validate({"homes": {"root": "/export", "volume": DYNAMIC}})
# Kernels run in the hub's namespace, and mount the claims themselves.
BESIDE = Settings.model_validate({"homes": {"root": "/export", "volume": {"claim": "claim-{username}"}}})


def plan(volume: dict[str, str] = DYNAMIC) -> KernelPlan:
    """Return the plan of alice's kernel."""
    homes = {"root": "/export", "volume": volume}
    return a_plan(settings=Settings.model_validate({"homes": homes}), identity=an_identity("alice"))


def resolved(claim: Any = CLAIM, found: Any = None) -> KernelPlan:
    """Return the plan whose home was looked up."""
    api = Answers(claim, volume(FOLDER) if found is None else found)
    return asyncio.run(with_found_home(plan(), api))


@pytest.mark.parametrize(
    "spec",
    [
        FOLDER,
        csi(server="10.0.0.5", share="/export", subDir="hub-claim-alice-pv1"),
        csi(server="10.0.0.5", share="/export/", subdir="/hub-claim-alice-pv1"),
        csi(server="10.0.0.5", share="/export/hub-claim-alice-pv1"),
    ],
)
def test_a_claim_on_nfs_is_mounted_by_kernels_as_its_folder(spec: dict[str, Any]) -> None:
    made = resolved(found=volume(spec))
    pod = kernel_manifest(KernelRecord(plan=made), a_connection(), "0a1b2c").pod
    assert pod["spec"]["volumes"][0] == {
        "name": "home",
        "nfs": {"server": "10.0.0.5", "path": "/export/hub-claim-alice-pv1", "readOnly": False},
    }
    assert read(KernelRecord(plan=made).to_json()).plan == made
    assert made.kernel_id == plan().kernel_id


def test_the_next_gateway_reads_the_plan_as_it_was_granted() -> None:
    """With the claim, not the folder behind it: rights are compared with the settings, which name claims."""
    record = KernelRecord(plan=plan())
    pod = kernel_manifest(record, a_connection(), "0a1b2c", resolved()).pod
    assert "nfs" in pod["spec"]["volumes"][0]
    recorded = read(pod["metadata"]["annotations"][names.ANNOTATION_RECORD])
    assert recorded == record
    check_plan(recorded.plan, an_identity("alice"), a_spec(), SETTINGS)
    with pytest.raises(Denied, match="no longer use /home/jovyan"):
        check_plan(resolved(), an_identity("alice"), a_spec(), SETTINGS)


def test_other_homes_are_not_looked_up() -> None:
    for kind in ({"kind": "none"}, {"claim": "homes"}, {"kind": "nfs", "server": "n"}):
        made = plan(kind)
        assert asyncio.run(with_found_home(made, Answers(None, None))) is made


NOT_SHARED = {
    "block storage": (CLAIM, volume(csi("ebs.csi.aws.com"))),
    "a folder of the node": (CLAIM, volume({"hostPath": {"path": "/export/x"}})),
    "another server": (CLAIM, volume({"nfs": {"server": "10.0.0.6", "path": "/export/x"}})),
    "a folder elsewhere": (CLAIM, volume({"nfs": {"server": "10.0.0.5", "path": "/etc"}})),
    "the root itself": (CLAIM, volume({"nfs": {"server": "10.0.0.5", "path": "/export"}})),
    "a neighbour of the root": (CLAIM, volume({"nfs": {"server": "10.0.0.5", "path": "/exports/x"}})),
    "a way out": (CLAIM, volume({"nfs": {"server": "10.0.0.5", "path": "/export/../etc"}})),
    "a way out by a sub folder": (CLAIM, volume(csi(server="10.0.0.5", share="/export", subdir="../etc"))),
    "the volume of another claim": (CLAIM, volume(FOLDER, uid="u2")),
    "a volume of no claim": (CLAIM, {"metadata": {"name": "pv1"}, "spec": FOLDER}),
    "a gateway without the right": (ApiRefusedError(403, "Forbidden", "no"), None),
}


@pytest.mark.parametrize("case", NOT_SHARED)
def test_a_home_that_kernels_cannot_mount_is_explained(case: str) -> None:
    claim, found = NOT_SHARED[case]
    with pytest.raises(StartFailed, match="Kernels cannot mount your home, the claim claim-alice: ") as error:
        resolved(claim, found)
    assert error.value.code == "home_not_shared"
    assert "must run in the hub's namespace" in error.value.message


@pytest.mark.parametrize(
    ("claim", "code", "said"),
    [
        (
            ApiRefusedError(404, "NotFound", "no"),
            "home_missing",
            "does not exist yet. It is created when your server starts",
        ),
        ({**CLAIM, "spec": {}, "status": {"phase": "Pending"}}, "home_missing", "is not bound to a volume yet"),
        (ApiSilentError("away"), "cluster_unavailable", "Try again"),
    ],
)
def test_a_claim_that_is_not_there_yet_says_what_to_do(claim: Any, code: str, said: str) -> None:
    with pytest.raises(StartFailed, match=said) as error:
        resolved(claim)
    assert error.value.code == code


OF_JOHN = "claim-john-2edoe"


def of_john(settings: Settings = SETTINGS, **claims: Any) -> Mount:
    """Return the home that John's kernels mount, of these claims by their ids."""
    made = a_plan(settings=settings, identity=an_identity("john.doe"))
    api, namespace = Answers(None, None), "hub" if settings is SETTINGS else made.namespace
    for uid, name in (("new", user_claim("john.doe")), ("old", OF_JOHN)):
        place = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims/{name}"
        api.answers[place] = claims.get(uid, ApiRefusedError(404, "NotFound", "no"))
        if uid in claims:
            api.answers[place] = {
                "metadata": {"name": name, "uid": uid, "annotations": claims[uid]},
                "spec": {"volumeName": uid},
                "status": {"phase": "Bound"},
            }
            folder = {"nfs": {"server": "10.0.0.5", "path": f"/export/{uid}"}}
            api.answers[f"/api/v1/persistentvolumes/{uid}"] = volume(folder, uid)
    return asyncio.run(with_found_home(made, api)).mounts.home


def user_claim(name: str) -> str:
    return f"claim-{names.user_slug(name)}"


def test_a_claim_of_an_old_hub_is_found_by_its_former_name() -> None:
    assert of_john(old={}).path == "/export/old"
    assert of_john(old={names.KUBESPAWNER_USER: "john.doe"}).path == "/export/old"
    assert of_john(old={}, new={}).path == "/export/new"


def test_kernels_beside_their_server_mount_the_claim_that_it_mounts() -> None:
    """Where both are in one namespace. The path stays that of today's name, as the user's server says it."""
    home = of_john(BESIDE, old={names.KUBESPAWNER_USER: "john.doe"})
    assert (home.volume.claim, home.sub_path) == (OF_JOHN, "")
    assert home.path == f"/export/{user_claim('john.doe')}"
    assert of_john(BESIDE, old={}, new={}).volume.claim == user_claim("john.doe")


def test_without_any_claim_todays_name_is_said() -> None:
    for settings in (SETTINGS, BESIDE):
        with pytest.raises(StartFailed, match=f"the claim {user_claim('john.doe')}, does not exist yet"):
            of_john(settings)


@pytest.mark.parametrize("settings", [SETTINGS, BESIDE], ids=["hub", "beside"])
@pytest.mark.parametrize("one", ["old", "new"])
def test_a_user_cannot_have_a_claim_that_was_made_for_another(one: str, settings: Settings) -> None:
    """claim-john-2edoe is, by its name, that of the user john-2edoe."""
    with pytest.raises(StartFailed, match=r"made for another user.*of another name\.") as error:
        of_john(settings, **{one: {names.KUBESPAWNER_USER: "jane"}})
    assert error.value.code == "home_not_shared"
