"""deploy.yaml: what must be in it, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from deployments import LEAST, deployment, written

from kernelpod.deploy import rendered
from kernelpod.deploy.settings import load_deployment
from kernelpod.errors import SettingsError


def test_the_address_of_the_nfs_server_and_the_users_are_enough(tmp_path: Path) -> None:
    made = load_deployment(written(tmp_path, LEAST))
    assert (made.namespaces.gateway, made.namespaces.kernels, made.namespaces.hub) == ("gateway", "kernels", "hub")
    assert (made.hub.install, made.homes) == ("manifests", "pvc")


def test_the_example_can_be_used() -> None:
    load_deployment(Path(__file__).parents[3] / "deploy.example.yaml")


def test_settings_that_are_wrong_are_named_beside_what_else_is(tmp_path: Path) -> None:
    data = {**LEAST, "homess": "pvc", "settings": {"homes": {"roots": "/x"}, "hubs": "none"}}
    with pytest.raises(SettingsError) as error:
        load_deployment(written(tmp_path, data))
    assert all(said in error.value.message for said in ("homess", "settings.homes.roots", "settings.hubs"))


def test_the_settings_of_the_gateway_have_a_type() -> None:
    made = deployment(settings={"hubs": [{"name": "teaching"}], "homes": {"volume": {"claim": "files"}}})
    assert (made.hub_name, made.gateway.homes.volume.claim) == ("teaching", "files")
    (volume,) = rendered.deleting_pod(made)["spec"]["volumes"]
    assert volume["persistentVolumeClaim"] == {"claimName": "files"}


WRONG: list[tuple[Any, str]] = [
    ({**LEAST, "homess": "pvc"}, "homess"),
    ({**LEAST, "nfs": {}}, "nfs.server"),
    ({**LEAST, "namespaces": {"hub": "gateway"}}, "must be different namespaces"),
    ({"nfs": {"server": "a"}}, "hub.users: list who may log in"),
    ({**LEAST, "settings": {"homes": {"roots": "/x"}}}, "settings.homes.roots"),
    ({**LEAST, "hub": {"users": ["a"], "database": {"nfs": "/a", "host_path": "/b"}}}, "not both"),
    (
        {**LEAST, "hub": {"users": ["a"], "user_ids": "passwd"}},
        "hub.user_ids: set the exported folder nfs.courses_files",
    ),
    ({**LEAST, "hub": {"users": ["a"], "user_ids": "../passwd"}}, "hub.user_ids"),
    ({**LEAST, "nfs": {"server": "a", "mount_options": ["nolock,exec"]}}, "nfs.mount_options"),
    ({**LEAST, "nfs": {"server": "a", "mount_options": ["nolock"]}, "homes": "nfs"}, "set homes: pvc"),
    ("- a list", "must be a mapping"),
    ("a: [", "is not YAML"),
    ("a: " + "[" * 20_000, "nested more than 20 levels"),
]


@pytest.mark.parametrize(("data", "said"), WRONG, ids=[said for _, said in WRONG])
def test_a_wrong_file_is_refused_with_the_key(tmp_path: Path, data: Any, said: str) -> None:
    with pytest.raises(SettingsError) as error:
        load_deployment(written(tmp_path, data))
    assert said in error.value.message
    assert str(tmp_path) in error.value.message


def test_a_missing_file_names_the_example(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"deploy\.example\.yaml"):
        load_deployment(tmp_path / "none.yaml")
