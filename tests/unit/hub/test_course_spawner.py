"""What a hub with courses does: who gets in, what she chooses from, what her server is, and what is refused."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from kernelpod.base.names import safe_slug
from kernelpod.settings.sections import Settings

pytestmark = pytest.mark.hub

COURSES: dict[str, Any] = {
    "semester": "ws26",
    "storage": {"root": "/c", "volume": {"kind": "nfs", "server": "10.0.0.5"}},
    "admins": ["root2"],
    "block": ["mallory"],
    "defaults": {"image": "lab:1"},
    "courses": {
        "ml": {
            "title": "Machine {{Learning}}",
            "semesters": ["ws26", "ws25"],
            "folder": {"path": "folders/{course}", "mount_path": "/srv/course"},
            "exchange": {},
            "node_selector": {"purpose": "ml"},
            "sizes": {"Large": {"guarantee": {"cpu": 1, "memory": "1Gi"}, "limit": {"cpu": 4, "memory": "4Gi"}}},
            "students": ["alice", "mallory"],
            "graders": ["bob"],
            "roles": {"grader": {"resources": {"limit": {"cpu": 2, "memory": "3Gi"}}}},
        },
        "stats": {"students": ["alice", "dora"], "image": "stats:2"},
    },
}
LARGE, SHARED = safe_slug("Large", 40), safe_slug("Shared memory", 40)
COURSES["courses"]["ml"]["sizes"]["Shared memory"] = {"limit": {"cpu": 2, "memory": "4Gi"}, "shm": "2Gi"}
EXAM: dict[str, Any] = {
    "mode": "exam",
    "storage": {"root": "/c"},
    "courses": {
        "ml": {
            "image": "exam:1",
            "network": "none",
            "kernelspecs": ["exam-pod"],
            "exchange": {"personalised": ["inbound", "outbound", "feedback"]},
            "students": ["alice"],
        }
    },
}


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kubespawner.spawner.load_config", lambda **_: None)
    monkeypatch.setattr("kubespawner.spawner.shared_client", lambda *_, **__: None)


class SpawningHub:
    """A hub's configuration with courses, and the spawners it makes."""

    def __init__(self, folder: Path, courses: dict[str, Any], user_ids: str = "", **sections: Any) -> None:
        from traitlets.config import Config

        from kernelpod.hub.config import configure
        from kernelpod.hub.spawners.pod import configure_kubespawner

        self.file = folder / "courses.yaml"
        self.write(courses)
        volume = {"kind": "nfs", "server": "10.0.0.5"}
        hub: dict[str, Any] = {"courses": str(self.file), "courses_nfs": [{"server": "10.0.0.5", "root": "/c"}]}
        if user_ids:
            (folder / "passwd").write_text(user_ids, encoding="utf-8")
            hub["user_ids"] = str(folder / "passwd")
        given = {"hubs": [hub], "homes": {"root": "/h", "volume": volume}, **sections}
        self.config = Config()
        configure(self.config, Settings.model_validate(given))
        configure_kubespawner(self.config, Settings.model_validate(given))

    def write(self, courses: dict[str, Any]) -> None:
        self.file.write_text(yaml.safe_dump(courses), encoding="utf-8")

    def spawner(self, name: str, kind: Any = None, **options: Any) -> Any:
        from jupyterhub.objects import Hub, Server

        from kernelpod.hub.spawners.pod import PodSpawner

        user = SimpleNamespace(name=name, groups=[], url="/u/", escaped_name=name, id=1, server=None)
        how = {} if kind else {"_mock": True}
        made = (kind or PodSpawner)(config=self.config, hub=Hub(), user=user, **how)
        made.orm_spawner = SimpleNamespace(user_options=options, name="", state={}, server=None)
        made.user_options = options
        made.server = Server()
        return made

    async def pod(self, spawner: Any) -> dict[str, Any]:
        await spawner.run_pre_spawn_hook()
        await spawner.load_user_options()
        pod: dict[str, Any] = (await spawner.get_pod_manifest()).to_dict()
        return pod


@pytest.fixture
def hub(tmp_path: Path) -> SpawningHub:
    return SpawningHub(tmp_path, COURSES)


def seen(pod: dict[str, Any]) -> dict[str, str]:
    """Return what the server sees, by place."""
    mounts = pod["spec"]["containers"][0]["volume_mounts"]
    return {
        mount["mountPath"]: f"{mount['name']}/{mount['subPath']} {'ro' if mount.get('readOnly') else 'rw'}"
        for mount in mounts
    }


async def test_a_student_s_server_is_that_of_her_course(hub: SpawningHub) -> None:
    spawner = hub.spawner("alice", profile="ml", semester="ws25", size=LARGE)
    pod = await hub.pod(spawner)
    assert seen(pod) == {
        "/home/jovyan": "homes/alice rw",
        "/srv/course": "courses/folders/ml ro",
        "/srv/exchange/ml/inbound": "courses/exchange/ws25/ml/inbound/alice rw",
        "/srv/exchange/ml/outbound": "courses/exchange/ws25/ml/outbound ro",
        "/srv/exchange/ml/feedback": "courses/exchange/ws25/ml/feedback/alice ro",
    }
    server = pod["spec"]["containers"][0]
    assert (server["image"], server["resources"]["limits"]["cpu"]) == ("lab:1", 4.0)
    assert pod["spec"]["node_selector"] == {"purpose": "ml"}
    assert [volume["name"] for volume in pod["spec"]["volumes"]] == ["homes", "courses"]
    assert pod["spec"]["volumes"][1]["nfs"] == {"server": "10.0.0.5", "path": "/c", "readOnly": False}


async def test_her_server_makes_her_folders_of_the_exchange_and_mounts_only_those(hub: SpawningHub) -> None:
    pod = await hub.pod(hub.spawner("alice", profile="ml"))
    make = pod["spec"]["init_containers"][0]
    assert make["args"][4:] == [
        f"/courses/exchange/ws26/ml/{folder}"
        for folder in ("inbound", "outbound", "feedback", "inbound/alice", "feedback/alice")
    ]
    assert {mount["mountPath"] for mount in make["volumeMounts"]} == {"/homes", "/courses"}
    assert "/courses" not in seen(pod)


async def test_a_size_may_have_shared_memory_and_the_next_one_has_none_of_it(hub: SpawningHub) -> None:
    spawner = hub.spawner("alice", profile="ml", size=SHARED)
    pod = await hub.pod(spawner)
    assert pod["spec"]["volumes"][-1]["emptyDir"] == {"medium": "Memory", "sizeLimit": "2Gi"}
    spawner.user_options = {"profile": "ml", "size": LARGE}
    assert "emptyDir" not in str((await hub.pod(spawner))["spec"]["volumes"])


GIB = 2**30
USUAL: dict[str, Any] = {"profile": "ml"}


@pytest.mark.parametrize(
    ("name", "options", "limits"),
    [
        ("alice", {**USUAL, "size": LARGE}, (4 * GIB, 4)),
        ("alice", {**USUAL, "size": "no such size"}, (GIB, 1)),
        ("alice", {"profile": "stats", "size": LARGE}, (GIB, 1)),
        ("bob", USUAL, (3 * GIB, 2)),
    ],
)
async def test_a_server_on_one_machine_has_the_limits_of_its_course(
    hub: SpawningHub, name: str, options: dict[str, Any], limits: tuple[int, float]
) -> None:
    from kernelpod.hub.spawners.sandbox import SandboxSpawner

    spawner = hub.spawner(name, SandboxSpawner, **options)
    spawner.mem_limit, spawner.cpu_limit = "512M", 0.5
    await spawner.run_pre_spawn_hook()
    spawner._take_limits()
    assert (spawner.mem_limit, spawner.cpu_limit) == limits
    spawner.course_access = None
    spawner._take_limits()
    assert (spawner.mem_limit, spawner.cpu_limit) == (512 * 2**20, 0.5)


async def test_what_the_hub_keeps_is_what_the_wish_came_to(hub: SpawningHub) -> None:
    """The gateway reads it in the hub's answer, so that kernels are of the same course."""
    spawner = hub.spawner("alice", profile="ml", size="huge", image=["x"], other="y")
    await spawner.run_pre_spawn_hook()
    assert spawner.user_options == spawner.orm_spawner.user_options == {"profile": "ml", "semester": "ws26"}
    spawner = hub.spawner("alice", profile="ml", size=LARGE)
    await spawner.run_pre_spawn_hook()
    assert spawner.user_options == {"profile": "ml", "semester": "ws26", "size": LARGE}


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("alice", {"profile": "other"}, "yours are: ml ws26, ml ws25, stats ws26"),
        ("alice", {"profile": "stats", "semester": "ws25"}, "yours are: ml ws26"),
        ("alice", {"profile": {"a": 1}}, "yours are: ml ws26"),
        ("mallory", {"profile": "ml"}, "You are in no course of this hub"),
        ("nobody", {}, "You are in no course of this hub"),
        ("Alice", {}, "You are in no course of this hub"),
    ],
)
async def test_a_course_that_is_not_hers_is_refused(
    hub: SpawningHub, name: str, options: dict[str, Any], said: str
) -> None:
    from kernelpod.hub.spawners.base import NotSpawnedError

    spawner = hub.spawner(name, **options)
    with pytest.raises(NotSpawnedError) as error:
        await spawner.run_pre_spawn_hook()
    assert said in error.value.jupyterhub_message
    assert error.value.status_code == 403, "the hub would count it as a failure of its own"
    with pytest.raises(NotSpawnedError):
        await spawner.get_pod_manifest()


async def test_a_choice_of_last_term_does_not_keep_her_out_where_there_is_nothing_to_choose(
    hub: SpawningHub,
) -> None:
    spawner = hub.spawner("dora", profile="ml", semester="ss24")
    await spawner.run_pre_spawn_hook()
    assert spawner.user_options == {"profile": "stats", "semester": "ws26"}


async def test_the_form_shows_her_courses_only_and_runs_no_words_of_a_title(hub: SpawningHub) -> None:
    form = await hub.spawner("alice").get_options_form()
    assert "Machine &#123;&#123;Learning&#125;&#125;" in form
    assert 'value="stats"' in form
    assert "profile-option-ml--semester" in form
    assert 'value="stats"' not in await hub.spawner("bob").get_options_form()


@pytest.mark.parametrize("name", ["dora", "mallory", "nobody"])
async def test_where_there_is_nothing_to_choose_nothing_is_asked(hub: SpawningHub, name: str) -> None:
    assert await hub.spawner(name).get_options_form() == ""


async def test_an_admin_sees_the_form_and_gets_the_server_of_the_user_she_spawns_for(hub: SpawningHub) -> None:
    """The hub gives the spawner of that user, whoever asks."""
    assert await hub.spawner("dora").get_options_form() == ""
    assert "stats" in await hub.spawner("root2").get_options_form()


async def test_a_course_that_was_added_is_there_at_the_next_spawn(
    hub: SpawningHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kernelpod.courses.resolver.FRESH_SECONDS", 0)
    spawner = hub.spawner("dora")
    await spawner.run_pre_spawn_hook()
    hub.write({**COURSES, "courses": {"new": {"students": ["dora"]}}})
    spawner = hub.spawner("dora")
    await spawner.run_pre_spawn_hook()
    assert spawner.course_access.membership.course == "new"


async def test_a_retry_for_another_course_keeps_nothing_of_the_first(hub: SpawningHub) -> None:
    """JupyterHub keeps a spawner whose start failed, and KubeSpawner merges mappings into it."""
    spawner = hub.spawner("alice", profile="ml", size=LARGE)
    await hub.pod(spawner)
    spawner.user_options = {"profile": "stats"}
    pod = await hub.pod(spawner)
    assert pod["spec"]["node_selector"] in (None, {})
    server = pod["spec"]["containers"][0]
    assert (server["image"], server["resources"]["limits"]["cpu"]) == ("stats:2", 1.0)
    assert set(seen(pod)) == {"/home/jovyan"}


async def test_a_grader_has_her_role_s_size_and_the_whole_exchange(hub: SpawningHub) -> None:
    pod = await hub.pod(hub.spawner("bob"))
    assert seen(pod)["/srv/exchange/ml"] == "courses/exchange/ws26/ml rw"
    assert seen(pod)["/srv/course"] == "courses/folders/ml rw"
    assert pod["spec"]["containers"][0]["resources"]["limits"]["cpu"] == 2.0


async def test_nbgrader_is_told_of_the_exchange(hub: SpawningHub) -> None:
    told = {}
    for name in ("alice", "dora"):
        spawner = hub.spawner(name)
        await spawner.run_pre_spawn_hook()
        told[name] = {key: value for key, value in spawner.get_env().items() if "EXCHANGE" in key}
    assert told["alice"] == {
        "KERNELPOD_EXCHANGE": "/srv/exchange/ml",
        "KERNELPOD_EXCHANGE_PERSONALISED": "inbound feedback",
        "KERNELPOD_EXCHANGE_CLOSES_AT": "",
    }
    assert told["dora"] == {}


async def test_the_admin_s_own_hook_runs_and_one_that_raises_ends_the_start(hub: SpawningHub) -> None:
    called = []
    spawner = hub.spawner("dora")
    spawner.pre_spawn_hook = lambda one: called.append(one.course_access.membership.course)
    await spawner.run_pre_spawn_hook()
    assert called == ["stats"]
    spawner.pre_spawn_hook = lambda _: 1 / 0
    with pytest.raises(ZeroDivisionError):
        await spawner.run_pre_spawn_hook()


async def test_who_has_no_user_id_is_refused_before_anything_of_the_server_is_made(tmp_path: Path) -> None:
    """Its claim, for instance."""
    from kernelpod.hub.spawners.base import NotSpawnedError

    hub = SpawningHub(tmp_path, COURSES, user_ids="bob:x:1001:1001::/home/bob:/bin/sh\n")
    with pytest.raises(NotSpawnedError, match="no user id of your own"):
        await hub.spawner("alice", profile="ml").run_pre_spawn_hook()
    await hub.spawner("bob", profile="ml").run_pre_spawn_hook()


async def test_an_exam_has_its_own_home_no_terminals_and_no_configuration_of_the_user(tmp_path: Path) -> None:
    hub = SpawningHub(tmp_path, EXAM)
    spawner = hub.spawner("alice")
    pod = await hub.pod(spawner)
    assert seen(pod)["/home/jovyan"] == "homes/exam/current/ml/alice rw"
    assert spawner.get_env()["KERNEL_PATH"] == "/h/exam/current/ml/alice"
    assert spawner.disable_user_config is True
    assert "--ServerApp.terminals_enabled=False" in spawner.get_args()


async def test_a_teaching_server_keeps_its_terminals(hub: SpawningHub) -> None:
    spawner = hub.spawner("dora")
    await spawner.run_pre_spawn_hook()
    assert "--ServerApp.terminals_enabled=False" not in spawner.get_args()
    assert spawner.disable_user_config is False


async def test_a_spawner_that_knows_no_courses_gets_no_home_on_a_hub_with_courses(hub: SpawningHub) -> None:
    from kernelpod.errors import SettingsError
    from kernelpod.hub.config import server_entitlements

    known = hub.config.KernelpodSpawner
    other = SimpleNamespace(user=SimpleNamespace(name="alice", groups=[]))
    with pytest.raises(SettingsError, match="does not support courses"):
        server_entitlements(known.settings, known.of_hub, other)


def authenticator(hub: SpawningHub, kind: Any = "dummy", **traits: Any) -> Any:
    from kernelpod.hub.config import use_course_allow_list

    hub.config.JupyterHub.authenticator_class = kind
    hub.config.Authenticator.update(traits)
    use_course_allow_list(hub.config)
    return hub.config.JupyterHub.authenticator_class(config=hub.config)


@pytest.mark.parametrize(
    ("name", "admin"),
    [("alice", False), ("bob", False), ("root2", True), ("mallory", None), ("nobody", None), ("admin", None)],
)
async def test_the_lists_say_who_may_log_in_even_where_all_are_allowed(
    hub: SpawningHub, name: str, admin: bool | None
) -> None:
    made = authenticator(hub, allow_all=True, allowed_users={"nobody"})
    found = await made.get_authenticated_user(None, {"username": name, "password": "x"})
    assert (None if found is None else found["admin"]) == admin


async def test_who_the_hub_blocks_stays_blocked(hub: SpawningHub) -> None:
    made = authenticator(hub, blocked_users={"alice"})
    assert await made.get_authenticated_user(None, {"username": "alice", "password": "x"}) is None


async def test_lists_that_were_never_read_let_nobody_in(tmp_path: Path) -> None:
    hub = SpawningHub(tmp_path, COURSES)
    hub.file.write_text("courses: [", encoding="utf-8")
    made = authenticator(hub, allow_all=True)
    assert await made.get_authenticated_user(None, {"username": "alice", "password": "x"}) is None


def test_an_authenticator_that_there_is_not_ends_the_hub_s_start(hub: SpawningHub) -> None:
    from traitlets import TraitError

    with pytest.raises((TraitError, ImportError)):
        authenticator(hub, "no.such.Authenticator")


def test_without_courses_the_authenticator_is_left_alone() -> None:
    from traitlets.config import Config

    from kernelpod.hub.config import configure, use_course_allow_list

    config = Config()
    configure(config, Settings())
    config.JupyterHub.authenticator_class = "dummy"
    use_course_allow_list(config)
    assert config.JupyterHub.authenticator_class == "dummy"


def test_servers_of_several_hubs_name_theirs_to_the_gateway(tmp_path: Path) -> None:
    from traitlets.config import Config

    from kernelpod.errors import SettingsError
    from kernelpod.hub.config import configure

    settings = Settings.model_validate(
        {"hubs": [{"name": "teaching"}, {"name": "exam"}], "homes": {"shared_homes": True}}
    )
    config = Config()
    configure(config, settings, "exam")
    environment = config.Spawner.environment.get_value({})
    assert environment["JUPYTER_GATEWAY_URL"] == "http://127.0.0.1:8888/hubs/exam"
    assert environment["JUPYTER_GATEWAY_WS_URL"] == "ws://127.0.0.1:8888/hubs/exam"
    with pytest.raises(SettingsError, match="name one of teaching, exam"):
        configure(Config(), settings)
