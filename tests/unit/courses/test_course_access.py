"""What a course gives its users: mounts by role, homes by mode, profiles as KubeSpawner takes them."""

from __future__ import annotations

from datetime import date, datetime, timezone
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import ValidationError

from doubles import KERNEL_ID, a_spec, an_identity
from kernelpod.courses.course_access import (
    CourseAccess,
    Membership,
    chosen,
    course_mounts,
    exchange_environment,
    role_of,
)
from kernelpod.courses.model import HubFile
from kernelpod.courses.roster import Roster
from kernelpod.errors import Denied
from kernelpod.homes.mounts import Mount, mounts_for
from kernelpod.hub.spawners.profiles import asks_something, profiles
from kernelpod.settings.sections import Settings
from kernelpod.start.entitlements import entitlements
from kernelpod.start.plan import KernelPlan
from kernelpod.start.policy import Usage, decide
from kernelpod.start.request import KernelRequest

NFS = {"kind": "nfs", "server": "10.0.0.5"}
COURSE = {
    "image": "lab:1",
    "folder": {"path": "folders/{semester}/{course}", "mount_path": "/srv/course"},
    "exchange": {},
    "mounts": {
        "data": {"path": "data", "mount_path": "/data"},
        "drafts": {"path": "drafts/{course}", "mount_path": "/drafts", "access": {"student": "none"}},
    },
}


def hub_file(course: dict[str, Any] = COURSE, **keys: Any) -> HubFile:
    return HubFile.model_validate(
        {"semester": "ws26", "storage": {"root": "/c"}, "courses": {"ml": course}, **keys}
    )


def mounts(role: Any, username: str = "alice", hub: HubFile | None = None, **settings: Any) -> dict[str, Mount]:
    """Return a user's mounts by the place they are seen at."""
    member = Membership("ml", "ws26", role)
    made = course_mounts(hub or hub_file(), Settings.model_validate(settings), username, (), member)
    return {mount.mount_path: mount for mount in made.all()}


def shown(found: dict[str, Mount]) -> dict[str, str]:
    return {place: f"{mount.path} {'ro' if mount.read_only else 'rw'}" for place, mount in found.items()}


def test_a_student_reads_and_hands_in() -> None:
    assert shown(mounts("student")) == {
        "/home/jovyan": "/home/nfs_share/claim/alice rw",
        "/srv/course": "/c/folders/ws26/ml ro",
        "/data": "/c/data ro",
        "/srv/exchange/ml/inbound": "/c/exchange/ws26/ml/inbound/alice rw",
        "/srv/exchange/ml/outbound": "/c/exchange/ws26/ml/outbound ro",
        "/srv/exchange/ml/feedback": "/c/exchange/ws26/ml/feedback/alice ro",
    }


@pytest.mark.parametrize("role", ["grader", "admin"])
def test_a_grader_writes_and_sees_the_whole_exchange(role: str) -> None:
    assert shown(mounts(role, "bob")) == {
        "/home/jovyan": "/home/nfs_share/claim/bob rw",
        "/srv/course": "/c/folders/ws26/ml rw",
        "/data": "/c/data rw",
        "/drafts": "/c/drafts/ml rw",
        "/srv/exchange/ml": "/c/exchange/ws26/ml rw",
    }


@pytest.mark.parametrize("given", [datetime(2027, 2, 1, 11, tzinfo=timezone.utc), "2027-02-01T11:00:00Z"])
def test_a_closing_time_may_be_yaml_s_own(given: Any) -> None:
    hub = hub_file({**COURSE, "exchange": {"closes_at": given}})
    told = exchange_environment(hub, Membership("ml", "ws26", "student"), "alice")
    assert told["KERNELPOD_EXCHANGE_CLOSES_AT"] == "2027-02-01T11:00:00+00:00"
    with pytest.raises(ValidationError, match="write a time with its zone"):
        hub_file({**COURSE, "exchange": {"closes_at": date(2027, 2, 1)}})


HOSTILE = [
    "../bob",
    "bob/../..",
    "..",
    ".",
    "",
    "a/b",
    "{course}",
    "admin",
    "root",
    "system:x",
    "😀",
    "bob\0",
    "x" * 300,
]


@pytest.mark.parametrize("username", HOSTILE)
def test_no_name_leads_to_anothers_folder(username: str) -> None:
    """A student cannot list what others handed in: what she sees ends with her own slug."""
    personal = {"personalised": ["inbound", "outbound", "feedback"]}
    hub = hub_file({**COURSE, "exchange": personal}, home="{mode}/{semester}/{course}/{username}")
    hers, bobs = mounts("student", username, hub), mounts("student", "bob", hub)
    assert hers.keys() == bobs.keys()
    for place, mount in hers.items():
        own = place == "/home/jovyan" or "exchange" in place
        if own:
            assert mount.path.rsplit("/", 1)[0] == bobs[place].path.rsplit("/", 1)[0]
            assert mount.path != bobs[place].path
            assert not {"..", "."} & set(mount.path.split("/"))


def test_homes_of_an_exam_are_its_own() -> None:
    exam = hub_file({**COURSE, "network": "none"}, mode="exam")
    home = mounts("student", hub=exam)["/home/jovyan"]
    assert (home.path, home.sub_path) == ("/home/nfs_share/claim/exam/ws26/ml/alice", "exam/ws26/ml/alice")


@pytest.mark.parametrize("name", ["exam", "teaching", "research"])
def test_nobody_may_be_called_like_the_folder_of_exams(name: str, tmp_path: Any) -> None:
    """Her home, `exam`, would hold the homes of all exams."""
    path = tmp_path / "courses.yaml"
    path.write_text(f"courses: {{ml: {{image: 'lab:1', students: [{name}]}}}}\n", encoding="utf-8")
    roster = Roster(path, Settings())
    roster.refresh()
    assert roster.memberships(name) == ()


def test_without_a_course_nothing_differs_from_the_settings() -> None:
    settings = Settings.model_validate({"mounts": [{"name": "pool", "root": "/p", "mount_path": "/pool"}]})
    member = Membership("ml", "ws26", "student")
    made = course_mounts(hub_file({"image": "lab:1"}), settings, "alice", (), member)
    assert made == mounts_for(settings, "hub", "alice", ())


def test_volumes_have_names_of_their_own() -> None:
    names = [mount.name for mount in mounts("student").values()]
    assert len(set(names)) == len(names)
    assert all(len(name) <= 63 for name in names)


def test_the_storage_of_courses_may_be_another_than_that_of_homes() -> None:
    hub = hub_file(storage={"root": "/c", "volume": NFS})
    found = mounts("student", hub=hub)
    assert (found["/data"].volume.server, found["/home/jovyan"].volume.kind) == ("10.0.0.5", "pvc")


MINE = (
    Membership("ml", "ws26", "student"),
    Membership("ml", "ws25", "grader"),
    Membership("st", "ws26", "student"),
)


@pytest.mark.parametrize(
    ("options", "made"),
    [
        ({}, MINE[0]),
        ({"profile": "ml"}, MINE[0]),
        ({"profile": "ml", "semester": "ws25"}, MINE[1]),
        ({"profile": "st"}, MINE[2]),
        ({"profile": "st", "semester": "ws25"}, None),
        ({"profile": "other"}, None),
        ({"profile": ["ml"]}, None),
        ({"profile": "", "semester": ""}, MINE[0]),
    ],
)
def test_a_choice_is_one_of_her_own_memberships(options: dict[str, Any], made: Membership | None) -> None:
    assert chosen(MINE, options) == made


def test_a_course_names_network_and_kernelspecs_and_a_role_may_have_others() -> None:
    roles = {"grader": {"kernelspecs": []}}
    hub = hub_file({**COURSE, "network": "none", "kernelspecs": ["exam-pod"], "roles": roles})
    student = entitlements(Settings(), an_identity(), CourseAccess(hub, Membership("ml", "ws26", "student")))
    assert (student.network, student.kernelspecs) == ("none", {"exam-pod"})
    grader = entitlements(Settings(), an_identity(), CourseAccess(hub, Membership("ml", "ws26", "grader")))
    assert (grader.network, grader.kernelspecs) == ("none", set())


def planned(spec: str) -> KernelPlan:
    """Return what policy decides for a student of an exam."""
    hub = hub_file({**COURSE, "network": "none", "kernelspecs": ["exam-pod"]}, mode="exam")
    course_access = CourseAccess(hub, Membership("ml", "ws26", "student"))
    request, kernelspec = KernelRequest(spec=spec), a_spec(spec=spec)
    return decide(KERNEL_ID, request, an_identity(), kernelspec, Settings(), Usage(), course_access)


def test_a_plan_is_of_the_course() -> None:
    plan = planned("exam-pod")
    assert (plan.network, plan.mounts.home.sub_path) == ("none", "exam/ws26/ml/alice")


def test_kernels_run_on_the_nodes_of_the_course_and_a_kernelspec_s_own_come_on_top() -> None:
    course = {**COURSE, "node_selector": {"purpose": "exam", "disk": "a"}, "tolerations": [{"key": "exam"}]}
    course_access = CourseAccess(hub_file(course), Membership("ml", "ws26", "student"))
    made = Settings.model_validate({"runtime": {"kubernetes": {"scheduling": {"nodeSelector": {"zone": "1"}}}}})
    request, spec = KernelRequest(spec="python-pod"), a_spec(node_selector={"disk": "b"})
    plan = decide(KERNEL_ID, request, an_identity(), spec, made, Usage(), course_access)
    assert plan.scheduling == {
        "nodeSelector": {"zone": "1", "purpose": "exam", "disk": "b"},
        "tolerations": [{"key": "exam"}],
    }


def test_a_kernelspec_beside_the_course_is_refused() -> None:
    with pytest.raises(Denied, match=r"is not for your course\. Choose exam-pod"):
        planned("python-pod")


def test_ids_differ_by_role() -> None:
    hub = hub_file({**COURSE, "roles": {"grader": {"gid": 2000, "supplemental_groups": [3000]}}})
    assert role_of(hub, Membership("ml", "ws26", "grader")).gid == 2000
    assert role_of(hub, Membership("ml", "ws26", "student")).gid is None


RICH = {
    "title": "Ünder <b>{{ 7 * 7 }} {% raw %} & co",
    "image": "lab:1",
    "images": {"With R": "lab-r:2", "-": "lab-x:3"},
    "semesters": ["ws26", "ws25"],
    "resources": {
        "guarantee": {"cpu": "500m", "memory": "1Gi"},
        "limit": {"cpu": 2, "memory": "2Gi"},
        "gpus": {"count": 1},
    },
    "sizes": {"Large": {"limit": {"cpu": 4, "memory": "8Gi"}}},
    "node_selector": {"purpose": "teaching"},
    "tolerations": [{"key": "gpu", "operator": "Exists"}],
    "after_start": ["mkdir -p ${HOME}/work", "echo '{done}'"],
}
BOTH = (Membership("ml", "ws26", "student"), Membership("ml", "ws25", "student"))


def test_one_profile_without_options_asks_nothing() -> None:
    assert not asks_something(profiles(hub_file(), BOTH[:1]))
    assert not asks_something([])
    assert asks_something(profiles(hub_file({**COURSE, "semesters": ["ws26", "ws25"]}), BOTH))


def test_a_profile_has_only_the_semesters_a_user_is_in() -> None:
    made = profiles(hub_file(RICH), BOTH[1:])
    assert list(made[0]["profile_options"]) == ["image", "size"]


def kubespawner(monkeypatch: pytest.MonkeyPatch, **options: str) -> Any:
    from jupyterhub.objects import Hub, Server
    from kubespawner import KubeSpawner

    monkeypatch.setattr("kubespawner.spawner.load_config", lambda **_: None)
    monkeypatch.setattr("kubespawner.spawner.shared_client", lambda *_, **__: None)
    user = SimpleNamespace(name="alice", groups=[], url="/u/", escaped_name="alice", id=1, server=None)
    spawner = KubeSpawner(hub=Hub(), user=user, _mock=True)
    spawner.server, spawner.user_options = Server(), options
    spawner.profile_list = lambda _: profiles(hub_file(RICH), BOTH)
    return spawner


@pytest.mark.hub
async def test_kubespawner_makes_the_pod_of_the_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    spawner = kubespawner(monkeypatch, profile="ml", semester="ws25", size="-", image="-")
    await spawner.load_user_options()
    pod = (await spawner.get_pod_manifest()).to_dict()
    server = pod["spec"]["containers"][0]
    assert server["image"] == "lab:1"
    resources = server["resources"]
    assert (resources["requests"]["cpu"], resources["limits"]["cpu"]) == (0.5, 2.0)
    assert (resources["requests"]["memory"], resources["limits"]["memory"]) == (2**30, 2**31)
    assert resources["limits"]["nvidia.com/gpu"] == "1"
    assert pod["spec"]["node_selector"] == {"purpose": "teaching"}
    assert pod["spec"]["tolerations"][0]["key"] == "gpu"
    # The commands are not a template: their braces arrive as they are.
    assert server["lifecycle"]["post_start"]["exec"]["command"][2] == "mkdir -p ${HOME}/work\necho '{done}'"


@pytest.mark.hub
async def test_kubespawner_refuses_what_was_not_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    for options in ({"profile": "other"}, {"profile": "ml", "semester": "ws24"}):
        with pytest.raises((ValueError, KeyError), match=r"other|ws24"):
            await kubespawner(monkeypatch, **options).load_user_options()


@pytest.mark.hub
async def test_titles_are_words_in_the_form_and_never_a_template(monkeypatch: pytest.MonkeyPatch) -> None:
    """KubeSpawner escapes no HTML, and JupyterHub renders its form as a Jinja template once more."""
    from jinja2 import Environment

    spawner = kubespawner(monkeypatch)
    form = await spawner._render_options_form_dynamically(spawner)
    page = Environment(autoescape=True).from_string(form).render()
    assert "Ünder &lt;b&gt;&#123;&#123; 7 * 7 &#125;&#125; &#123;% raw %&#125; &amp; co" in page
    assert "49" not in page.split("</style>")[-1].split("<script>")[0]
