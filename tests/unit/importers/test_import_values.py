"""Values of Zero to JupyterHub of any version."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from old_hubs import (
    WORLDS,
    notes,
    run,
    unsaid,
    values_of,
    words_of,
)


def test_seed_bug_cull_enable(tmp_path: Path) -> None:
    made, new, settings = values_of(tmp_path, {"cull": {"enable": True, "timeout": 60}})
    assert "cull" not in new
    assert settings["culling"] == {"idle_seconds": 60}
    said = "it is culling.idle_seconds of the settings now, also for kernels"
    assert notes(made, "cull.enable") == notes(made, "cull.timeout") == [("changed", said)]


@pytest.mark.parametrize(
    ("cull", "seconds", "kept"),
    [
        ({"enabled": False, "timeout": 60}, 0, {}),
        ({"enable": False}, 0, {}),
        ({"every": 300, "concurrency": 5, "maxAge": 86400}, 3600, {}),
        ({"timeout": 0, "users": True}, 3600, {"users": True}),
        ({"enabled": None, "timeout": 7200.5}, 7200.5, {}),
        ({"timeout": 10**12}, 3600, {}),
        ({"timeout": "7200"}, 7200, {}),
        ({"timeout": "9" * 5000}, 3600, {}),
    ],
)
def test_culling_becomes_the_one_number(
    cull: dict[str, Any], seconds: float, kept: dict[str, Any], tmp_path: Path
) -> None:
    made, new, settings = values_of(tmp_path, {"cull": cull})
    assert settings["culling"] == {"idle_seconds": seconds}
    assert (new or {}).get("cull", {}) == kept
    if "timeout" in cull:
        taken = seconds == float(cull["timeout"])
        assert notes(made, "cull.timeout")[0][0] == ("changed" if taken else "dropped")
    assert unsaid(made) == []


def test_seed_bug_none_in_capitals(tmp_path: Path) -> None:
    made, new, settings = values_of(tmp_path, {"singleuser": {"storage": {"type": "None"}}})
    assert "singleuser" not in new
    assert settings == {"homes": {"volume": {"kind": "none"}}}
    assert notes(made, "singleuser.storage.type")[0][0] == "changed"


def test_seed_bug_https_beside_proxy(tmp_path: Path) -> None:
    https = {"enabled": True, "hosts": ["hub.example"]}
    made, new, _ = values_of(tmp_path, {"proxy": {"service": {"type": "NodePort"}}, "https": https})
    assert new["proxy"] == {"service": {"type": "NodePort"}, "https": https}
    assert notes(made, "https")[0][0] == "changed"


def test_https_at_both_places_keeps_the_one_that_counted(tmp_path: Path) -> None:
    made, new, _ = values_of(tmp_path, {"proxy": {"https": {"enabled": False}}, "https": {"enabled": True}})
    assert new["proxy"]["https"] == {"enabled": False}
    assert notes(made, "https")[0][0] == "dropped"


AUTH: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (
        {"type": "ldap", "ldap": {"server": {"address": "a", "ssl": True}, "dn": {"templates": ["x"]}}},
        {
            "JupyterHub": {"authenticator_class": "ldapauthenticator.LDAPAuthenticator"},
            "LDAPAuthenticator": {"server_address": "a", "use_ssl": True, "bind_dn_template": ["x"]},
        },
    ),
    (
        {"type": "custom", "custom": {"className": "oidc.generic.Mine", "config": {"login_service": "x"}}},
        {"JupyterHub": {"authenticator_class": "oidc.generic.Mine"}, "Mine": {"login_service": "x"}},
    ),
    (
        {"type": "google", "google": {"clientId": "i", "hostedDomain": ["example.org"]}, "scopes": ["email"]},
        {
            "JupyterHub": {"authenticator_class": "google"},
            "GoogleOAuthenticator": {"client_id": "i", "hosted_domain": ["example.org"]},
            "OAuthenticator": {"scope": ["email"]},
        },
    ),
    (
        {"admin": {"users": ["a"], "access": True}, "whitelist": {"users": ["b"]}},
        {"JupyterHub": {"admin_access": True}, "Authenticator": {"admin_users": ["a"], "allowed_users": ["b"]}},
    ),
]


@pytest.mark.parametrize(("auth", "config"), AUTH)
def test_seed_bug_removed_auth(tmp_path: Path, auth: dict[str, Any], config: dict[str, Any]) -> None:
    made, new, _ = values_of(tmp_path, {"auth": auth})
    assert new == {"hub": {"config": config}}
    assert any(note.key.startswith("auth.") and note.change == "changed" for note in made.notes)


@pytest.mark.parametrize("word", ["allowlist", "whitelist"])
def test_seed_bug_allowlist_is_no_trait(tmp_path: Path, word: str) -> None:
    _, new, _ = values_of(tmp_path, {"hub": {"config": {"Authenticator": {word: ["ada"]}}}})
    assert new == {"hub": {"config": {"Authenticator": {"allowed_users": ["ada"]}}}}
    _, new, _ = values_of(tmp_path, {"auth": {word: {"users": ["ada"]}}})
    assert new == {"hub": {"config": {"Authenticator": {"allowed_users": ["ada"]}}}}


def test_auth_that_nobody_knows_is_told_and_not_lost_silently(tmp_path: Path) -> None:
    made, new, _ = values_of(tmp_path, {"auth": {"type": "hmac", "hmac": {"secretKey": "hunter2"}}})
    assert new == {}
    assert {note.key for note in made.notes if note.change == "dropped"} == {"auth.type", "auth.hmac.secretKey"}
    assert all("hunter2" not in note.as_text() for note in made.notes)


COMMANDS = [
    (
        ["sh", "-c", 'env "KERNEL_PATH=/nfs/homes/$JUPYTERHUB_USER" jupyterhub-singleuser'],
        "/nfs/homes",
        "{username}",
    ),
    (
        ["sh", "-c", "exec env KERNEL_PATH=/nfs/${JUPYTERHUB_USER}/work jupyterhub-singleuser"],
        "/nfs",
        "{username}/work",
    ),
    ("KERNEL_PATH='/nfs/$JUPYTERHUB_USER' start", "/nfs", "{username}"),
]


@pytest.mark.parametrize(("command", "root", "template"), COMMANDS)
def test_kernel_path_of_the_command_is_the_root_of_homes(
    tmp_path: Path, command: Any, root: str, template: str
) -> None:
    _, new, settings = values_of(tmp_path, {"singleuser": {"cmd": command, "storage": {"type": "none"}}})
    assert settings["homes"] == {"root": root, "path_template": template}
    assert new == {}


@pytest.mark.parametrize(
    "path", ["$(mount | grep nfs)", "/nfs/$HOME", "/nfs/all", "$JUPYTERHUB_USER", "/../$JUPYTERHUB_USER"]
)
def test_a_kernel_path_that_is_no_home_is_told(tmp_path: Path, path: str) -> None:
    made, _, settings = values_of(tmp_path, {"singleuser": {"cmd": ["sh", "-c", f"env KERNEL_PATH={path} x"]}})
    assert "root" not in settings["homes"]
    assert notes(made, "singleuser.cmd")[0][0] == "dropped"


def test_a_claim_and_the_command_agree_on_where_homes_begin(tmp_path: Path) -> None:
    storage = {"type": "static", "static": {"pvcName": "c", "subPath": "homes/{username}"}}
    env = {"KERNEL_PATH": "/export/homes/{username}"}
    _, _, settings = values_of(tmp_path, {"singleuser": {"storage": storage, "extraEnv": env}})
    assert settings["homes"]["root"] == "/export"
    assert settings["homes"]["path_template"] == "homes/{username}"
    made, _, _ = values_of(
        tmp_path, {"singleuser": {"storage": storage, "extraEnv": {"KERNEL_PATH": "/x/{username}"}}}
    )
    assert ("warning", "servers and kernels had different homes; now both have the server's") in notes(
        made, "singleuser.storage.static"
    )


def test_a_network_policy_that_is_off_is_told_as_a_danger(tmp_path: Path) -> None:
    made, new, _ = values_of(tmp_path, {"singleuser": {"networkPolicy": {"enabled": False}}})
    assert new == {}
    assert "DANGER" in notes(made, "singleuser.networkPolicy.enabled")[0][1]


SECRETS: list[dict[str, Any]] = [
    {"proxy": {"secretToken": "hunter2"}},
    {"hub": {"cookieSecret": "hunter2"}},
    {"auth": {"type": "github", "github": {"clientSecret": "hunter2"}}},
    {"auth": {"dummy": {"password": "hunter2"}}},
    {"auth": {"custom": {"className": "a.B", "config": {"client_secret": "hunter2"}}, "type": "custom"}},
    {"auth": {"ldap": {"dn": {"search": {"password": "hunter2"}}}}},
    {"hub": {"config": {"CryptKeeper": {"keys": ["hunter2", "hunter2"]}}}},
    {"hub": {"config": {"LTI11Authenticator": {"consumers": {"abc": "hunter2"}}}}},
    {"hub": {"services": {"grader": {"apiToken": "hunter2"}}}},
    {"hub": {"db": {"url": "mysql+pymysql://hub:hunter2@db/hub"}}},
    {"hub": {"extraEnv": [{"name": "SOME_TOKEN", "value": "hunter2"}]}},
    {"hub": {"extraConfig": {"a": "c.X.api_token = 'hunter2'"}}},
    {"hub": {"extraConfig": 'password = "hunter2"'}},
    {"hub": {"extraFiles": {"x": {"stringData": "-----BEGIN RSA PRIVATE KEY-----\nhunter2"}}}},
    {"singleuser": {"lifecycleHooks": {"postStart": {"exec": {"command": ["sh", "-c", "TOKEN=hunter2 x"]}}}}},
    {"singleuser": {"profileList": [{"kubespawner_override": {"environment": {"API_KEY": "hunter2"}}}]}},
    {"https": {"manual": {"key": "hunter2"}}},
    {"hub": {"config": {"A": {"password": b"hunter2"}, "B": {"api_token": {"hunter2"}}}}},
    {"hub": {"imagePullSecret": {"enabled": True, "password": "hunter2"}}},
]


@pytest.mark.parametrize("data", SECRETS)
def test_a_secret_is_in_its_own_file_and_in_no_report(tmp_path: Path, data: dict[str, Any]) -> None:
    made, _, _ = values_of(tmp_path, data)
    assert [name for name, raw in made.files.items() if b"hunter2" in raw] == ["secrets.yaml"]
    assert any("it is in secrets.yaml" in note.why or "Helm replaces lists" in note.why for note in made.fates())
    assert not any("hunter2" in note.as_text() for note in [*made.notes, *made.fates()])


def test_only_their_owner_can_read_secrets(tmp_path: Path) -> None:
    run(WORLDS / "demo" / "old.yaml", "--to", tmp_path / "new", *words_of("demo")[1:])
    assert (tmp_path / "new" / "secrets.yaml").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "new" / "values.yaml").stat().st_mode & 0o077
    said = (tmp_path / "new" / "secrets.yaml").read_text(encoding="utf-8")
    assert said.startswith("# The secrets of values.yaml: give this file to Helm after that one")


def test_a_secret_of_a_volume_is_in_settings_that_only_their_owner_can_read(tmp_path: Path) -> None:
    volume = {"name": "d", "csi": {"driver": "x.example", "volumeAttributes": {"password": "hunter2"}}}
    mount = {"name": "d", "mountPath": "/data"}
    storage = {"type": "none", "extraVolumes": [volume], "extraVolumeMounts": [mount]}
    made, _, _ = values_of(tmp_path, {"singleuser": {"storage": storage}})
    assert made.private == {"settings.yaml"}
    assert any("settings.yaml has a secret" in note.why for note in made.notes)


def test_a_list_with_a_secret_is_moved_as_a_whole(tmp_path: Path) -> None:
    hook = ["sh", "-c", "TOKEN=hunter2 start.sh"]
    data = {"singleuser": {"lifecycleHooks": {"postStart": {"exec": {"command": hook}}}, "cpu": {"limit": 1}}}
    made, values, _ = values_of(tmp_path, data)
    assert values == {"singleuser": {"cpu": {"limit": 1}}}
    secrets = yaml.safe_load(made.files["secrets.yaml"])
    assert secrets == {"singleuser": {"lifecycleHooks": data["singleuser"]["lifecycleHooks"]}}
    key = "singleuser.lifecycleHooks.postStart.exec.command"
    said = "a secret is in it, and Helm replaces lists: all of it is in secrets.yaml"
    assert notes(made, key) == [("changed", said)]
    assert {note.change for note in made.fates() if note.key.startswith(key)} == {"changed"}


def test_a_key_that_is_a_secret_is_in_no_report(tmp_path: Path) -> None:
    data = {"hub": {"config": {"JupyterHub": {"api_tokens": {"hunter2": "alice"}}}}}
    made, values, _ = values_of(tmp_path, data)
    assert values == {}
    assert b"hunter2" in made.files["secrets.yaml"]
    assert not any("hunter2" in note.as_text() for note in [*made.notes, *made.fates()])


def test_forms_of_secrets_in_texts_are_found(tmp_path: Path) -> None:
    files = {
        "ini": "[default]\naws_secret_access_key = hunter2hunter2\n",
        "yaml": "db:\n  password: hunter2\n",
        "netrc": "machine x.example login a password hunter2\n",
        "code.py": "def token():\n    return 1\n",
    }
    mounted = {name: {"mountPath": f"/{name}", "stringData": text} for name, text in files.items()}
    variables = {"DATABASE_PASS": "hunter2", "GITHUB_PAT": "hunter2", "TOKENIZERS_PARALLELISM": "false"}
    code = {"token-refresh": "import os\nc.A.token = os.environ['TOKEN']\n"}
    data = {"singleuser": {"extraEnv": variables, "extraFiles": mounted}, "hub": {"extraConfig": code}}
    made, values, _ = values_of(tmp_path, data)
    assert b"hunter2" not in made.files["values.yaml"]
    assert values["hub"]["extraConfig"] == code
    assert values["singleuser"]["extraEnv"] == {"TOKENIZERS_PARALLELISM": "false"}
    assert values["singleuser"]["extraFiles"]["code.py"] == mounted["code.py"]
    fates = {note.key: note.change for note in made.fates()}
    assert fates["singleuser.extraFiles.ini.stringData"] == fates["singleuser.extraEnv.GITHUB_PAT"] == "changed"


def test_what_only_sounds_like_a_secret_stays(tmp_path: Path) -> None:
    data = {
        "hub": {
            "existingSecret": "mine",
            "config": {
                "GenericOAuthenticator": {"token_url": "https://x.example/t"},
                "A": {"allowed_users": ["a"]},
            },
        },
        "singleuser": {
            "extraTolerations": [{"key": "gpu", "operator": "Exists"}],
            "extraEnv": {"X": {"valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}},
        },
        "imagePullSecrets": ["regcred"],
        "proxy": {"https": {"type": "secret", "secret": {"name": "tls", "key": "tls.key"}}},
    }
    _, new, _ = values_of(tmp_path, data)
    assert new == data


# Sources that are none


# Traits of the spawner


def test_traits_of_the_spawner_are_the_values_that_set_them(tmp_path: Path) -> None:
    spawner = {
        "environment": {"A": "b", "KERNEL_PATH": "/export/{username}"},
        "uid": 1001,
        "user_storage_capacity": "5Gi",
        "cmd": ["jupyterhub-singleuser"],
        "profile_list": [{"display_name": "a"}],
        "mem_limit": "2G",
    }
    data = {"hub": {"config": {"KubeSpawner": spawner}}, "singleuser": {"extraEnv": {"A": "c"}, "uid": 1002}}
    made, new, settings = values_of(tmp_path, data)
    assert new["hub"]["config"] == {"KubeSpawner": {"mem_limit": "2G"}}
    assert new["singleuser"] == {"extraEnv": {"A": "b"}, "profileList": [{"display_name": "a"}]}
    assert settings["policy"] == {"uid": 1001}
    assert settings["homes"]["claims"] == {"size": "5Gi"}
    assert notes(made, "singleuser.uid") == [("dropped", "hub.config.KubeSpawner.uid sets it again")]
    fate = {note.key: note.change for note in made.fates()}
    assert fate["hub.config.KubeSpawner.uid"] == "changed"
    assert fate["hub.config.KubeSpawner.cmd.0"] == "dropped"
    assert unsaid(made) == []


def test_volumes_of_the_spawner_replaced_those_of_the_chart(tmp_path: Path) -> None:
    spawner = {
        "volumes": {"h": {"name": "h", "nfs": {"server": "s", "path": "/e"}}},
        "volume_mounts": {"h": {"name": "h", "mountPath": "/home/jovyan", "subPath": "{escaped_username}"}},
    }
    storage = {"type": "static", "static": {"pvcName": "c"}, "extraVolumes": [{"name": "x", "emptyDir": {}}]}
    made, _, settings = values_of(
        tmp_path, {"hub": {"config": {"KubeSpawner": spawner}}, "singleuser": {"storage": storage}}
    )
    assert settings["homes"]["volume"] == {"kind": "nfs", "server": "s"}
    assert settings["homes"]["slug"] == "escape"
    dropped = {note.key for note in made.fates() if note.change == "dropped"}
    assert {"singleuser.storage.static.pvcName", "singleuser.storage.extraVolumes.0.name"} <= dropped
    assert unsaid(made) == []


def test_a_profile_chooses_no_other_homes_ids_or_commands(tmp_path: Path) -> None:
    override = {
        "image": "a:1",
        "cmd": ["x"],
        "uid": 0,
        "volume_mounts": [],
        "environment": {"A": "b", "KERNEL_X": "c"},
    }
    choice = {"choices": {"b": {"kubespawner_override": {"gid": 5, "mem_limit": "1G"}}}}
    profiles = [{"display_name": "a", "kubespawner_override": override, "profile_options": {"o": choice}}]
    made, new, _ = values_of(tmp_path, {"singleuser": {"profileList": profiles}})
    [profile] = new["singleuser"]["profileList"]
    assert profile["kubespawner_override"] == {"image": "a:1", "environment": {"A": "b"}}
    assert profile["profile_options"]["o"]["choices"]["b"]["kubespawner_override"] == {"mem_limit": "1G"}
    assert unsaid(made) == []


def test_braces_that_are_no_placeholders_are_doubled(tmp_path: Path) -> None:
    _, new, _ = values_of(tmp_path, {"singleuser": {"extraEnv": {"A": '{"b": 1}', "C": "{username}"}}})
    assert new["singleuser"]["extraEnv"] == {"A": '{{"b": 1}}', "C": "{username}"}
