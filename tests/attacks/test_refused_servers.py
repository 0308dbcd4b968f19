"""A user whose server is refused: the hub says why, creates nothing, and goes on for everybody else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from hubs import Browser, Hub

PASSWORD = "only for this test"
MOST_FAILURES = 2
SECTIONS = {
    "JupyterHub": {
        "authenticator_class": "dummy",
        "spawner_class": "kernelpod.hub.spawners.sandbox.SandboxSpawner",
    },
    "Authenticator": {"allowed_users": ["alice", "bob", "dave", "erin"]},
    "DummyAuthenticator": {"password": PASSWORD},
    # After so many failures one after the other, the hub ends, for Kubernetes to start it again.
    "Spawner": {"consecutive_failure_limit": MOST_FAILURES},
}

pytestmark = [
    pytest.mark.hub,
    pytest.mark.skipif(os.getuid() != 0, reason="only root starts servers of other user ids"),
]


@pytest.fixture(scope="module")
def refusing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A hub whose file of user ids lacks dave. It makes no homes, and mounts a folder in each."""
    folder: Path = tmp_path_factory.mktemp("refusing")
    (folder / "passwd").write_text(
        "".join(f"{name}:x:{20001 + number}:20000\n" for number, name in enumerate(("alice", "bob", "erin"))),
        encoding="utf-8",
    )
    (folder / "shared").mkdir()
    settings = {
        "hubs": [{"user_ids": str(folder / "passwd")}],
        "homes": {"root": str(folder / "homes"), "create_local": False},
        "mounts": [{"name": "shared", "root": str(folder / "shared"), "mount_path": "/home/jovyan/shared"}],
    }
    (folder / "settings.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    # Alice has no home, bob's is a link, and erin has put a link at the place of the mount.
    (folder / "homes" / "erin").mkdir(parents=True)
    (folder / "homes" / "erin" / "shared").symlink_to("/etc")
    (folder / "homes" / "bob").symlink_to("erin")
    with Hub(folder / "hub", SECTIONS, KERNELPOD_SETTINGS=str(folder / "settings.yaml")) as hub:
        yield hub


def test_a_user_who_is_refused_cannot_end_the_hub(refusing: Hub) -> None:
    with Browser(refusing) as dave:
        dave.submit(username="dave", password=PASSWORD)
        for _ in range(MOST_FAILURES + 2):
            answer = dave.call("POST", "/users/dave/server", json={})
            assert answer.status_code == 403, answer.text
            assert answer.json()["message"].startswith("You have no user id of your own")
        page = dave.get("/hub/spawn")
        assert (page.status_code, "You have no user id of your own" in page.text) == (403, True)
        assert dave.call("GET", "/users/dave").json()["server"] is None
    assert "Aborting" not in refusing.log
    assert "Traceback" not in refusing.log
    assert not (refusing.folder.parent / "homes" / "dave").exists()


@pytest.mark.parametrize(
    ("name", "said"),
    [("alice", "does not exist yet"), ("bob", "is a symbolic link"), ("erin", "is a symbolic link")],
)
def test_a_user_whose_folders_are_amiss_cannot_end_the_hub(refusing: Hub, name: str, said: str) -> None:
    with Browser(refusing) as user:
        user.submit(username=name, password=PASSWORD)
        for _ in range(MOST_FAILURES + 2):
            answer = user.call("POST", f"/users/{name}/server", json={})
            assert (answer.status_code, said in answer.json()["message"]) == (409, True), answer.text
        assert user.call("GET", f"/users/{name}").json()["server"] is None
    assert "Aborting" not in refusing.log
    assert "Traceback" not in refusing.log
