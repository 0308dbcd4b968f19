"""Which configurations of a hub are told that its servers share its origin."""

from __future__ import annotations

from pathlib import Path

import pytest

from kernelpod.settings.sections import Settings

pytestmark = pytest.mark.hub
DEPLOY = "nfs: {server: 10.0.0.5}\nhub: {users: [alice, bob]%s}\n"
HOST = "JupyterHub: {subdomain_host: 'https://h.org'}"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("Authenticator: {allowed_users: [alice, bob]}", [1]),
        ("Authenticator: {allowed_users: [alice]}", []),
        ("Authenticator: {allowed_users: alice}", []),
        ("Authenticator: {allowed_users: [alice], allow_all: true}", [1]),
        (HOST, []),
        (f"proxy: {{}}\nhub:\n  config: {{{HOST}}}", []),
        ("proxy: {}\nhub:\n  config: {Authenticator: {allow_all: true}}", [3]),
        (DEPLOY % "", [2]),
        (DEPLOY % ", subdomains: true", []),
        (DEPLOY % f", config: {{{HOST}}}", []),
        (DEPLOY % ", subdomains: true" + "more_hubs:\n  exam: {courses: exam.yaml}", [4]),
        ("[broken", []),
    ],
)
def test_a_file_of_several_users_is_told_that_they_share_an_origin(
    tmp_path: Path, text: str, lines: list[int]
) -> None:
    from kernelpod.hub.configfile.origins import shared_origins

    path = tmp_path / "config.yaml"
    path.write_text(text, encoding="utf-8")
    found = shared_origins(path, Settings())
    assert [(one.place.line, one.level, one.code) for one in found] == [
        (line, "warning", "shared_origin") for line in lines
    ]
    hosts = Settings.model_validate({"hubs": [{"subdomain_host": "https://h.org"}]})
    assert "nfs" in text or shared_origins(path, hosts) == []
