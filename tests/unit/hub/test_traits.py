"""A hub's traits by class, checked against JupyterHub's own classes: each mistake is a sentence at its place."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from kernelpod.cli.hub.config import NEEDS_JUPYTERHUB

hub = pytest.mark.hub
CHECKOUT = Path(__file__).parents[3]


def written(folder: Path, text: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def said_of(folder: Path, text: str) -> list[str]:
    """Return what is said of a file, as "line: level: sentence"."""
    from kernelpod.hub.configfile.traits import check_traits

    return [
        f"{finding.place.line}: {finding.level}: {finding.text}" for finding in check_traits(written(folder, text))
    ]


MISTAKES = {
    "Authenticator: {alow_all: true}": "Authenticator has no such trait; did you mean allow_all?",
    "jupyterhub: {ip: 1.2.3.4}": "jupyterhub: names of sections are case-sensitive; write JupyterHub",
    "KubeSpwner: {image: a}": "KubeSpwner: no class has this name; did you mean KubeSpawner?",
    "Frobnicator: {}": "sections are class names such as JupyterHub, Authenticator, PAMAuthenticator",
    "auth: {type: github}": "auth: Zero to JupyterHub removed this in 1.0; write the authenticator's traits",
    "JupyterHub.ip: 1.2.3.4": "class and trait are two levels in YAML: JupyterHub: {ip: ...}",
    "c.JupyterHub.ip: 1.2.3.4": "class and trait are two levels in YAML: JupyterHub: {ip: ...}",
    "JupyterHub: [ip]": "JupyterHub: a section is a mapping of traits: JupyterHub: {trait: value}",
    "JupyterHub: {ip: 5}": "JupyterHub.ip: expected a unicode string, not a value of type int",
    "Authenticator: {allowed_users: 5}": "allowed_users: expected a set, not a value of type int",
    "JupyterHub: {load_roles: readers}": "JupyterHub.load_roles: each entry is a mapping with a name",
    "rbac: {}\nbasehub: {jupyterhub: {hub: {}}}": "basehub.jupyterhub: the chart's values are nested here",
    "JupyterHub: {db_url: [mysql://u:p@x/y]}": "db_url: expected a unicode string, not a value of type list",
    "Authenticator: {allowed_users: [1234]}": "YAML does not read 1234 as text; put the name in quotes",
    "Authenticator: {admin_users: [no]}": "YAML does not read False as text; put the name in quotes",
    "Authenticator: {username_regex: x}": "Authenticator sets this itself; it cannot be configured",
    "Authenticator: {pam_normalize_username: true}": "but PAMAuthenticator has; write it under PAMAuthenticator",
    "JupyterHub: {authenticator_class: dumy}": "'dumy' is neither installed nor a dotted path to a class; did you",
    "JupyterHub: {authenticator_class: no_such.Login}": "'no_such.Login' cannot be imported (ModuleNotFoundError",
    "JupyterHub: {authenticator_class: json.loads}": "JupyterHub.authenticator_class: 'json.loads' is not a subc",
    "JupyterHub: {authenticator_class: simple}": "'simple' is neither installed nor a dotted path to a class; ins",
    "JupyterHub: {authenticator_class: 5}": ".authenticator_class: expected a subclass of 'jupyterhub.auth.Authen",
    "JupyterHub: {cookie_secret: 5}": "JupyterHub.cookie_secret: expected a bytes object or a unicode string",
    "CryptKeeper: {keys: {a: b}}": "CryptKeeper.keys: expected a list, not a value of type dict",
    "KubeSpawner: {mem_limit: 2X}": "KubeSpawner.mem_limit: this is not a valid memory specification",
    "JupyterHub: {log_level: LOUD}": "JupyterHub.log_level: expected any of [0, 10, 20,",
    "JupyterHub: {db_url: 'mysql+pymysql//hub:geheim@h/x'}": "JupyterHub.db_url: this is neither a path nor DI",
    "JupyterHub: {db_url: 'sqlite://h:port/x'}": "JupyterHub.db_url: this is not a URL of the form DIALECT",
    "JupyterHub: {db_url: 'sqlite://hub:a#b@h/x'}": "JupyterHub.db_url: the password contains a charact",
    "JupyterHub: {db_url: 'maria://h/x'}": "SQLAlchemy does not know maria; write mysql+pymysql or",
    "JupyterHub: {db_url: 'mysql+mysqldb://h/x'}": "needs the package MySQLdb, which is not installed here",
    "[Authenticator]": "the file must be a mapping with keys",
    "Authenticator: {allow_all: true, allow_all: false}": "allow_all: the key occurs twice; keep one",
    "Authenticator: {allow_all: true": "this is not YAML",
}


@hub
@pytest.mark.parametrize(("text", "sentence"), MISTAKES.items())
def test_a_mistake_is_one_error_with_a_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    said = said_of(tmp_path, text)
    assert len(said) == 1, said
    assert sentence in said[0]
    assert ": error: " in said[0]


@hub
@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("Authenticator: {whitelist: [a]}", "Authenticator.whitelist: this is an old name; write allowed_users"),
        ("KubeSpawner: {image_spec: a}", "KubeSpawner.image_spec: this is an old name; write image"),
        ("JupyterHub: {confirm_no_ssl: true}", "JupyterHub.confirm_no_ssl: DEPRECATED: does nothing"),
        ("DummyAuthenticator: {}", "this has no effect; JupyterHub.authenticator_class is PAMAuthenticator"),
        ("ConfigurableHTTPProxy: {auth_token: abc}", "a secret in plain text; write {from_file: PATH}"),
        ("JupyterHub: {db_url: 'sqlite://hub:a@h/x'}", "a secret in plain text; write {from_file: PATH}"),
    ],
)
def test_what_still_works_is_a_warning(tmp_path: Path, text: str, sentence: str) -> None:
    said = said_of(tmp_path, text)
    assert len(said) == 1, said
    assert sentence in said[0]
    assert ": warning: " in said[0]


@hub
def test_a_class_that_is_not_installed_is_named_once(tmp_path: Path) -> None:
    given = "JupyterHub: {authenticator_class: no_such.FastAuthenticator}\nFastAuthenticator: {a: b}"
    assert len(said_of(tmp_path, given)) == 1


@hub
def test_a_secret_of_the_wrong_type_is_not_repeated(tmp_path: Path) -> None:
    given = (
        "JupyterHub: {authenticator_class: shared-password}\nSharedPasswordAuthenticator: {user_password: 8675309}"
    )
    (said,) = said_of(tmp_path, given)
    assert "user_password: expected a unicode string, not a value of type int" in said
    assert "8675309" not in said


@hub
def test_values_of_the_chart_are_read_where_its_traits_are(tmp_path: Path) -> None:
    given = "proxy: {}\nhub:\n  db: {}\n  config:\n    Authenticator:\n      alow_all: true\n"
    given += "    ConfigurableHTTPProxy: {auth_token: {from_env: A}}\n"
    first, second = said_of(tmp_path, given)
    assert first.startswith("6: error: hub.config.Authenticator.alow_all: ")
    assert "from_env: only the hub of this project supports it" in second


DEPLOYED = """\
nfs: {server: 10.0.0.5}
hub:
  authenticator: shared-password
  config:
    JupyterHub: {db_url: {from_env: HUB_DATABASE_URL}}
    SharedPasswordAuthenticator: {user_password: {from_file: /run/secrets/x}}
    Authenticator:
      alow_all: true
more_hubs:
  exam:
    authenticator: one-tim
"""


@hub
def test_a_file_of_deploy_is_read_hub_by_hub_and_knows_sources(tmp_path: Path) -> None:
    first, second = said_of(tmp_path, DEPLOYED)
    assert first.startswith("8: error: hub.config.Authenticator.alow_all: ")
    assert "more_hubs.exam.config.JupyterHub.authenticator_class: 'one-tim' is neither installed" in second
    assert said_of(tmp_path, "nfs: {server: 10.0.0.5}\n") == []
    zero = DEPLOYED.replace("hub:\n", "hub:\n  install: z2jh\n", 1)
    assert sum("only the hub of this project supports it" in one for one in said_of(tmp_path, zero)) == 2


class Given(dict[str, Any]):
    """A configuration that makes sections as they are asked for, as traitlets' does."""

    def __missing__(self, section: str) -> dict[str, Any]:
        self[section] = {}
        return self[section]


@hub
def test_everything_is_set_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from kernelpod.findings.finding import FindingsError
    from kernelpod.hub.configfile.traits import configure_from

    monkeypatch.setenv("PROXY_TOKEN", "from the environment\n")
    (tmp_path / "secret").write_text("a secret\n", encoding="utf-8")
    sections: dict[str, Any] = {
        "JupyterHub": {"authenticator_class": "shared-password"},
        "SharedPasswordAuthenticator": {"user_password": {"from_file": str(tmp_path / "secret")}},
        "ConfigurableHTTPProxy": {"auth_token": {"from_env": "PROXY_TOKEN"}},
    }
    c = Given()
    configure_from(c, written(tmp_path, yaml.safe_dump(sections)))
    assert c["SharedPasswordAuthenticator"] == {"user_password": "a secret"}
    assert c["ConfigurableHTTPProxy"] == {"auth_token": "from the environment"}
    for remove in ((tmp_path / "secret").unlink, lambda: monkeypatch.delenv("PROXY_TOKEN")):
        remove()
        c = Given()
        with pytest.raises(FindingsError, match=r"user_password: from_file: .*No such file"):
            configure_from(c, tmp_path / "config.yaml")
        assert not c
    with pytest.raises(FindingsError, match="the environment variable PROXY_TOKEN is not set"):
        configure_from(c, tmp_path / "config.yaml")


@hub
def test_the_url_of_the_database_is_looked_at_wherever_it_is_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kernelpod.findings.finding import FindingsError
    from kernelpod.hub.configfile.traits import configure_from

    monkeypatch.setenv("DATABASE", "mysql+pymysql://hub:gehe#im@h/x")
    with pytest.raises(FindingsError, match="the password contains a character that must be") as error:
        configure_from(Given(), written(tmp_path, "JupyterHub: {db_url: {from_env: DATABASE}}"))
    assert "gehe" not in error.value.message


RIGHT = """
JupyterHub:
  authenticator_class: dummy
  log_level: DEBUG
  load_groups: {staff: {users: [alice]}}
  services: [{name: idle, command: [a]}]
  tornado_settings: {headers: {A: b}}
  cookie_max_age_days: 0.5
Authenticator: {allowed_users: [alice], admin_users: [], username_map: {a: b}, username_pattern: '^[a-z]+$'}
DummyAuthenticator: {password: {from_env: PASSWORD}}
Spawner: {default_url: /lab, cmd: jupyterhub-singleuser, environment: {A: b}, http_timeout: 30}
KubeSpawner:
  mem_limit: 2G
  mem_guarantee: 1073741824
  cpu_limit: 2
  uid: 1000
  volumes: [{name: a}]
  volume_mounts: {a: {name: a, mountPath: /a}}
  lifecycle_hooks: {postStart: {exec: {command: [a]}}}
PodSpawner: {start_timeout: 300}
"""


@hub
def test_of_what_is_right_nothing_is_said(tmp_path: Path) -> None:
    assert said_of(tmp_path, RIGHT) == []


@hub
@pytest.mark.parametrize(
    ("section", "trait", "value"),
    [
        ("Authenticator", "allowed_users", "mia"),
        ("Authenticator", "admin_users", "mia"),
        ("Spawner", "server_token_scopes", "self"),
        ("KubeSpawner", "supplemental_gids", "100"),
        ("JupyterHub", "extra_user_scopes", "read:hub"),
        ("JupyterHub", "trusted_alt_names", "DNS:hub"),
        ("KubeSpawner", "volumes", "home"),
        ("KubeSpawner", "environment", "A"),
        ("JupyterHub", "load_groups", "staff"),
    ],
)
def test_a_text_in_the_place_of_a_list_is_taken_as_the_hub_takes_it(
    tmp_path: Path, section: str, trait: str, value: str
) -> None:
    from traitlets import TraitError
    from traitlets.config import Config

    from kernelpod.hub.configfile.classes import installed

    kind = installed().find("KubeSpawner" if section == "Spawner" else section)
    assert kind
    kind = type("Mine", (kind,), {"_mock": True}) if section.endswith("Spawner") else kind
    try:
        made = getattr(kind(config=Config({section: {trait: value}})), trait)
    except TraitError:
        made = None
    assert (said_of(tmp_path, f"{section}: {{{trait}: {value!r}}}") == []) == (made is not None)


@hub
def test_an_empty_file_says_nothing(tmp_path: Path) -> None:
    from kernelpod.hub.configfile.traits import configure_from

    assert said_of(tmp_path, "") == said_of(tmp_path, "JupyterHub:\n") == []
    configure_from(Given(), tmp_path / "config.yaml")


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@hub
@pytest.mark.parametrize("name", ["kubernetes_config.py", "jupyterhub_config.py"])
def test_a_mistake_stops_the_hub_with_the_sentence_alone(tmp_path: Path, name: str) -> None:
    """The hub's configuration of the image or of one machine, started: no traceback, no database, no proxy."""
    (tmp_path / "settings.yaml").write_text("{}", encoding="utf-8")
    where = {"KERNELPOD_SETTINGS": str(tmp_path / "settings.yaml")}
    where["KERNELPOD_HUB_CONFIG"] = str(written(tmp_path, "Authenticator: {alow_all: true}"))
    config = CHECKOUT / "hub" / name
    cli = f"import os, sys; os.chdir({str(tmp_path)!r}); from jupyterhub.app import main; main(sys.argv[1:])"
    ended = command("-c", cli, "--config", str(config), **where)
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[0] == "the hub's configuration cannot be used:"
    assert "did you mean allow_all?" in ended.stderr.splitlines()[1]
    assert len(ended.stderr.splitlines()) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.yaml", "settings.yaml"]


@hub
@pytest.mark.parametrize("name", ["kubernetes_config.py", "jupyterhub_config.py"])
def test_a_file_without_mistakes_has_the_last_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    from traitlets.config import PyFileConfigLoader

    (tmp_path / "settings.yaml").write_text("{}", encoding="utf-8")
    given = "JupyterHub: {authenticator_class: one-time, hub_ip: 127.0.0.1}\nOneTimeAuthenticator: {list_file: /a}"
    monkeypatch.setenv("KERNELPOD_SETTINGS", str(tmp_path / "settings.yaml"))
    monkeypatch.setenv("KERNELPOD_HUB_CONFIG", str(written(tmp_path, given)))
    c = PyFileConfigLoader(name, str(CHECKOUT / "hub")).load_config()
    assert c.JupyterHub.authenticator_class.__name__ == "OneTimeAuthenticator"
    assert c.JupyterHub.hub_ip == "127.0.0.1"
    assert c.OneTimeAuthenticator.list_file == "/a"


@hub
def test_a_file_adds_roles_services_and_variables_to_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A site's lists would replace the gateway's service and role, its variables those that name the gateway."""
    from jupyterhub.app import JupyterHub
    from traitlets.config import PyFileConfigLoader

    (tmp_path / "settings.yaml").write_text("{}", encoding="utf-8")
    given = {
        "JupyterHub": {
            "services": [{"name": "announcements", "url": "http://127.0.0.1:1"}],
            "load_roles": [
                {"name": "kernelpod-admin", "users": ["carol"], "scopes": ["read:users"]},
                {"name": "readers", "groups": ["staff"], "scopes": ["list:users"]},
            ],
            "custom_scopes": {"custom:mine": {"description": "mine"}},
            "extra_user_scopes": ["read:hub"],
        },
        "KubeSpawner": {"environment": {"LANG": "de_DE.UTF-8", "SHELL": "/bin/zsh"}},
    }
    monkeypatch.setenv("KERNELPOD_SETTINGS", str(tmp_path / "settings.yaml"))
    monkeypatch.setenv("KERNELPOD_HUB_CONFIG", str(written(tmp_path, yaml.safe_dump(given))))
    c = PyFileConfigLoader("kubernetes_config.py", str(CHECKOUT / "hub")).load_config()
    made = JupyterHub(config=c)
    assert {service["name"] for service in made.services} == {"kernelpod", "announcements"}
    roles = {role["name"]: role for role in made.load_roles}
    assert roles["kernelpod-gateway"]["scopes"] == ["read:servers"]
    assert roles["kernelpod-admin"]["users"] == ["carol"]
    admin = ["custom:kernelpod:admin", "access:services!service=kernelpod", "read:users"]
    assert roles["kernelpod-admin"]["scopes"] == admin
    assert roles["readers"] == {"name": "readers", "groups": ["staff"], "scopes": ["list:users"]}
    assert {"custom:mine", "custom:kernelpod:admin"} <= made.custom_scopes.keys()
    assert made.extra_user_scopes == {"access:services!service=kernelpod", "read:hub"}
    variables = c.KubeSpawner.environment
    assert {"LANG", "KERNEL_PATH", "JUPYTER_GATEWAY_URL"} <= variables.keys()
    assert variables["SHELL"] == "/bin/zsh"


@hub
def test_the_command_says_it_as_text_and_as_json(tmp_path: Path) -> None:
    path = str(written(tmp_path, "Authenticator: {alow_all: true}"))
    checked = command("-m", "kernelpod.cli.main", "hub", "check-config", path)
    assert (checked.returncode, checked.stdout.splitlines()[-1]) == (1, f"{path}: 1 errors, 1 warnings")
    as_json = command("-m", "kernelpod.cli.main", "hub", "check-config", path, "--json")
    fault, origin = json.loads(as_json.stdout)
    assert (fault["file"], fault["line"], fault["column"], fault["level"]) == (path, 1, 17, "error")
    assert (origin["level"], origin["code"]) == ("warning", "shared_origin")


def test_without_jupyterhub_the_command_says_what_it_needs(tmp_path: Path) -> None:
    blocked = "import sys; sys.modules['jupyterhub'] = None; from kernelpod.cli.main import main; main()"
    ended = command("-c", blocked, "hub", "check-config", str(tmp_path / "a"))
    assert (ended.returncode, ended.stderr) == (2, f"kernelpod: {NEEDS_JUPYTERHUB}\n")
