"""`kernelpod homes --of-hub`: the users that a hub knows, page by page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml
from click.testing import CliRunner, Result

from doubles import FakeHub, user_model
from kernelpod.base.names import user_slug
from kernelpod.cli.main import main

NAMES = ["carol", "alice", "bob", "jo.doe", "zoe"]


class ListingHub(FakeHub):
    """A hub that lists its users, two at once whatever is asked, to those who may list them."""

    def answer(self, path: str, token: str) -> tuple[int, str, bytes]:
        """As a hub, and pages of users."""
        scopes = self.users.get(token, {}).get("scopes", ())
        if self.mode != "ok" or not path.startswith("/hub/api/users?") or "list:users" not in scopes:
            return (403, "text/plain", b"") if self.mode == "ok" else super().answer(path, token)
        begin = int(parse_qs(urlsplit(path).query)["offset"][0])
        page = [{"name": name} for name in NAMES[begin : begin + 2]]
        return 200, "application/json", json.dumps(page).encode()


@pytest.fixture(scope="module")
def hub() -> Iterator[FakeHub]:
    """A hub with more users than fit on two of its pages."""
    with ListingHub() as hub:
        scopes = {"carol": ["list:users"]}
        hub.users = {f"{name}-token": user_model(name, scopes=scopes.get(name, [])) for name in NAMES}
        yield hub


def homes(hub: FakeHub, folder: Path, *words: str, token: str = "carol-token") -> Result:  # noqa: S107
    """Return what `kernelpod homes` does, in a folder of homes."""
    settings = folder / "settings.yaml"
    settings.write_text(yaml.safe_dump({"hubs": [{"api_url": hub.api_url}]}), encoding="utf-8")
    (folder / "homes").mkdir(exist_ok=True)
    place = ("--settings", str(settings), "--target", str(folder / "homes"))
    return CliRunner().invoke(main, ["homes", *words, *place], env={"KERNELPOD_ADMIN_TOKEN": token})


def test_all_users_that_the_hub_knows_are_meant(hub: FakeHub, tmp_path: Path) -> None:
    said = homes(hub, tmp_path, "check", "--of-hub").output.splitlines()
    assert [line.split("/")[-1].split(":")[0] for line in said[:-1]] == [
        "carol",
        "alice",
        "bob",
        user_slug("jo.doe"),
        "zoe",
    ]
    assert said[-1] == "5 homes: 5 missing"


def test_what_is_nobodys_is_told_beside_them(hub: FakeHub, tmp_path: Path) -> None:
    (tmp_path / "homes" / "gone").mkdir(parents=True)
    done = homes(hub, tmp_path, "usage", "--of-hub")
    assert done.output.splitlines()[-1] == f"{tmp_path}/homes/gone is the home of nobody in the lists of this hub"


@pytest.mark.parametrize(
    ("words", "token", "said"),
    [
        (["alice"], "carol-token", "--of-hub means all users of the hub; leave out names and --list"),
        ([], "bob-token", "answered 403: it does not take the token, or its owner lacks the scope list:users"),
        ([], "", "There is no token: give an admin's by --token-file or $KERNELPOD_ADMIN_TOKEN"),
    ],
    ids=["names", "scope", "token"],
)
def test_what_cannot_be_asked_is_said(
    hub: FakeHub, tmp_path: Path, words: list[str], token: str, said: str
) -> None:
    done = homes(hub, tmp_path, "make", "--of-hub", *words, token=token)
    assert done.exit_code == 2
    assert said in done.output
    assert list((tmp_path / "homes").iterdir()) == []


@pytest.mark.parametrize(
    ("mode", "said"), [("error", "answered 500"), ("html", "hubs.api_url is not a hub's: its answer is no list")]
)
def test_a_hub_that_gives_no_list_is_named(hub: FakeHub, tmp_path: Path, mode: str, said: str) -> None:
    hub.mode = mode
    try:
        done = homes(hub, tmp_path, "make", "--of-hub")
    finally:
        hub.mode = "ok"
    assert (done.exit_code, said in done.output) == (2, True), done.output
