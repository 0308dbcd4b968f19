"""What comes out of an import passes `kernelpod hub check-values`: what would break something is dropped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from old_hubs import fates, made_of, new, run

from kernelpod.importers.report import QUESTIONS

START = {"hub": {"config": {"Authenticator": {"allow_all": True}}}, "singleuser": {"storage": {"type": "none"}}}
HUB, SPAWNER = "hub.config.JupyterHub", "hub.config.KubeSpawner"
BREAKING: dict[str, Any] = {
    "fullnameOverride": "other",
    "hub.db.type": "sqlite-memory",
    "hub.services.gone": None,
    "hub.loadRoles.user": None,
    "hub.networkPolicy.ingress": [{"from": [{"namespaceSelector": {}}]}],
    "hub.networkPolicy.egress": [{}],
    f"{HUB}.bind_url": "http://:8000/below",
    f"{HUB}.hub_port": 9,
    f"{HUB}.load_roles": [{"name": "r", "scopes": ["self"]}],
    f"{HUB}.services": [{"name": "s"}],
    f"{HUB}.spawner_class": "dockerspawner.DockerSpawner",
    f"{HUB}.db_url": "sqlite://",
    f"{SPAWNER}.namespace": "other",
    f"{SPAWNER}.enable_user_namespaces": True,
    f"{SPAWNER}.working_dir": "/tmp",
    f"{SPAWNER}.delete_grace_period": 0,
    f"{SPAWNER}.server_token_scopes": [],
    f"{SPAWNER}.container_security_context.runAsUser": 3,
    "singleuser.extraEnv.HOME": "/elsewhere",
    "singleuser.extraPodConfig.containers": [{"name": "sidecar"}],
    "singleuser.extraPodConfig.volumes": [{"name": "disk"}],
}
# Of these, what has a place elsewhere.
ELSEWHERE = (
    f"{HUB}.bind_url",
    f"{HUB}.load_roles",
    f"{HUB}.services",
    f"{SPAWNER}.container_security_context.runAsUser",
)


def broken(*keys: str) -> dict[str, Any]:
    """Return values of an old hub with some that would break the new one."""
    data: dict[str, Any] = json.loads(json.dumps(START))
    for key in keys:
        *above, last = key.split(".")
        section = data
        for one in above:
            section = section.setdefault(one, {})
        section[last] = BREAKING[key]
    return data


@pytest.mark.parametrize("keys", [*((key,) for key in BREAKING), tuple(BREAKING)], ids=lambda keys: keys[0])
def test_what_would_break_the_new_hub_is_dropped_with_the_reason(tmp_path: Path, keys: tuple[str, ...]) -> None:
    (tmp_path / "old.yaml").write_text(yaml.safe_dump(broken(*keys)), encoding="utf-8")
    accepted = [word for code in QUESTIONS for word in ("--accept", code)]
    run(tmp_path / "old.yaml", "--to", tmp_path / "new", *accepted)
    report = json.loads((tmp_path / "new" / "import-report.json").read_text(encoding="utf-8"))
    assert "error" not in run(tmp_path / "old.yaml", "--to", tmp_path / "again", *accepted, "--dry-run")
    for key in keys:
        fates = [one for one in report["fates"] if one["key"] == key or one["key"].startswith(f"{key}.")]
        fate = "changed" if key in ELSEWHERE else "dropped"
        assert {(one["change"], bool(one["why"])) for one in fates} == {(fate, True)}


def test_a_hub_below_a_path_stays_there(tmp_path: Path) -> None:
    for text in ("{baseUrl: /jupyter/, ", "{"):
        config = "{Authenticator: {allow_all: true}" + (
            "}" if "base" in text else ", JupyterHub: {base_url: /jupyter}}"
        )
        made = made_of(tmp_path, f"hub: {text}config: {config}}}\nsingleuser: {{storage: {{type: none}}}}\n")
        values, settings = new(made)
        assert settings["hubs"] == [{"api_url": "http://hub.hub:8081/jupyter/hub/api"}]
        assert "baseUrl" not in values["hub"]


@pytest.mark.parametrize(("scheme", "slug"), [("escape", "escape"), ("safe", "safe")])
def test_the_scheme_of_names_stays_that_of_homes(tmp_path: Path, scheme: str, slug: str) -> None:
    config = f"{{Authenticator: {{allow_all: true}}, KubeSpawner: {{slug_scheme: {scheme}}}}}"
    storage = '{type: static, static: {pvcName: homes, subPath: "{username}"}}'
    made = made_of(tmp_path, f"hub: {{config: {config}}}\nsingleuser: {{storage: {storage}}}\n", version="4.2.0")
    assert new(made)[1]["homes"].get("slug", "safe") == slug
    assert fates(made)["hub.config.KubeSpawner.slug_scheme"] == "changed"


def test_who_may_log_in_is_never_dropped_by_a_check(tmp_path: Path) -> None:
    config = {"Authenticator": {"allowed_users": ["ada"], "username_pattern": "^a"}}
    (tmp_path / "old.yaml").write_text(yaml.safe_dump({"hub": {"config": config}, "singleuser": {}}))
    run(tmp_path / "old.yaml", "--to", tmp_path / "new", "--nfs", "nfs.example:/homes")
    values = yaml.safe_load((tmp_path / "new" / "values.yaml").read_text(encoding="utf-8"))
    assert values["hub"]["config"] == config
