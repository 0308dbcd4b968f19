"""Nothing widens rights or moves homes without a question, whatever cannot be taken over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from old_hubs import OPEN, asked, fates, made_of, new, notes, run, unsaid

from kernelpod.importers.helm.files import helm_values
from kernelpod.importers.hub.values import Options, imported_values
from kernelpod.importers.plain.hubs import imported_python
from kernelpod.importers.report import Imported
from kernelpod.z2jh.overrides import breaking

NONE = "singleuser: {storage: {type: none}}\n"
CLAIM = "singleuser: {storage: {type: static, static: {pvcName: homes}}}\n"


def hub(config: str, more: str = "") -> str:
    return f"hub: {{config: {{Authenticator: {{allow_all: true}}, {config}}}{more}}}\n"


def checked(folder: Path, *texts: str, version: str = "4.0") -> Imported:
    """Return what is made of values where what would break the new hub is dropped."""
    files = [folder / f"{number}.yaml" for number, _ in enumerate(texts)]
    for file, text in zip(files, texts, strict=True):
        file.write_text(text, encoding="utf-8")
    made = imported_values(helm_values(files), Options(version=version, broken=breaking))
    assert unsaid(made) == []
    return made


PRIVILEGED = "[{name: block, image: a, securityContext: {capabilities: {add: [NET_ADMIN]}}}]"
RULE = "[{to: [{ipBlock: {cidr: 10.0.0.0/8}}]}]"
ASKED = [
    (hub("KubeSpawner: {namespace: users}") + CLAIM, {"homes-move"}),
    (hub("Spawner: {enable_user_namespaces: true}") + CLAIM, {"homes-move"}),
    (hub("KubeSpawner: {namespace: users}") + NONE, set()),
    (hub("JupyterHub: {spawner_class: mine.MySpawner}, MySpawner: {mem_limit: 1G}") + NONE, {"homes-move"}),
    (hub("JupyterHub: {spawner_class: kubespawner}") + NONE, set()),
    (hub("KubeSpawner: {volumes: [{name: home, nfs: {server: s, path: /e}}]}") + CLAIM, {"homes-move"}),
    (hub("KubeSpawner: {volumes: [{name: a, nfs: {server: s, path: /e}}]}") + NONE, set()),
    (OPEN + "singleuser: {storage: {type: none}, extraPodConfig: {volumes: [{name: a}]}}\n", {"homes-move"}),
    (OPEN + f"singleuser: {{storage: {{type: none}}, initContainers: {PRIVILEGED}}}\n", {"network-open"}),
    (
        OPEN + f"singleuser: {{storage: {{type: none}}, extraPodConfig: {{initContainers: {PRIVILEGED}}}}}\n",
        {"network-open"},
    ),
    (
        OPEN
        + "singleuser: {storage: {type: none}, profileList: [{display_name: a, kubespawner_override: "
        + f"{{init_containers: {PRIVILEGED}}}}}]}}\n",
        {"network-open"},
    ),
    (OPEN + "singleuser: {storage: {type: none}, initContainers: [{name: a, image: b}]}\n", set()),
    (
        OPEN
        + "singleuser: {storage: {type: none}, profileList: [{display_name: a, "
        + "kubespawner_override: {namespace: b}}]}\n",
        {"homes-move"},
    ),
    (hub("X: {}", ", loadRoles: {user: {scopes: ['read:users!user']}}") + NONE, {"everybody"}),
]


@pytest.mark.parametrize(("text", "codes"), ASKED)
def test_what_no_new_file_can_have_is_a_question(tmp_path: Path, text: str, codes: set[str]) -> None:
    assert asked(checked(tmp_path, text)) == codes


@pytest.mark.parametrize(
    ("rules", "version", "codes"),
    [
        (f"egress: {RULE}", "1.2", {"network-open"}),
        (f"egress: {RULE}", "", {"network-open"}),
        (f"egress: {RULE}", "3.3.7", set()),
        (f"egress: {RULE}, egressAllowRules: {{privateIPs: false}}", "", set()),
        ("egress: [{}]", "1.2", set()),
    ],
)
def test_rules_of_the_hub_that_were_all_there_was_are_a_question(
    tmp_path: Path, rules: str, version: str, codes: set[str]
) -> None:
    text = hub("X: {}", f", networkPolicy: {{{rules}}}") + NONE
    assert asked(checked(tmp_path, text, version=version)) == codes


def test_ids_of_the_container_are_those_of_the_policy(tmp_path: Path) -> None:
    contexts = "container_security_context: {run_as_user: 2000}, pod_security_context: {runAsGroup: 7}"
    made = checked(
        tmp_path, hub(f"KubeSpawner: {{gid: 55, {contexts}}}") + "singleuser: {uid: 1001, storage: {type: none}}\n"
    )
    assert new(made)[1]["policy"] == {"uid": 2000, "gid": 55}
    assert fates(made)["singleuser.uid"] == "dropped"
    assert fates(made)["hub.config.KubeSpawner.gid"] == "changed"


def test_roles_and_services_are_those_of_the_chart(tmp_path: Path) -> None:
    named = "{name: user, scopes: [self, 'list:users']}, {name: dash, scopes: [self]}"
    roles = f"[{named}, {{scopes: []}}, 7, {{name: kernelpod-admin, scopes: [self]}}]"
    services = "[{name: dash, url: 'http://dash', api_token: made-up-token-1}]"
    config = f"JupyterHub: {{load_roles: {roles}, services: {services}}}"
    made = checked(tmp_path, hub(config, ", loadRoles: {old: {scopes: [admin-ui]}}") + NONE)
    values = new(made)[0]
    assert values["hub"]["loadRoles"] == {
        "user": {"scopes": ["self", "list:users", "access:services!service=kernelpod"]},
        "dash": {"scopes": ["self"]},
    }
    assert values["hub"]["services"] == {"dash": {"url": "http://dash"}}
    assert yaml.safe_load(made.files["secrets.yaml"])["hub"]["services"] == {
        "dash": {"apiToken": "made-up-token-1"}
    }
    assert fates(made)["hub.loadRoles.old.scopes.0"] == "dropped"
    assert asked(made) == set()


def test_options_of_the_command_stay(tmp_path: Path) -> None:
    command = "[jupyterhub-singleuser, --ServerApp.terminals_enabled=False, --gateway-url=http://old]"
    for config in ("X: {}", "KubeSpawner: {args: [--LabApp.a=1]}", "Spawner: {args: x}"):
        made = checked(tmp_path, hub(config) + f"singleuser: {{cmd: {command}, storage: {{type: none}}}}\n")
        found = new(made)[0]["hub"]["config"]
        args = (found.get("KubeSpawner") or found.get("Spawner"))["args"]
        expected: Any = ["--ServerApp.terminals_enabled=False", "--LabApp.a=1"]
        assert args == ("x" if "x" in config else expected if "Lab" in config else expected[:1])
        assert fates(made)["singleuser.cmd.2"] == "dropped"


def test_a_file_that_could_not_be_mounted_is_dropped_as_a_whole(tmp_path: Path) -> None:
    file = "{mountPath: /home/jovyan, stringData: a}"
    made = checked(tmp_path, OPEN + f"singleuser: {{storage: {{type: none}}, extraFiles: {{a: {file}}}}}\n")
    assert "singleuser" not in new(made)[0]
    assert fates(made)["singleuser.extraFiles.a.stringData"] == "dropped"


def test_users_of_every_block_list_stay_blocked(tmp_path: Path) -> None:
    old = "auth: {blacklist: {users: [eve]}}\n"
    made = made_of(
        tmp_path, old + hub("X: {}").replace("allow_all: true", "blocked_users: [mallory], blacklist: [trudy]")
    )
    assert new(made)[0]["hub"]["config"]["Authenticator"]["blocked_users"] == ["mallory", "trudy", "eve"]
    made = made_of(tmp_path, old + hub("X: {}").replace("allow_all: true", "blocked_users: mallory"))
    assert "everybody" in asked(made)


@pytest.mark.parametrize(
    ("auth", "codes"),
    [
        ("type: globus, globus: {identityProvider: uni.example}", set()),
        ("type: google, google: {googleGroupWhitelist: [a]}", {"everybody"}),
        ("type: google, github: {teamWhitelist: [a]}", set()),
        ("type: hmac, hmac: {secretKey: a}", set()),
    ],
)
def test_a_list_of_who_can_log_in_without_a_place_is_a_question(
    tmp_path: Path, auth: str, codes: set[str]
) -> None:
    made = made_of(tmp_path, f"auth: {{{auth}}}\n{NONE}")
    assert asked(made) == codes
    assert ("identityProvider" in auth) == ("identity_provider" in made.files["values.yaml"].decode())


def test_former_names_of_lists_get_the_present_ones(tmp_path: Path) -> None:
    text = "hub: {config: {GitHubOAuthenticator: {github_organization_whitelist: [uni], whitelist: [ada]}}}\n"
    made = made_of(tmp_path, text + NONE, version="1.2")
    assert new(made)[0]["hub"]["config"]["GitHubOAuthenticator"] == {
        "allowed_organizations": ["uni"],
        "allowed_users": ["ada"],
    }
    assert asked(made) == {"everybody"}


@pytest.mark.parametrize(
    ("config", "more", "codes"),
    [
        ("blocked_users: ['ENC[AES256_GCM,data:a]']", "", {"everybody"}),
        ("X: 'ENC[AES256_GCM,data:a]'", "", set()),
        ("", "networkPolicy: {egressAllowRules: {nonPrivateIPs: 'ENC[AES256_GCM,data:a]'}}", {"network-open"}),
    ],
)
def test_an_encrypted_value_that_keeps_something_out_is_a_question(
    tmp_path: Path, config: str, more: str, codes: set[str]
) -> None:
    text = f"hub: {{config: {{Authenticator: {{allow_all: true, {config}}}}}}}\n"
    assert asked(made_of(tmp_path, text + f"singleuser: {{storage: {{type: none}}, {more}}}\n")) == codes


def test_the_version_of_a_larger_chart_is_not_the_hubs(tmp_path: Path) -> None:
    text = (
        "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nspec:\n"
        "  chart: {spec: {chart: %s, version: 5.1.0}}\n  values: %s\n"
    )
    inner = f"{{hub: {{config: {{}}}}, {CLAIM.strip()}}}"
    assert asked(made_of(tmp_path, text % ("jupyterhub", inner))) == set()
    assert asked(made_of(tmp_path, text % ("campus", f"{{jupyterhub: {inner}}}"))) == {"homes-move"}
    bitnami = f"{{hub: {{adminUser: ada}}, {CLAIM.strip()}}}"
    assert asked(made_of(tmp_path, text % ("jupyterhub", bitnami))) == {"homes-move"}


@pytest.mark.parametrize(
    ("version", "slug"),
    [
        ("jupyterhub-3.3.7", "escape"),
        ("v3-beta", "escape"),
        ("~4.1", "safe"),
        ("4.x", "safe"),
        ("0.11.1-n1", "escape"),
    ],
)
def test_a_version_is_read_as_others_print_it(tmp_path: Path, version: str, slug: str) -> None:
    made = made_of(tmp_path, OPEN + CLAIM, version=version)
    assert (new(made)[1]["homes"].get("slug", "safe"), asked(made)) == (slug, set())


@pytest.mark.parametrize("version", [">=3 <5", "3 - 5", "3.x || 4.x", "", "main"])
def test_a_version_that_says_little_is_a_question(tmp_path: Path, version: str) -> None:
    assert asked(made_of(tmp_path, OPEN + CLAIM, version=version)) == {"homes-move"}


def test_a_version_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "old.yaml").write_text(OPEN, encoding="utf-8")
    words = (tmp_path / "old.yaml", "--to", tmp_path / "new", "--chart", "\u00b2", "--preview", "ada")
    assert "--chart \u00b2: write the version" in run(*words, status=1)


@pytest.mark.parametrize("spelled", ["mountPath subPath readOnly", "mount_path sub_path read_only"])
def test_mounts_are_read_in_both_spellings(tmp_path: Path, spelled: str) -> None:
    place, below, read_only = spelled.split()
    mount = f"[{{name: d, {place}: /data, {below}: x, {read_only}: true}}]"
    volumes = "volumes: [{name: d, persistent_volume_claim: {claim_name: data}}]"
    made = checked(tmp_path, hub(f"KubeSpawner: {{{volumes}, volume_mounts: {mount}}}"))
    [found] = new(made)[1]["mounts"]
    assert (found["mount_path"], found["path_template"], found["read_only"]) == ("/data", "x", True)
    assert found["volume"] == {"kind": "pvc", "claim": "data"}


def test_what_is_no_mapping_or_list_is_dropped(tmp_path: Path) -> None:
    text = (
        "hub: {config: {Authenticator: [a], JupyterHub: {authenticator_class: dummy}}, db: 3, services: [a]}\n"
        "singleuser: {memory: 2G, image: a, profileList: {a: b}, networkPolicy: [a], storage: {static: [a]}}\n"
    )
    made = checked(tmp_path, text)
    assert new(made)[0] == {"hub": {"config": {"JupyterHub": {"authenticator_class": "dummy"}}}}
    assert notes(made, "singleuser.memory") == [("dropped", "a mapping of keys was expected here")]


@pytest.mark.parametrize("path", ["/j\u00fcpyter hub/{x}", "/a?b#c"])
def test_a_base_path_is_written_as_in_a_url(tmp_path: Path, path: str) -> None:
    made = checked(tmp_path, hub("X: {}", f", baseUrl: {path!r}") + NONE)
    assert new(made)[1]["hubs"][0]["api_url"].startswith("http://hub.hub:8081/")


def test_a_block_list_that_code_makes_is_a_question(tmp_path: Path) -> None:
    lines = 'c.JupyterHub.spawner_class = "kubespawner"\nc.Authenticator.%s = open("/a").read()\n'
    for trait, codes in (("blocked_users", {"everybody"}), ("admin_users", set[str]())):
        (tmp_path / "jupyterhub_config.py").write_text(lines % trait, encoding="utf-8")
        assert asked(imported_python(tmp_path / "jupyterhub_config.py", Options())) == codes


@pytest.mark.parametrize(
    ("mode", "read_only"), [("'RO'", True), ("['ro']", True), ("'rw,Z'", False), ("'z'", False)]
)
def test_a_mode_that_is_none_is_read_only(tmp_path: Path, mode: str, read_only: bool) -> None:
    volumes = f"{{'/a': {{'bind': '/b', 'mode': {mode}}}}}"
    text = f"c.JupyterHub.spawner_class = 'docker'\nc.DockerSpawner.volumes = {volumes}\n"
    (tmp_path / "jupyterhub_config.py").write_text(text, encoding="utf-8")
    made = imported_python(tmp_path / "jupyterhub_config.py", Options())
    assert yaml.safe_load(made.files["settings.yaml"])["mounts"][0]["read_only"] is read_only
