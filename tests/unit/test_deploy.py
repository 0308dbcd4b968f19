"""Deployments: what the file may say, what is made of it, and what is asked of kubectl, helm and microk8s."""

from __future__ import annotations

import base64
import contextlib
import json
import re
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from kernelpod.base.missingtools import ToolsMissing
from kernelpod.deploy import install, microk8s, operations, overlay, rendered, z2jh
from kernelpod.deploy.cluster import Cluster, ClusterError, find_cluster, run
from kernelpod.deploy.progress import Progress
from kernelpod.deploy.settings import SMOKE_USER, Deployment, load_deployment
from kernelpod.deploy.state import public_url
from kernelpod.errors import SettingsError
from kernelpod.settings.sections import Settings

LEAST: dict[str, Any] = {"nfs": {"server": "10.0.0.5"}, "hub": {"users": ["alice"]}}


TOKENS = ["cookie_secret", "proxy_token", "crypt_key", "service_token"]


def deployment(**changes: Any) -> Deployment:
    return Deployment.model_validate({**LEAST, **changes})


def written(tmp_path: Path, data: Any) -> Path:
    file = tmp_path / "deploy.yaml"
    file.write_text(data if isinstance(data, str) else yaml.safe_dump(data), encoding="utf-8")
    return file


class Answers:
    """Stands in for the tools: answers by the beginning of the words, and keeps what was asked."""

    def __init__(self, **answers: Any) -> None:
        self.answers = {key.replace("_", " "): value for key, value in answers.items()}
        self.asked: list[list[str]] = []
        self.given: list[str | None] = []

    def __call__(self, command: list[str], given: str | None, seconds: float) -> subprocess.CompletedProcess[str]:
        self.asked.append(command)
        self.given.append(given)
        text = " ".join(command)
        for beginning, answer in self.answers.items():
            if text.startswith(beginning):
                said = answer if isinstance(answer, str) else json.dumps(answer)
                return subprocess.CompletedProcess(command, 0, said, "")
        return subprocess.CompletedProcess(command, 0, "", "")

    def cluster(self, *, on_microk8s: bool = False) -> Cluster:
        first = ("microk8s",) if on_microk8s else ()
        return Cluster((*first, "kubectl"), (*first, "helm3") if first else ("helm",), on_microk8s, self)


# --- the file


def test_the_address_of_the_nfs_server_and_the_users_are_enough(tmp_path: Path) -> None:
    made = load_deployment(written(tmp_path, LEAST))
    assert (made.namespaces.gateway, made.namespaces.kernels, made.namespaces.hub) == ("gateway", "kernels", "hub")
    assert (made.hub.install, made.homes) == ("manifests", "pvc")


def test_the_example_can_be_used() -> None:
    load_deployment(Path(__file__).parents[2] / "deploy.example.yaml")


def test_settings_that_are_wrong_are_named_beside_what_else_is(tmp_path: Path) -> None:
    data = {**LEAST, "homess": "pvc", "settings": {"homes": {"roots": "/x"}, "hubs": "none"}}
    with pytest.raises(SettingsError) as error:
        load_deployment(written(tmp_path, data))
    assert all(said in error.value.message for said in ("homess", "settings.homes.roots", "settings.hubs"))


def test_the_settings_of_the_gateway_have_a_type() -> None:
    made = deployment(settings={"hubs": [{"name": "teaching"}], "homes": {"volume": {"claim": "files"}}})
    assert (made.hub_name, made.gateway.homes.volume.claim) == ("teaching", "files")
    (volume,) = rendered.deleting_pod(made)["spec"]["volumes"]
    assert volume["persistentVolumeClaim"] == {"claimName": "files"}


WRONG: list[tuple[Any, str]] = [
    ({**LEAST, "homess": "pvc"}, "homess"),
    ({**LEAST, "nfs": {}}, "nfs.server"),
    ({**LEAST, "namespaces": {"hub": "gateway"}}, "a namespace each"),
    ({"nfs": {"server": "a"}}, "hub.users: name who may log in"),
    ({**LEAST, "settings": {"homes": {"roots": "/x"}}}, "settings.homes.roots"),
    ({**LEAST, "hub": {"users": ["a"], "database": {"nfs": "/a", "host_path": "/b"}}}, "not both"),
    ("- a list", "must hold a mapping"),
    ("a: [", "is not YAML"),
    ("a: " + "[" * 20_000, "is not YAML"),
]


@pytest.mark.parametrize(("data", "said"), WRONG, ids=[said for _, said in WRONG])
def test_a_wrong_file_is_refused_with_the_key(tmp_path: Path, data: Any, said: str) -> None:
    with pytest.raises(SettingsError) as error:
        load_deployment(written(tmp_path, data))
    assert said in error.value.message
    assert str(tmp_path) in error.value.message


def test_a_missing_file_names_the_example(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"deploy\.example\.yaml"):
        load_deployment(tmp_path / "none.yaml")


# --- what is made of it


def test_the_charts_values_say_where_homes_are_and_who_is_denied() -> None:
    values = rendered.chart_values(deployment(), ["10.0.0.1/32"])
    assert values["homes"]["persistentVolume"] == {
        "create": True,
        "server": "10.0.0.5",
        "path": "/home/nfs_share/claim",
    }
    assert values["networkPolicy"] == {"deny": ["10.0.0.1/32"]}
    assert values["hub"] == {"namespace": "hub", "existingSecret": "kernelpod-hub"}


def test_inline_nfs_homes_need_no_volume() -> None:
    values = rendered.chart_values(deployment(homes="nfs"), [])
    assert "homes" not in values
    assert values["settings"]["homes"]["volume"] == {"kind": "nfs", "server": "10.0.0.5"}


def test_dynamic_homes_are_claims_that_the_hub_may_make() -> None:
    made = deployment(homes="dynamic")
    volume = {"kind": "dynamic", "server": "10.0.0.5", "claim": "claim-{username}", "namespace": "hub"}
    assert rendered.chart_values(made, [])["settings"]["homes"]["volume"] == volume
    claims = {"apiGroups": [""], "resources": ["persistentvolumeclaims"], "verbs": ["create", "get"]}
    dynamic, plain = (
        yaml.safe_load(overlay.hub_overlay(of.hubs()[0], "", [])["kustomization.yaml"])["patches"]
        for of in (made, deployment())
    )
    assert claims in [json.loads(one["patch"])[0]["value"] for one in dynamic if "target" in one]
    assert claims not in [json.loads(one["patch"])[0]["value"] for one in plain if "target" in one]


def test_no_homes_need_no_volume() -> None:
    values = rendered.chart_values(deployment(homes="none"), [])
    assert "homes" not in values
    assert values["settings"]["homes"]["volume"] == {"kind": "none"}


def test_the_volumes_of_users_outlive_their_claims() -> None:
    claims = {"items": [{"spec": {"volumeName": "pv-alice"}}, {"spec": {}}]}
    answers = Answers(kubectl_get_persistentvolumeclaims=claims)
    operations._keep_claimed(answers.cluster(), ["hub"])
    (patch,) = [command for command in answers.asked if "patch" in command]
    assert patch[1:4] == ["patch", "persistentvolume", "pv-alice"]
    assert json.loads(patch[-1]) == {"spec": {"persistentVolumeReclaimPolicy": "Retain"}}


def test_settings_and_values_of_the_file_have_the_last_word() -> None:
    made = deployment(
        settings={"homes": {"mount_path": "/h"}}, values={"networkPolicy": {"metricsFrom": [{"podSelector": {}}]}}
    )
    values = rendered.chart_values(made, ["10.0.0.1/32"])
    assert values["settings"]["homes"]["mount_path"] == "/h"
    assert values["settings"]["homes"]["root"] == "/home/nfs_share/claim"
    assert values["networkPolicy"]["deny"] == ["10.0.0.1/32"]


def test_nobody_gets_into_the_hub_who_is_not_named() -> None:
    config = overlay.hub_config(deployment(hub={"users": ["alice"], "admin_users": ["carol"]}))
    assert config["Authenticator"] == {
        "allowed_users": ["alice", "carol", SMOKE_USER],
        "admin_users": ["carol"],
    }
    config = overlay.hub_config(deployment(hub={"authenticator": "pam"}))
    assert config["Authenticator"]["allowed_users"] == []


def test_everybody_with_one_password_is_refused() -> None:
    with pytest.raises(SettingsError, match="allow_all"):
        overlay.hub_config(deployment(hub={"users": ["a"], "config": {"Authenticator": {"allow_all": True}}}))


def test_files_outlive_the_volumes_of_the_hub() -> None:
    made = deployment(hub={"users": ["a"], "database": {"nfs": "/db"}})
    objects = rendered.hub_storage(made, Settings())
    volumes = [one["spec"] for one in objects if one["kind"] == "PersistentVolume"]
    assert [volume["persistentVolumeReclaimPolicy"] for volume in volumes] == ["Retain", "Retain"]
    assert [volume["claimRef"] for volume in volumes] == [
        {"namespace": "hub", "name": "hub"},
        {"namespace": "hub", "name": "homes"},
    ]
    assert rendered.volume_names(made) == ["hub-homes", "hub-database"]


def test_the_configuration_of_the_hub_restarts_it() -> None:
    first, second = (
        yaml.safe_load(
            overlay.hub_overlay(deployment(hub={"users": users}).hubs()[0], "", [])["kustomization.yaml"]
        )
        for users in (["alice"], ["alice", "bob"])
    )
    assert first["patches"][0] != second["patches"][0]
    assert first["patches"][1:] == second["patches"][1:]


def courses_deployment(**changes: Any) -> Deployment:
    """Return a deployment of a teaching hub and an exam hub."""
    nfs = {"server": "10.0.0.5", "courses": "/courses", "courses_files": "/courses-files"}
    hubs = {
        "hub": {"courses": "teaching.yaml"},
        "more_hubs": {
            "exam": {"courses": "exam.yaml", "internet": False, "courses_may_mount": ["secret/licence-*"]}
        },
    }
    return deployment(nfs=nfs, **{**hubs, **changes})


def test_the_chart_is_told_both_hubs_and_where_their_courses_are() -> None:
    values = rendered.chart_values(courses_deployment(settings={"hubs": [{"name": "teaching"}]}), [])
    assert values["settings"]["hubs"] == [{"courses": "/etc/kernelpod-courses/teaching.yaml", "name": "teaching"}]
    assert values["extraHubs"] == [
        {
            "name": "exam",
            "namespace": "exam",
            "existingSecret": "kernelpod-hub-exam",
            "settings": {
                "courses": "/etc/kernelpod-courses/exam.yaml",
                "courses_may_mount": ["secret/licence-*"],
            },
        }
    ]
    assert values["extraVolumes"][0]["persistentVolumeClaim"]["claimName"] == "courses-files"


def test_the_claims_of_courses_are_where_they_are_mounted_and_are_removed_with_the_rest() -> None:
    made = courses_deployment()
    objects = [*rendered.gateway_storage(made), *rendered.kernels_storage(made)]
    objects += [one for hub in made.hubs() for one in rendered.hub_storage(hub.deployment, Settings())]
    claims = {
        (one["metadata"]["namespace"], one["metadata"]["name"])
        for one in objects
        if one["kind"] == "PersistentVolumeClaim"
    }
    assert {
        ("gateway", "courses-files"),
        ("kernels", "courses"),
        ("exam", "courses"),
        ("exam", "courses-files"),
    } <= claims
    volumes = {one["metadata"]["name"] for one in objects if one["kind"] == "PersistentVolume"}
    assert volumes <= set(rendered.volume_names(made))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"more_hubs": {"hub": {"users": ["a"]}}}, "every hub needs a name of its own"),
        ({"more_hubs": {"kernels": {"users": ["a"]}}}, "which is no other namespace"),
        ({"more_hubs": {"exam": {}}}, "more_hubs.exam.users: name who may log in"),
        ({"more_hubs": {"exam": {"install": "z2jh", "users": ["a"]}}}, "manifests"),
        ({"hub": {"courses": "a.yaml"}}, "name the exported folders nfs.courses and nfs.courses_files"),
        ({"hub": {"courses": "../a.yaml"}}, "hub.courses"),
    ],
)
def test_hubs_that_do_not_fit_are_refused(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(said)):
        load_deployment(written(tmp_path, {**LEAST, **changes}))


def test_a_dry_run_shows_no_secret() -> None:
    objects = [rendered.namespace("hub", "baseline"), {"kind": "Secret", "data": {"config.yaml": "c2VjcmV0"}}]
    shown = list(yaml.safe_load_all(rendered.without_secrets(yaml.safe_dump_all(objects))))
    assert shown == [objects[0], {"kind": "Secret", "data": {"config.yaml": "(not shown)"}}]


# --- what is asked of the tools


def test_a_tool_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: "/bin/kubectl" if name == "kubectl" else None)
    with pytest.raises(ToolsMissing, match="helm is not on PATH"):
        find_cluster(deployment())


def test_microk8s_is_used_where_there_is_no_kubectl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: "/snap/bin/microk8s" if name == "microk8s" else None)
    found = find_cluster(deployment())
    assert (found.kubectl_words, found.helm_words, found.microk8s) == (
        ("microk8s", "kubectl"),
        ("microk8s", "helm3"),
        True,
    )


def test_the_context_goes_with_every_question(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: f"/bin/{name}")
    tools = Answers()
    found = find_cluster(deployment(context="there"), tools)
    found.kubectl("version")
    found.helm("list")
    assert tools.asked == [
        ["kubectl", "--context", "there", "version"],
        ["helm", "--kube-context", "there", "list"],
    ]


def test_a_command_that_hangs_is_an_error() -> None:
    with pytest.raises(ClusterError, match="did not end within"):
        run(["sleep", "20"], None, 0.1)


def test_the_addresses_of_nfs_server_nodes_and_api_servers_are_denied() -> None:
    node = {
        "status": {
            "addresses": [{"type": "InternalIP", "address": "10.1.1.1"}, {"type": "Hostname", "address": "n"}]
        }
    }
    tools = Answers(
        kubectl_get_nodes={"items": [node, node]},
        kubectl_get_endpointslices={"items": [{"endpoints": [{"addresses": ["10.1.1.1", "fd00::1"]}]}]},
    )
    denied = ["10.1.1.1/32", "fd00::1/128"]
    assert install.denied_addresses(tools.cluster(), "nfs.example.org") == denied
    assert install.denied_addresses(tools.cluster(), "203.0.113.7") == ["203.0.113.7/32", *denied]


def test_tokens_that_exist_are_never_made_anew() -> None:
    tools = Answers(kubectl_get_secret={"data": dict.fromkeys([*TOKENS, "token"], "")})
    install.make_secrets(tools.cluster(), deployment().hubs()[0])
    assert {words[1] for words in tools.asked} == {"get"}


def test_a_new_hub_gets_all_of_its_tokens() -> None:
    tools = Answers()
    install.make_secrets(tools.cluster(), deployment().hubs()[0])
    made, copy = [yaml.safe_load(str(given)) for given in tools.given if given]
    assert (made["kind"], made["metadata"]["name"]) == ("Secret", "hub")
    assert copy["metadata"] | {"labels": None} == {"name": "kernelpod-hub", "namespace": "gateway", "labels": None}
    assert copy["stringData"] == {"token": made["stringData"]["service_token"]}
    assert list(made["stringData"]) == [*TOKENS, "trial_password"]
    values = [made["stringData"][name] for name in TOKENS]
    assert len(set(values)) == len(TOKENS)
    assert all(re.fullmatch("[0-9a-f]{64}", value) for value in values)


def test_the_gateways_copy_of_a_token_follows_a_hub_that_was_made_anew() -> None:
    old = {"data": {"token": base64.b64encode(b"of the former hub").decode()}}
    tools = Answers(**{"kubectl get secret kernelpod-hub-exam": old})
    install.make_secrets(tools.cluster(), courses_deployment().hubs()[1])
    made, copy = [yaml.safe_load(str(given)) for given in tools.given if given]
    assert made["metadata"]["namespace"] == "exam"
    assert copy["metadata"]["name"] == "kernelpod-hub-exam"
    assert [words[1] for words in tools.asked if "get" not in words] == ["create", "replace"]
    assert copy["stringData"] == {"token": made["stringData"]["service_token"]}


def test_a_hub_of_before_gets_a_crypt_key_and_nothing_else_changes() -> None:
    data = dict.fromkeys(["cookie_secret", "proxy_token", "service_token", "token"], "b2xk")
    tools = Answers(kubectl_get_secret={"metadata": {"resourceVersion": "17"}, "data": data})
    install.make_secrets(tools.cluster(), deployment().hubs()[0])
    (words,) = [words for words in tools.asked if "get" not in words]
    assert words[:4] == ["kubectl", "patch", "secret", "hub"]
    (given,) = [json.loads(given) for given in tools.given if given]
    assert given["metadata"] == {"resourceVersion": "17"}
    assert list(given["stringData"]) == ["crypt_key"]
    assert re.fullmatch("[0-9a-f]{64}", given["stringData"]["crypt_key"])


def test_a_secret_of_another_kind_of_hub_is_not_taken_for_its_tokens() -> None:
    tools = Answers(kubectl_get_secret_hub={"data": {"hub.services.kernelpod.apiToken": ""}})
    with pytest.raises(ClusterError, match="has no service_token"):
        install.make_secrets(tools.cluster(), deployment().hubs()[0])
    assert {words[1] for words in tools.asked} == {"get"}


def test_a_hub_that_is_there_already_needs_its_token() -> None:
    with pytest.raises(ClusterError, match="create secret generic kernelpod-hub"):
        install.make_secrets(Answers().cluster(), deployment(hub={"install": "none"}).hubs()[0])


ADDRESSES: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"url": "https://hub.example.org/"}, {}, "https://hub.example.org"),
    ({}, {"type": "NodePort", "ports": [{"name": "http", "nodePort": 30080}]}, "http://10.1.1.1:30080"),
    ({}, {"type": "ClusterIP", "clusterIP": "fd00::5", "ports": [{"name": "http"}]}, "http://[fd00::5]"),
    ({}, {"type": "NodePort", "ports": [{"name": "https", "nodePort": 30443}]}, "https://10.1.1.1:30443"),
    (
        {},
        {"type": "ClusterIP", "clusterIP": "10.9.0.1", "ports": [{"name": "http"}, {"name": "https"}]},
        "https://10.9.0.1",
    ),
]


@pytest.mark.parametrize(("hub", "spec", "url"), ADDRESSES)
def test_the_url_is_the_one_people_reach(hub: dict[str, Any], spec: dict[str, Any], url: str) -> None:
    node = {"status": {"addresses": [{"type": "InternalIP", "address": "10.1.1.1"}]}}
    tools = Answers(kubectl_get_service={"spec": spec}, kubectl_get_nodes={"items": [node]})
    assert public_url(tools.cluster(), deployment(hub={"users": ["a"], **hub})) == url


def test_a_load_balancer_without_an_address_is_explained() -> None:
    tools = Answers(kubectl_get_service={"spec": {"type": "LoadBalancer", "ports": [{"name": "http"}]}})
    with pytest.raises(ClusterError, match="metallb"):
        public_url(tools.cluster(), deployment())


def test_there_is_nothing_to_roll_back_to_after_one_deployment() -> None:
    with pytest.raises(ClusterError, match="nothing to go back to"):
        operations.rollback(Answers().cluster(), deployment(), Progress(print))


# --- microk8s


@pytest.fixture
def nfs_common(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: f"/sbin/{name}")


def status(*enabled: str) -> str:
    names = ("dns", "rbac", "metallb", "hostpath-storage")
    listed = [{"name": name, "status": "enabled" if name in enabled else "disabled"} for name in names]
    return yaml.safe_dump({"microk8s": {"running": True}, "addons": listed})


@pytest.mark.usefixtures("nfs_common")
def test_microk8s_is_asked_for_the_addons_that_are_off() -> None:
    tools = Answers(microk8s_status=status("dns"))
    found = microk8s.missing(tools.cluster(on_microk8s=True), deployment())
    assert found == ["rbac", "hostpath-storage"]
    microk8s.enable(tools.cluster(on_microk8s=True), found, Progress(print))
    assert tools.asked[1:] == [["microk8s", "enable", "rbac"], ["microk8s", "enable", "hostpath-storage"]]


@pytest.mark.usefixtures("nfs_common")
def test_a_load_balancer_on_microk8s_needs_a_range() -> None:
    tools = Answers(microk8s_status=status("dns", "rbac"))
    hub = {"users": ["a"], "service": "LoadBalancer", "database": {"host_path": "/srv/hub"}}
    with pytest.raises(SettingsError, match=r"microk8s\.metallb"):
        microk8s.missing(tools.cluster(on_microk8s=True), deployment(hub=hub))
    given = deployment(hub=hub, microk8s={"metallb": "10.0.0.9-10.0.0.19"})
    assert microk8s.missing(tools.cluster(on_microk8s=True), given) == ["metallb:10.0.0.9-10.0.0.19"]


def test_a_node_that_cannot_mount_nfs_is_told_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    with pytest.raises(ClusterError, match="apt-get install nfs-common"):
        microk8s.missing(Answers().cluster(on_microk8s=True), deployment())


def test_another_cluster_is_not_asked_for_addons() -> None:
    assert microk8s.missing(Answers().cluster(), deployment()) == []


# --- Zero to JupyterHub


def test_the_values_for_zero_to_jupyterhub_name_the_users_and_the_image() -> None:
    made = deployment(
        hub={"install": "z2jh", "users": ["alice"], "z2jh": {"values": {"cull": {"enabled": False}}}}
    )
    settings = {
        "servers": {"gateway_url": "http://kernelpod.gateway:8888"},
        "runtime": {"kubernetes": {"home_check_image": "gateway:1"}},
    }
    values = z2jh.values(made, Settings.model_validate(settings), "secret")
    assert values["hub"]["config"]["Authenticator"]["allowed_users"] == ["alice", SMOKE_USER]
    assert values["hub"]["config"]["DummyAuthenticator"] == {"password": "secret"}
    assert values["hub"]["config"]["KubeSpawner"]["gid"] == 100
    assert "image" not in values["hub"]["config"]["KubeSpawner"]
    assert values["singleuser"]["image"]["name"] == "ghcr.io/kernelpod/singleuser"
    assert values["proxy"] == {"service": {"type": "NodePort"}}
    assert values["cull"] == {"enabled": False}


def test_the_chart_of_the_hub_is_installed_and_its_token_handed_on() -> None:
    made = deployment(hub={"install": "z2jh", "users": ["alice"]})
    token = base64.b64encode(b"of the chart").decode()
    tools = Answers(kubectl_get_secret_hub={"data": {"hub.services.kernelpod.apiToken": token}})
    settings = Settings.model_validate(
        {
            "servers": {"gateway_url": "http://kernelpod.gateway:8888"},
            "runtime": {"kubernetes": {"home_check_image": "gateway:1"}},
        }
    )
    z2jh.install(tools.cluster(), made.hubs()[0], settings)
    (helm,) = [words for words in tools.asked if words[0] == "helm"]
    assert helm[1:8] == [
        "upgrade",
        "--install",
        "hub",
        "jupyterhub",
        "--repo",
        "https://hub.jupyter.org/helm-chart/",
        "--version",
    ]
    applied = [yaml.safe_load(text) for text in tools.given[-1:] if text]
    assert [(one["metadata"]["namespace"], one["stringData"]) for one in applied] == [
        ("gateway", {"token": "of the chart"})
    ]


# --- the smoke test


def test_a_user_who_has_a_server_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("websocket")
    from kernelpod.deploy import smoke

    asked: list[str] = []

    class Busy(smoke.Browser):
        def login(self, _password: str) -> None:
            asked.append("login")

        def hub(self, method: str, path: str, *_: Any, **__: Any) -> Any:
            asked.append(f"{method} {path}")
            return SimpleNamespace(json=lambda: {"servers": {"": {"ready": True}}})

    monkeypatch.setattr(smoke, "Browser", Busy)
    monkeypatch.setattr(smoke, "hub_answers", lambda _: True)
    made = deployment(hub={"users": ["alice"], "url": "http://hub"}, smoke={"user": "alice"})
    tools = Answers(kubectl_get_secret={"data": {"trial_password": "eA=="}})
    with pytest.raises(smoke.SmokeError, match=r"name somebody else in smoke\.user"):
        smoke.smoke(tools.cluster(), made, lambda _: contextlib.nullcontext())
    assert asked == ["login", "GET /users/alice"]


@pytest.mark.parametrize(
    ("reached", "allowed", "refused"),
    [("[]", False, ""), ('["the NFS server"]', False, "a kernel reaches the NFS server"), ('["x"]', True, "")],
)
def test_a_network_that_enforces_nothing_is_not_accepted(reached: str, allowed: bool, refused: str) -> None:
    pytest.importorskip("websocket")
    from kernelpod.deploy.smoke import SmokeError, network_is_closed

    services = {"items": [{"metadata": {"name": "kernelpod"}}]}
    tools = Answers(
        kubectl_get_services=services,
        kubectl_get_service={"spec": {"clusterIP": "10.96.0.1"}},
    )
    kernel = SimpleNamespace(run=lambda code: str(compile(code, "cell", "exec") and reached))
    made = deployment(allow_unenforced_network=allowed)
    if refused:
        with pytest.raises(SmokeError, match=refused):
            network_is_closed(tools.cluster(), made, kernel)
    else:
        network_is_closed(tools.cluster(), made, kernel)
