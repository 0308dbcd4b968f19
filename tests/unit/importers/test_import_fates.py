"""Every value of a source has a fate, and nothing widens rights or moves homes without a question."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from old_hubs import OPEN, asked, fates, made_of, new, run, storage, unsaid

from kernelpod.base.chartkeys import KEYS
from kernelpod.importers.hub.chartkeys import RENAMED
from kernelpod.importers.report import QUESTIONS

NFS = "{name: d, nfs: {server: nfs.example, path: /export/data}}"


def mounted(volume: str, mount: str = "") -> str:
    return storage(
        f"type: none, extraVolumes: [{volume}], extraVolumeMounts: [{{name: d, mountPath: /data{mount}}}]"
    )


MOUNTS = [
    (mounted(NFS), {"root": "/export/data", "read_only": False}),
    (mounted(NFS, ", readOnly: true"), {"root": "/export/data", "read_only": True}),
    (mounted(NFS.replace("data}", "data, readOnly: true}")), {"root": "/export/data", "read_only": True}),
    (mounted(NFS, ", subPath: a"), {"root": "/export/data", "path_template": "a", "read_only": False}),
    (
        mounted("{name: d, persistentVolumeClaim: {claimName: c, readOnly: true}}"),
        {"root": "/c", "read_only": True},
    ),
    (mounted("{name: d, configMap: {name: pip}}"), {"read_only": True}),
    (mounted("{name: d, secret: {secretName: licence}}"), {"read_only": True}),
    (mounted("{name: d, csi: {driver: x.example, volumeAttributes: {a: b}}}"), {"read_only": False}),
]


@pytest.mark.parametrize(("text", "expected"), MOUNTS)
def test_a_mount_keeps_its_rights(tmp_path: Path, text: str, expected: dict[str, Any]) -> None:
    made = made_of(tmp_path, text)
    [mount] = new(made)[1]["mounts"]
    assert {key: mount[key] for key in expected} == expected
    assert unsaid(made) == []


LOST = [
    (mounted(NFS, ', subPathExpr: "$(NB_USER)"'), "without it everybody would see the whole volume"),
    (mounted("{name: d, configMap: {name: c, items: [{key: a, path: a}]}}"), "only some of the keys"),
    (mounted("{name: d, secret: {secretName: s}}", ", subPath: a"), "mounted as a whole"),
    (mounted("{name: d, emptyDir: {}}"), "a volume of each pod"),
    (mounted("{name: d, hostPath: {path: /}}"), "the settings take NFS folders"),
    (mounted("{name: other, emptyDir: {}}"), "it mounts a volume that is not there"),
]


@pytest.mark.parametrize(("text", "why"), LOST)
def test_a_mount_that_would_show_more_is_dropped(tmp_path: Path, text: str, why: str) -> None:
    made = made_of(tmp_path, text)
    assert "mounts" not in new(made)[1]
    assert {change for key, change in fates(made).items() if "extraVolumeMounts" in key} == {"dropped"}
    assert any(why in note.why for note in made.notes)
    assert unsaid(made) == []


STATIC = "type: static, static: {pvcName: all, subPath: '%s'}"
HOMES = [
    (storage("type: none"), {}, {"volume": {"kind": "none"}}, set()),
    (storage(STATIC % "{username}"), {}, {"path_template": "{username}"}, {"homes-move"}),
    (
        storage(STATIC % "h/{username}"),
        {"version": "3.3.7"},
        {"path_template": "h/{username}", "slug": "escape"},
        set(),
    ),
    (storage(STATIC % "h/{username}"), {"version": "4.0.0"}, {"path_template": "h/{username}"}, set()),
    (storage(STATIC % "{escaped_username}"), {}, {"path_template": "{username}", "slug": "escape"}, set()),
    (storage(STATIC % "{unescaped_username}"), {}, {"path_template": "{username}"}, {"homes-move"}),
    (storage(STATIC % "{userid}"), {}, {"path_template": "{username}"}, {"homes-move"}),
    (storage("type: none, homeMountPath: '/home/{username}'"), {}, {}, {"homes-move"}),
    (
        storage("type: dynamic, capacity: 5Gi, dynamic: {storageClass: fast}"),
        {},
        {
            "claims": {"size": "5Gi", "storage_class": "fast"},
            "volume": {"kind": "pvc", "claim": "claim-{username}"},
        },
        set(),
    ),
    (
        storage("type: dynamic, dynamic: {pvcNameTemplate: 'claim-{username}{servername}'}"),
        {"nfs": "nfs.example:/export", "version": "4.0.0"},
        {"root": "/export", "volume": {"kind": "dynamic", "claim": "claim-{username}", "server": "nfs.example"}},
        set(),
    ),
    (
        storage(
            "type: none, extraVolumes: [{name: h, nfs: {server: s, path: /e, readOnly: true}}], "
            "extraVolumeMounts: [{name: h, mountPath: /home/jovyan, subPath: 'u/{username}'}]"
        ),
        {"version": "4.0.0"},
        {"root": "/e", "path_template": "u/{username}"},
        {"writable"},
    ),
    (
        storage(
            "type: none, extraVolumes: [{name: h, nfs: {server: s, path: /e}}], "
            "extraVolumeMounts: [{name: h, mountPath: /home/jovyan}]"
        ),
        {"version": "4.0.0"},
        {"root": "/e", "path_template": "{username}"},
        {"homes-move"},
    ),
]


@pytest.mark.parametrize(("text", "options", "homes", "questions"), HOMES)
def test_homes_stay_or_the_admin_is_asked(
    tmp_path: Path, text: str, options: dict[str, Any], homes: dict[str, Any], questions: set[str]
) -> None:
    made = made_of(tmp_path, text, **options)
    settings = new(made)[1].get("homes", {})
    assert {key: settings.get(key) for key in homes} == homes
    assert settings.get("slug") == homes.get("slug")
    assert asked(made) == questions
    assert unsaid(made) == []


def test_two_ways_to_name_users_are_asked(tmp_path: Path) -> None:
    volumes = "extraVolumes: [{name: d, nfs: {server: s, path: /e}}]"
    mounts = "extraVolumeMounts: [{name: d, mountPath: /data, subPath: 'x/{safe_username}'}]"
    text = storage(f"{STATIC % '{escaped_username}'}, {volumes}, {mounts}")
    assert asked(made_of(tmp_path, text)) == {"homes-move"}


def test_a_shared_folder_beside_the_homes_is_on_their_claim(tmp_path: Path) -> None:
    mount = "extraVolumeMounts: [{name: home, mountPath: /srv/shared, subPath: _shared, readOnly: true}]"
    made = made_of(tmp_path, storage(f"{STATIC % '{username}'}, {mount}"), version="4.0.0")
    settings = new(made)[1]
    [shared] = settings["mounts"]
    assert shared["volume"] == settings["homes"]["volume"]
    assert (shared["path_template"], shared["read_only"]) == ("_shared", True)


def test_a_trait_that_had_no_effect_takes_no_values_place(tmp_path: Path) -> None:
    spawner = "environment: {B: b}, uid: 0, cmd: [x], default_url: /tree, mem_limit: 1G, storage_class: c"
    servers = "singleuser: {extraEnv: {A: a}, uid: 1001}"
    made = made_of(tmp_path, f"{OPEN}{servers}\n", f"hub: {{config: {{Spawner: {{{spawner}}}}}}}\n")
    values, settings = new(made)
    assert values["singleuser"] == {"extraEnv": {"A": "a"}, "defaultUrl": "/tree"}
    assert values["hub"]["config"]["Spawner"] == {"mem_limit": "1G"}
    assert (settings["policy"], settings["homes"]["claims"]) == ({"uid": 1001}, {"storage_class": "c"})
    said = fates(made)
    assert [said[f"hub.config.Spawner.{trait}"] for trait in ("environment.B", "uid")] == ["dropped", "dropped"]


def test_lists_of_users_of_each_class_keep_their_effect(tmp_path: Path) -> None:
    text = "{A: {whitelist: [ida]}, MyAuthenticator: {whitelist: [ada], blacklist: [eve], allowed_users: null}}"
    config = new(made_of(tmp_path, f"hub: {{config: {text}}}\nsingleuser: {{}}\n"))[0]["hub"]["config"]
    assert config == {
        "A": {"whitelist": ["ida"]},
        "MyAuthenticator": {"allowed_users": ["ada"], "blocked_users": ["eve"]},
    }


POLICIES = [
    ("egress: []", {"network-open"}),
    ("egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8}}]}]", {"network-open"}),
    ("egress: [{}]", set()),
    ("egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0, except: [169.254.169.254/32, 10.0.0.0/8]}}]}]", set()),
    ("egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0, except: [8.0.0.0/8]}}]}]", {"network-open"}),
    ("egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0}}], ports: [{port: 443}]}]", {"network-open"}),
    ("egress: [], egressAllowRules: {nonPrivateIPs: false}", {"network-open"}),
    ("egressAllowRules: {nonPrivateIPs: false}", {"network-open"}),
    ("egressAllowRules: {nonPrivateIPs: null}", {"network-open"}),
    ("egressAllowRules: null", {"network-open"}),
    ("egressAllowRules: {}", set()),
    ("allowExternalEgress: false", {"network-open"}),
    ("allowExternalEgress: true", set()),
    ("egressAllowRules: {nonPrivateIPs: true, privateIPs: false}", set()),
    ("enabled: false, egressAllowRules: {nonPrivateIPs: false}", set()),
]


@pytest.mark.parametrize(("policy", "questions"), POLICIES)
def test_a_closed_network_is_not_opened_silently(tmp_path: Path, policy: str, questions: set[str]) -> None:
    text = f"{OPEN}singleuser: {{storage: {{type: none}}, networkPolicy: {{{policy}}}}}\n"
    assert asked(made_of(tmp_path, text)) == questions


@pytest.mark.parametrize(
    ("version", "questions"), [("", {"network-open"}), ("1.2.0", {"network-open"}), ("3.3.7", set())]
)
def test_egress_adds_to_the_other_rules_since_chart_2(tmp_path: Path, version: str, questions: set[str]) -> None:
    policy = "{egress: [{to: [{podSelector: {}}]}]}"
    text = f"{OPEN}singleuser: {{storage: {{type: none}}, networkPolicy: {policy}}}\n"
    assert asked(made_of(tmp_path, text, version=version)) == questions
    more = text.replace("egress:", "egressAllowRules: {dnsPortsPrivateIPs: true}, egress:")
    assert asked(made_of(tmp_path, more)) == set()


def test_null_neither_stops_the_hub_nor_removes_what_is_generated(tmp_path: Path) -> None:
    text = """
auth: {type: dummy, whitelist: {users: }}
hub: {services: , config: {Authenticator: {allowed_users: null}}, nodeSelector: null}
singleuser: {extraEnv: , networkPolicy: , memory: {guarantee: null}, storage: {type: none}}
"""
    made = made_of(tmp_path, text)
    values, _ = new(made)
    assert values["hub"] == {"config": {"JupyterHub": {"authenticator_class": "dummy"}}, "nodeSelector": None}
    assert values["singleuser"] == {"memory": {"guarantee": None}}
    assert fates(made)["hub.config.Authenticator.allowed_users"] == "dropped"
    assert unsaid(made) == []


def test_a_list_of_variables_is_read_like_a_mapping(tmp_path: Path) -> None:
    text = f"""{OPEN}
singleuser:
  storage: {{type: none}}
  extraEnv:
    - {{name: KERNEL_PATH, value: "/export/{{username}}"}}
    - {{name: JUPYTER_GATEWAY_URL, value: "http://old.example:8888"}}
    - {{name: A, value: b}}
    - {{name: S, valueFrom: {{secretKeyRef: {{name: s, key: k}}}}}}
    - {{value: x}}
"""
    made = made_of(tmp_path, text)
    values, settings = new(made)
    variables = {"A": "b", "S": {"valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}}
    assert values["singleuser"]["extraEnv"] == variables
    assert settings["homes"]["root"] == "/export"
    assert unsaid(made) == []


TWO_LISTS = [
    ("hub: {config: {GitHubOAuthenticator: {allowed_users: [a], allowed_organizations: [o]}}}", "2.0.0", True),
    (
        "hub: {config: {GitHubOAuthenticator: {allowed_organizations: [o]}, Authenticator: {allowed_users: [a]}}}",
        "2.0.0",
        True,
    ),
    ("auth: {type: github, github: {orgWhitelist: [o]}, whitelist: {users: [a]}}", "", True),
    ("hub: {config: {GitHubOAuthenticator: {allowed_users: [a], allowed_organizations: [o]}}}", "3.0.0", False),
    ("hub: {config: {GitHubOAuthenticator: {allowed_users: [a], allowed_organizations: [o]}}}", "", False),
    ("hub: {config: {GitHubOAuthenticator: {allowed_users: [], allowed_organizations: [o]}}}", "2.0.0", False),
    ("hub: {config: {GitHubOAuthenticator: {allowed_users: [a]}}}", "2.0.0", False),
]


@pytest.mark.parametrize(("text", "version", "is_asked"), TWO_LISTS)
def test_two_lists_that_both_had_to_match_are_asked(
    tmp_path: Path, text: str, version: str, is_asked: bool
) -> None:
    made = made_of(tmp_path, f"{text}\nsingleuser: {{storage: {{type: none}}}}\n", version=version)
    assert asked(made) == ({"everybody"} if is_asked else set())


def test_only_an_authenticator_lets_users_log_in(tmp_path: Path) -> None:
    said = "no user can log in without allowed_users"
    made = made_of(tmp_path, "hub: {config: {KubeSpawner: {allow_privilege_escalation: false}}}")
    assert any(said in note.why for note in made.notes)
    made = made_of(tmp_path, "hub: {config: {GenericOAuthenticator: {allow_all: true}}}")
    assert not any(said in note.why for note in made.notes)


@pytest.mark.parametrize(
    ("old", "new_place"),
    [(old, place) for old, place in RENAMED.items() if not old.startswith("hub.config")],
)
def test_a_key_of_an_older_chart_gets_its_new_name(tmp_path: Path, old: str, new_place: str) -> None:
    value: Any = [{"a": "b"}] if old.endswith("tolerations") else {"a": "b"}
    data = value
    for key in reversed(old.split(".")):
        data = {key: data}
    made = made_of(tmp_path, OPEN, yaml.safe_dump(data))
    found: Any = new(made)[0]
    for key in new_place.split("."):
        found = found[key]
    assert found == value
    section, _, key = new_place.partition(".")
    assert section not in KEYS or key.split(".")[0] in KEYS[section]


def test_a_key_that_the_chart_would_refuse_is_dropped(tmp_path: Path) -> None:
    made = made_of(tmp_path, OPEN + "singleuser: {schedulerStrategy: pack, storage: {type: none}}\nhubs: {a: 1}\n")
    assert new(made)[0].keys() == {"hub"}
    assert fates(made)["singleuser.schedulerStrategy"] == fates(made)["hubs.a"] == "dropped"


def test_an_encrypted_value_is_left_to_the_admin(tmp_path: Path) -> None:
    text = """
hub:
  config:
    GenericOAuthenticator: {client_id: "ENC[AES256_GCM,data:eA==,iv:eA==,tag:eA==,type:str]", allow_all: true}
singleuser: {storage: {type: none}, cmd: [a, "ENC[AES256_GCM,data:eA==,iv:eA==,tag:eA==,type:str]"]}
sops: {mac: "ENC[AES256_GCM,data:eA==,iv:eA==,tag:eA==,type:str]", version: 3.9.0}
"""
    made = made_of(tmp_path, text)
    assert new(made)[0]["hub"] == {"config": {"GenericOAuthenticator": {"allow_all": True}}}
    assert fates(made)["hub.config.GenericOAuthenticator.client_id"] == "left"
    assert {fates(made)["sops.mac"], fates(made)["sops.version"]} == {"dropped"}
    assert unsaid(made) == []


BITNAMI = """
hub: {adminUser: ada, password: hunter2, baseUrl: /jupyter, configuration: "{{ x }}", resourcesPreset: small}
singleuser:
  networkPolicy: {enabled: true, extraEgress: []}
  image: {registry: r.example, repository: lab, tag: "1"}
  notebookDir: /home/lab
  persistence: {enabled: true, size: 5Gi, storageClass: fast, accessModes: [ReadWriteOnce]}
  resources: {limits: {memory: 2Gi, cpu: 500m}, requests: {memory: 1Gi}}
  extraEnvVars: [{name: A, value: b}]
  containerSecurityContext: {runAsUser: 1001, enabled: true}
postgresql: {auth: {username: hub}}
imagePuller: {enabled: true}
"""


def test_values_of_bitnamis_chart_become_those_of_the_other(tmp_path: Path) -> None:
    made = made_of(tmp_path, BITNAMI)
    values, settings = new(made)
    assert values["hub"]["config"]["Authenticator"] == {"admin_users": ["ada"]}
    assert values["singleuser"]["image"] == {"tag": "1", "name": "r.example/lab"}
    assert values["singleuser"]["memory"] == {"limit": 2 * 1024**3, "guarantee": 1024**3}
    assert values["singleuser"]["cpu"] == {"limit": 0.5}
    assert values["singleuser"]["extraEnv"] == {"A": "b"}
    assert settings["homes"]["mount_path"] == "/home/lab"
    assert settings["homes"]["claims"] == {"size": "5Gi", "storage_class": "fast"}
    assert settings["policy"] == {"uid": 1001}
    left = {key for key, change in fates(made).items() if change == "left"}
    assert left == {
        "hub.configuration",
        "hub.resourcesPreset",
        "singleuser.networkPolicy.extraEgress",
        "singleuser.containerSecurityContext.enabled",
        "postgresql.auth.username",
        "imagePuller.enabled",
    }
    assert b"hunter2" not in made.files["values.yaml"]


# The command


def test_nothing_is_written_until_a_question_is_answered(tmp_path: Path) -> None:
    (tmp_path / "old.yaml").write_text(storage(STATIC % "{username}"), encoding="utf-8")
    words = (tmp_path / "old.yaml", "--to", tmp_path / "new")
    said = run(*words, status=3)
    assert "--accept homes-move" in said
    assert "nothing was written" in said
    assert not (tmp_path / "new").exists()
    about = json.loads(run(*words, "--json", status=3))
    assert [one["code"] for one in about["questions"]] == ["homes-move"]
    run(*words, "--accept", "homes-move")
    report = json.loads((tmp_path / "new" / "import-report.json").read_text(encoding="utf-8"))
    assert [one["accepted"] for one in report["questions"]] == [True]
    assert (
        sum(report["values"][fate] for fate in ("kept", "changed", "dropped", "left")) == report["values"]["read"]
    )


def test_every_question_has_a_code(tmp_path: Path) -> None:
    assert "homes-move" in run(tmp_path, "--to", tmp_path / "new", "--accept", "all", status=2)
    assert all(code == code.lower() and why for code, why in QUESTIONS.items())
