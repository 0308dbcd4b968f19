"""Every example of hub/logins passes `kernelpod hub check-config`, and a mistake in one does not."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from hubs import EXAMPLES
from kernelpod.cli.main import main

# ldap3 uses old names of pyasn1 when it is imported.
pytestmark = pytest.mark.filterwarnings("ignore:.*Map is deprecated:DeprecationWarning:ldap3")


def check(path: Path) -> str:
    """Return what the command says of a file."""
    return CliRunner().invoke(main, ["hub", "check-config", str(path)]).stdout


def test_there_is_an_example_of_each_login() -> None:
    assert {path.stem for path in EXAMPLES.iterdir()} == {"dummy", "ldap", "oidc", "one-time", "remote-user"}


@pytest.mark.parametrize("path", sorted(EXAMPLES.iterdir()), ids=lambda path: path.stem)
def test_an_example_has_no_fault(path: Path) -> None:
    *said, counted = check(path).splitlines()
    assert all("warning shared_origin: " in line for line in said), said
    assert counted == f"{path}: 0 errors, 1 warnings"


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        # Old text, new text, what is then said.
        ("ldap", "allowed_groups", "alowed_groups", "did you mean allowed_groups?"),
        ("ldap", "before_bind", "always", "LDAPAuthenticator.tls_strategy: expected any of ['before_bind'"),
        (
            "ldap",
            "tls_strategy: before_bind",
            "use_ssl: true",
            "warning: LDAPAuthenticator.use_ssl: `use_ssl`",
        ),
        ("oidc", "username_claim", "username_key", "this is an old name; write username_claim"),
        (
            "oidc",
            "{from_env: OIDC_CLIENT_SECRET}",
            "abc",
            "warning: GenericOAuthenticator.client_secret: a sec",
        ),
        (
            "oidc",
            "generic-oauth",
            "generic",
            "'generic' is neither installed nor a dotted path to a class",
        ),
        (
            "oidc",
            "generic-oauth",
            "oauthenticator.generic.GenericAuthenticator",
            "cannot be imported",
        ),
        (
            "oidc",
            "generic-oauth",
            "github",
            "GenericOAuthenticator: this has no effect; JupyterHub.aut",
        ),
        ("one-time", "list_file", "list_flie", "did you mean list_file?"),
        ("remote-user", "192.0.2.10/32", "8", "RemoteUserAuthenticator.trusted_proxies: "),
        ("dummy", "[alice, bob]", "[alice, 4711]", "YAML does not read 4711 as text; put the name in quotes"),
    ],
)
def test_a_mistake_in_an_example_is_said(tmp_path: Path, name: str, old: str, new: str, said: str) -> None:
    text = (EXAMPLES / f"{name}.yaml").read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "config.yaml").write_text(text.replace(old, new), encoding="utf-8")
    assert said in check(tmp_path / "config.yaml")
