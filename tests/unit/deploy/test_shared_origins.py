"""What `deploy` says where the servers of several users share the hub's origin."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from deployments import Answers, courses_deployment, deployment, written

from kernelpod.cli import deploy
from kernelpod.deploy import operations

URL = "https://hub.example.org"


@pytest.mark.parametrize(
    ("hub", "warned"),
    [
        ({}, True),
        ({"users": ["alice"]}, False),
        ({"users": ["alice"], "admin_users": ["carol"]}, True),
        ({"users": ["alice"], "config": {"Authenticator": {"allowed_users": ["bob"]}}}, True),
        ({"users": [], "authenticator": "pam"}, True),
        ({"users": ["alice"], "authenticator": "x", "config": {"XAuthenticator": {"allow_all": True}}}, True),
        ({"config": {"JupyterHub": {"subdomain_host": URL}}}, False),
        ({"url": URL, "subdomains": True}, False),
        ({"install": "none"}, False),
    ],
)
def test_a_shared_origin_of_several_users_is_a_warning(hub: dict[str, Any], warned: bool) -> None:
    found = operations.shared_origins(deployment(hub={"users": ["alice", "bob"], **hub}), Path("deploy.yaml"))
    assert [(one.level, one.code) for one in found] == [("warning", "shared_origin")] * warned


def test_each_hub_is_named_with_what_to_do() -> None:
    found = operations.shared_origins(courses_deployment(), Path("deploy.yaml"))
    assert [one.remedy.partition(":")[0] for one in found] == [
        "set hub.subdomains",
        "set more_hubs.exam.subdomains",
    ]
    assert "as anybody who opens it" in found[0].text


def test_the_command_says_it_before_it_does_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(tmp_path, {"nfs": {"server": "10.0.0.5"}, "hub": {"users": ["alice", "bob"]}})
    monkeypatch.setattr(deploy, "find_cluster", lambda _: Answers(kubectl_config="https://api").cluster())
    deploy.opened(file, warn=True)
    assert "warning shared_origin: hub and servers share one origin" in capsys.readouterr().err
    deploy.opened(file)
    assert capsys.readouterr().err == ""
