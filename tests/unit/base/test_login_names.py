"""docs/logins.md: what it says of names and homes is what the hub and the gateway do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from kernelpod.base.names import former_user_slug, user_slug
from kernelpod.homes.mounts import mounts_for
from kernelpod.settings.sections import Settings

CHECKOUT = Path(__file__).parents[3]
PAGE = (CHECKOUT / "docs" / "logins.md").read_text(encoding="utf-8")


def spelt(cell: str) -> str:
    """Return what a cell of the table stands for."""
    repeated = re.fullmatch(r"(\d+) times `(.)`", cell)
    return repeated[2] * int(repeated[1]) if repeated else cell.strip("`")


def rows() -> list[tuple[str, str, str]]:
    """Return login, user and home of the table's rows that end in a home."""
    table = PAGE.partition("| login | user | home |")[2].partition("\n\n")[0].splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    return [(spelt(login), spelt(user), spelt(home)) for login, user, home, *_ in cells if home]


ROWS = rows()


def test_the_table_is_found() -> None:
    assert len(ROWS) == 11
    assert {"admin", "root", "system:x", "a" * 300} <= {login for login, _, _ in ROWS}


@pytest.mark.parametrize(("login", "user", "home"), ROWS, ids=[login[:20] for login, _, _ in ROWS])
def test_a_name_has_the_home_that_the_page_says(login: str, user: str, home: str) -> None:
    name = login.lower()
    assert user in (name, "the same")
    assert user_slug(name) == home
    mounts = mounts_for(Settings.model_validate({"homes": {"root": "/homes"}}), "hub", name, ())
    assert mounts.home.path == f"/homes/{home}"


@pytest.mark.hub
@pytest.mark.parametrize("login", [login for login, _, _ in ROWS], ids=[login[:20] for login, _, _ in ROWS])
def test_the_hub_makes_names_lower_case_and_takes_them(login: str) -> None:
    from jupyterhub.auth import Authenticator
    from kubespawner.slugs import escape_slug, safe_slug

    authenticator = Authenticator()
    name = authenticator.normalize_username(login)
    assert name == login.lower()
    assert authenticator.validate_username(name)
    assert safe_slug(name, max_length=48) == user_slug(name)
    assert escape_slug(name) == former_user_slug(name)


def test_different_names_have_different_homes() -> None:
    names = {login.lower() for login, _, _ in ROWS} | {"alice@a.org", "alice@b.org", "alice-a-org", "u\u0308nal"}
    assert len({user_slug(name) for name in names}) == len(names)


def test_a_map_keeps_the_homes_of_an_older_login() -> None:
    """The example of the page, as YAML and as JupyterHub would read it."""
    (line,) = re.findall(r"`(Authenticator: \{username_map: .*?\}\})`", PAGE)
    assert yaml.safe_load(line) == {"Authenticator": {"username_map": {"alice@example.org": "alice"}}}


def test_every_example_is_on_the_page() -> None:
    for path in sorted((CHECKOUT / "hub" / "logins").iterdir()):
        assert f"(../hub/logins/{path.name})" in PAGE
